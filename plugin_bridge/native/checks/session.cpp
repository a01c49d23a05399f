// A host without a device: exchange and link as a plug-in has them, against a real server, in real time or offline.
//
//     session MODEL SETTINGS RATE BLOCK SECONDS [wait] [loop] [keep]       a click on every tenth of a second; settings: JSON members
//
// The host's transport rolls at 120 BPM; with `loop` it goes back to its beginning every second. With `keep` the
// take is kept after a second.
// It ends after SECONDS, or half a second after a TERM signal; the last half second has no clicks.
//
// Prints a line for what happens: `open REPORTED`, `status VALUE FRAME`, `click FRAME`, `midi FRAME STATUS DATA1 DATA2`, and at
// the end `end DRY HANGING`: samples that came through undelayed wrong while no player's sound replaced them, and notes left sounding.
#include <cmath>
#include <csignal>
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "check.hpp"
#include "exchange.hpp"
#include "link.hpp"

using namespace backline;

namespace {

volatile std::sig_atomic_t told_to_end = 0;

}  // namespace

int main(int argc, char** argv)
{
    hold(argc >= 6, "usage: session MODEL SETTINGS RATE BLOCK SECONDS [wait] [loop] [keep]");
    std::signal(SIGTERM, [](int) { told_to_end = 1; });
    setvbuf(stdout, nullptr, _IOLBF, 0);
    Wanted wanted;
    wanted.model = argv[1];
    wanted.fixed = argv[2];
    wanted.rate = static_cast<std::uint32_t>(std::atoi(argv[3]));
    const auto frames = static_cast<std::uint32_t>(std::atoi(argv[4]));
    const double seconds = std::atof(argv[5]);
    const auto said = [&](const char* word) {
        return std::any_of(argv + 6, argv + argc, [word](const char* other) { return std::strcmp(word, other) == 0; });
    };
    wanted.free_pace = said("wait");
    const bool loops = said("loop"), keeps = said("keep");
    std::atomic<bool> keep{false};

    Lines lines;
    Link link(lines, [&] {
        Wanted now = wanted;
        now.keep = keep.load();
        return now;
    });
    Exchange exchange(lines, [](void* woken) { static_cast<Link*>(woken)->wake(); }, &link);
    std::int64_t latency = 0;
    link.open(20.0, false, latency);
    exchange.start(wanted.rate, frames, latency, false);
    std::printf("open %u\n", exchange.reported());

    struct Host {
        std::int64_t now = 0;
        int sounding = 0;
    } host;
    std::vector<float> left(frames), right(frames), heard;
    std::vector<float> sent;
    const float* const inputs[] = {left.data(), right.data()};
    float* const outputs[] = {left.data(), right.data()};
    Cycle cycle;
    cycle.inputs = inputs;
    cycle.outputs = outputs;
    cycle.channels_in = cycle.channels_out = 2;
    cycle.frames = frames;
    cycle.wait = wanted.free_pace;
    cycle.host.playing = true;
    cycle.host.tempo_bpm = 120.0;
    cycle.host.beats_per_bar = 4.0;
    int status = -1;
    std::uint64_t wrong = 0;
    timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    const std::int64_t every = wanted.rate / 10, silence = wanted.rate / 2;
    auto end = static_cast<std::int64_t>(seconds * wanted.rate);
    while (host.now < end) {
        if (told_to_end)
            end = std::min(end, host.now + silence), told_to_end = 0;
        for (std::uint32_t k = 0; k < frames; ++k) {
            const std::int64_t frame = host.now + k;
            left[k] = right[k] = frame % every == every / 3 && frame < end - silence ? 0.9f : 0.0f;
            if (left[k] != 0.0f)
                std::printf("click %lld\n", static_cast<long long>(frame));
            sent.push_back(left[k]);
        }
        cycle.host.frame = loops ? host.now % wanted.rate : host.now;
        cycle.host.quarters = 2.0 * static_cast<double>(cycle.host.frame) / wanted.rate;
        cycle.host.bar = 1 + static_cast<std::int32_t>(cycle.host.quarters / 4.0);
        cycle.host.beat = std::fmod(cycle.host.quarters, 4.0);
        exchange.run(
            cycle,
            [](void* at, std::uint32_t frame, const MidiBytes& midi) {
                Host& here = *static_cast<Host*>(at);
                here.sounding += starts_note(midi) - ends_note(midi);
                std::printf("midi %lld %d %d %d\n", static_cast<long long>(here.now + frame), midi[0], midi[1], midi[2]);
            },
            &host);
        for (std::uint32_t k = 0; k < frames; ++k) {
            const std::int64_t from = host.now + k - exchange.reported();
            wrong += left[k] != (from < 0 ? 0.0f : sent[static_cast<std::size_t>(from)]);
        }
        if (static_cast<int>(exchange.status()) != status) {
            status = static_cast<int>(exchange.status());
            std::printf("status %d %lld\n", status, static_cast<long long>(host.now));
        }
        host.now += frames;
        if (keeps && host.now > wanted.rate && !keep.exchange(true))
            link.changed();
        if (cycle.wait)
            continue;
        const auto nanoseconds = next.tv_nsec + static_cast<long>(1e9 * frames / wanted.rate);
        next.tv_sec += nanoseconds / 1000000000;
        next.tv_nsec = nanoseconds % 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, nullptr);
    }
    exchange.stop();
    std::printf("end %llu %d\n", static_cast<unsigned long long>(wrong), host.sounding);
    return 0;
}
