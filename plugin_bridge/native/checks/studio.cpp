// The exchange against a server in its own thread: every sample and every event has its place, and a cycle allocates nothing.
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <new>
#include <random>
#include <vector>

#include "check.hpp"
#include "exchange.hpp"

using namespace backline;

static thread_local bool in_cycle = false;

// What the audio thread does allocates nothing.
void* operator new(std::size_t size)
{
    hold(!in_cycle, "a cycle allocates nothing");
    if (void* const found = std::malloc(size))
        return found;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

// A host and a server: it answers each block with a note at every click, `latency` later, and with inverted audio if asked.
struct Studio {
    Lines lines;
    Exchange exchange{lines, [](void*) {}, nullptr};
    std::int64_t latency;
    std::uint32_t most;
    std::int64_t heard = 0;  // frames the host gave
    std::vector<std::pair<std::int64_t, MidiBytes>> left;
    std::vector<float> out;
    std::vector<Transport> told;
    std::deque<std::pair<std::int64_t, float>> clicks;  // in the server: due, height
    bool answers = true, sends_audio = false;
    std::int64_t expected_start = -1, restarts = 0;

    Studio(std::uint32_t most_frames, std::int64_t declared, bool may_change = false) : latency(declared), most(most_frames)
    {
        exchange.start(48000, most, latency, may_change);
        open(declared);
    }

    void open(std::int64_t declared)
    {
        Opened opened;
        opened.free_pace = 0;
        opened.latency = declared;
        lines.to_audio.push(&opened, sizeof opened);
    }

    void run(const std::vector<float>& input, HostTime host = {}, bool bypass = false)
    {
        std::vector<float> left_channel = input, right_channel = input;
        const float* inputs[] = {left_channel.data(), right_channel.data()};
        float* outputs[] = {left_channel.data(), right_channel.data()};  // a host may use one buffer for both
        Cycle cycle;
        cycle.inputs = inputs;
        cycle.outputs = outputs;
        cycle.channels_in = cycle.channels_out = 2;
        cycle.frames = static_cast<std::uint32_t>(input.size());
        cycle.host = host;
        cycle.bypass = bypass;
        in_cycle = true;
        exchange.run(
            cycle,
            [](void* studio, std::uint32_t frame, const MidiBytes& midi) {
                in_cycle = false;
                auto& here = *static_cast<Studio*>(studio);
                here.left.push_back({here.heard + frame, midi});
                in_cycle = true;
            },
            this);
        in_cycle = false;
        out.insert(out.end(), left_channel.begin(), left_channel.end());
        heard += static_cast<std::int64_t>(input.size());
        serve();
    }

    void serve()
    {
        while (lines.to_server.pop([&](const std::uint8_t* bytes, std::uint32_t) {
            if (*reinterpret_cast<const Kind*>(bytes) == Kind::transport)
                told.push_back(*reinterpret_cast<const Transport*>(bytes));
            if (*reinterpret_cast<const Kind*>(bytes) != Kind::block || !answers)
                return;
            const auto& block = *reinterpret_cast<const Block*>(bytes);
            const auto* const samples = reinterpret_cast<const float*>(bytes + sizeof(Block));
            if (expected_start >= 0 && block.start != expected_start) {
                hold(block.start > expected_start + 48000, "the stream's clock only ever moves ahead, past the longest hole");
                ++restarts;
                clicks.clear();
            }
            expected_start = block.start + block.count;
            for (std::uint32_t k = 0; k < block.count; ++k)
                if (samples[k] != 0.0f)
                    clicks.push_back({block.start + k + latency, samples[k]});
            while (!clicks.empty() && clicks.front().first < expected_start) {
                Midi midi;
                midi.bytes = {NOTE_ON, 60, 100};
                midi.due = clicks.front().first;
                midi.place = midi.due - latency;
                lines.to_audio.push(&midi, sizeof midi);
                midi.bytes = {NOTE_OFF, 60, 0};
                lines.to_audio.push(&midi, sizeof midi);
                clicks.pop_front();
            }
            if (sends_audio) {
                std::vector<float> inverted(samples, samples + block.count);
                for (float& sample : inverted)
                    sample = -sample;
                Audio audio;
                audio.start = block.start;
                audio.count = block.count;
                lines.to_audio.push(&audio, sizeof audio, inverted.data(), 4 * block.count);
            }
            Processed processed;
            processed.end = expected_start;
            processed.late = 0;
            lines.to_audio.push(&processed, sizeof processed);
        })) {
        }
    }
};

}  // namespace

int main()
{
    std::mt19937 random(6);
    for (const std::uint32_t most : {16u, 64u, 192u, 256u, 1000u, 1024u, 4096u}) {
        Studio studio(most, 239);
        const std::int64_t reported = studio.exchange.reported();
        hold(reported == 239 + 2 * static_cast<std::int64_t>(most), "reported is the stream's latency and two blocks");
        std::vector<std::int64_t> struck;
        std::vector<float> in;
        while (studio.heard < 96000) {
            std::vector<float> block(random() % 3 ? most : 1 + random() % most);
            for (std::size_t k = 0; k < block.size(); ++k)
                if (random() % 997 == 0 && (struck.empty() || studio.heard + static_cast<std::int64_t>(k) > struck.back() + 10)) {
                    block[k] = 0.5f;
                    struck.push_back(studio.heard + static_cast<std::int64_t>(k));
                }
            in.insert(in.end(), block.begin(), block.end());
            studio.run(block);
        }
        std::size_t next = 0;
        for (const auto& [frame, midi] : studio.left)
            if (starts_note(midi))
                hold(frame == struck[next++] + reported, "every note leaves where it was reported to, to the sample");
        hold(next > 50 && (next == struck.size() || struck[next] + reported >= studio.heard - 2 * most), "and none is missing");
        for (std::size_t k = 0; k < studio.out.size(); ++k)
            hold(studio.out[k] == (static_cast<std::int64_t>(k) < reported ? 0.0f : in[k - static_cast<std::size_t>(reported)]),
                 "sound that passes is as late as reported");
        hold(studio.exchange.status() == Status::live && studio.exchange.late() == 0, "all is well");
    }

    Studio playing(128, 0);
    playing.sends_audio = true;
    std::vector<float> block(128, 0.25f);
    for (int k = 0; k < 40; ++k)
        playing.run(block);
    hold(playing.out.back() == -0.25f, "a player's sound replaces the dry one");
    playing.answers = false;
    for (int k = 0; k < 100; ++k)
        playing.run(block);
    hold(playing.out.back() == 0.25f && playing.exchange.status() == Status::late, "without answers the dry sound is back and the status says late");
    playing.answers = true;
    playing.expected_start = -1;
    for (int k = 0; k < 300; ++k)
        playing.run(block);
    hold(playing.out.back() == -0.25f && playing.exchange.status() == Status::live, "and all is as before once answers come");

    Studio live(64, 0);  // a live stream, whose server answers at once
    std::vector<float> two(64, 0.0f);
    two[10] = two[50] = 1.0f;
    live.run(std::vector<float>(64, 0.0f));
    live.run(two);
    live.run(std::vector<float>(64, 0.0f));
    hold(live.exchange.reported() == 0 && live.out[64 + 10] == 1.0f, "a live stream reports nothing and delays no sound");
    hold(live.left.size() == 4 && live.left[0].first == 128 && live.left[2].first == 168, "its notes leave at once, as far apart as they were");

    Studio held(64, 100);  // a loop while a note is under way
    HostTime host;
    host.playing = true;
    std::vector<float> click(64, 0.0f), rest(64, 0.0f);
    click[10] = 1.0f;
    const auto roll = [&](const std::vector<float>& samples) {
        held.run(samples, host);
        host.frame += 64;
    };
    for (int k = 0; k < 20; ++k)
        roll(rest);
    hold(held.told.size() == 1 && held.told[0].playing == 1, "the transport is told when it starts");
    roll(click);
    host.frame = 0;
    for (int k = 0; k < 20; ++k)
        roll(rest);
    hold(held.restarts == 1 && held.left.empty(), "a loop starts the stream again: what was under way is not played");
    hold(held.told.size() == 2 && held.told[1].frame == 0, "and the jump is told");
    const std::int64_t struck = held.heard + 10;
    roll(click);
    for (int k = 0; k < 20; ++k)
        roll(rest);
    hold(held.left.size() == 2 && held.left[0].first == struck + held.exchange.reported(), "after it the latency is what it was");

    Studio fixed(64, 100), changing(64, 100, true);
    for (Studio* const studio : {&fixed, &changing}) {
        studio->run(rest);
        studio->latency = 300;
        studio->open(300);
        studio->run(rest);
    }
    hold(fixed.exchange.status() == Status::restart && fixed.exchange.reported() == 228 && fixed.exchange.gains_by_restart(),
         "a format that fixes the latency asks for a restart");
    Studio shorter(64, 300);
    shorter.run(rest);
    shorter.latency = 100;
    shorter.open(100);
    shorter.run(rest);
    const std::int64_t played = shorter.heard + 10;
    shorter.run(click);
    for (int k = 0; k < 20; ++k)
        shorter.run(rest);
    hold(shorter.left.size() == 2 && shorter.left[0].first == played + 428 && shorter.exchange.reported() == 428,
         "and holds back a stream that declares less, so that what is reported stays true");
    hold(shorter.exchange.gains_by_restart() && shorter.exchange.status() == Status::live, "while it asks for a restart all the same");
    hold(changing.exchange.status() != Status::restart && changing.exchange.reported() == 428, "another takes it at once");
    changing.run(std::vector<float>(200, 0.0f));
    hold(changing.exchange.reported() == 700, "a longer block than promised widens the bridge there");

    Studio swapped(64, 100, true);  // another stream while a note sounds: no end leaves in the cycle that tells of its latency
    swapped.run(rest);
    const Midi held_note{Kind::midi, {NOTE_ON, 64, 100}, swapped.expected_start, swapped.expected_start};
    swapped.lines.to_audio.push(&held_note, sizeof held_note);
    while (swapped.left.empty())
        swapped.run(rest);
    swapped.open(300);
    const std::uint32_t told_before = swapped.exchange.told();
    swapped.run(rest);
    hold(swapped.left.size() == 2 && swapped.exchange.told() == told_before && swapped.exchange.reported() == 428,
         "a stream that takes over ends the note, and its latency is not told in that cycle");
    swapped.run(rest);
    hold(swapped.left.size() == 2 && swapped.exchange.told() == 428, "but in the next, in which nothing leaves");

    Studio passed(64, 100);
    passed.run(click, {}, true);
    for (int k = 0; k < 20; ++k)
        passed.run(rest, {}, true);
    hold(passed.left.empty() && passed.out[static_cast<std::size_t>(10 + passed.exchange.reported())] == 1.0f, "a bypass only delays");
    const std::int64_t after = passed.heard + 10;
    passed.run(click);
    for (int k = 0; k < 20; ++k)
        passed.run(rest);
    hold(passed.left.size() == 2 && passed.left[0].first == after + passed.exchange.reported(), "and after it all is as before");
    return 0;
}
