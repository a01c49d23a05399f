// Random MIDI through placement and ledger as the audio thread uses them: none lost, doubled, reordered or hanging.
//
//     property EVENTS SEED        prints one line of counts; exits with 1 and a sentence at the first law that is broken
//
// A server that is simulated here answers blocks of random sizes with notes, pedals and bends; answers come late, in lumps,
// or never. Meanwhile the host stops, locates, loops, bypasses and loses the server. What leaves is held against a plain model.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <vector>

#include "check.hpp"
#include "exchange.hpp"

using namespace backline;

namespace {

// What a synth at the port would know.
struct Port {
    std::map<int, int> sounding;  // channel * 128 + pitch -> note-ons not ended
    std::map<int, int> pedal, bend;
    std::uint64_t ons = 0, offs = 0, others = 0;

    void hear(const MidiBytes& midi)
    {
        const int channel = midi[0] & 15, key = 128 * channel + midi[1];
        if (starts_note(midi)) {
            hold(++sounding[key] == 1, "a note that sounds is not started again");
            ++ons;
        } else if (ends_note(midi)) {
            hold(--sounding[key] == 0, "a note that does not sound is not ended");
            sounding.erase(key);
            ++offs;
        } else if (kind_of(midi) == CONTROL) {
            pedal[channel] = midi[2];
            ++others;
        } else {
            bend[channel] = midi[1] | midi[2] << 7;
            ++others;
        }
    }

    bool silent() const
    {
        for (const auto& [channel, value] : pedal)
            if (value >= SUSTAIN_DOWN)
                return false;
        for (const auto& [channel, value] : bend)
            if (value != 8192)
                return false;
        return sounding.empty();
    }
};

struct Session {
    std::mt19937_64 random;
    MidiPlacement placement{1 << 14};
    Port port;
    std::int64_t now = 96000, bridge, deaf_before = 0;
    bool live;
    std::uint32_t most;
    std::uint64_t events = 0;
    double rate = 48000;
    struct Reply {
        std::int64_t due, arrives;
        MidiBytes midi;
    };
    std::deque<Reply> under_way;
    std::map<int, std::int64_t> struck;  // by the server: key -> when
    // What is neither late nor cut off by the host must leave exactly once, at its sample.
    std::deque<std::pair<std::int64_t, MidiBytes>> owed;
    std::uint32_t frame_before = 0;

    explicit Session(std::uint64_t seed) : random(seed)
    {
        most = 1u << (4 + random() % 9);
        live = random() % 3 == 0;
        bridge = BRIDGE_BLOCKS * most;
        placement.prepare(rate);
    }

    std::uint64_t below(std::uint64_t limit) { return random() % limit; }

    void leave(std::uint32_t frame, const MidiBytes& midi, std::uint32_t frames)
    {
        hold(frame < frames, "an event leaves within its cycle");
        hold(frame >= frame_before, "events leave in the order of time");
        frame_before = frame;
        if (!live && !owed.empty() && owed.front().second == midi && owed.front().first == now + frame)
            owed.pop_front();
        port.hear(midi);
    }

    // The server's answers to a block: struck and released keys, pedals, bends, at random samples of it.
    void answer(std::uint32_t frames)
    {
        const std::uint64_t count = below(8) ? below(4) : below(40);
        const bool late = below(30) == 0;
        const std::int64_t arrives = now + frames + (late ? static_cast<std::int64_t>(below(6) * most) : 0);
        std::vector<std::int64_t> dues(count);
        for (auto& due : dues)
            due = now + static_cast<std::int64_t>(below(frames));
        std::sort(dues.begin(), dues.end());
        for (const std::int64_t due : dues) {
            const auto channel = static_cast<std::uint8_t>(below(16) ? 0 : below(16));
            const auto pitch = static_cast<std::uint8_t>(below(128));
            MidiBytes midi;
            if (const auto kind = below(20); kind == 0)
                midi = {std::uint8_t(CONTROL | channel), SUSTAIN, std::uint8_t(below(128))};
            else if (kind == 1)
                midi = {std::uint8_t(BEND | channel), std::uint8_t(below(128)), std::uint8_t(below(128))};
            else if (const int key = 128 * channel + pitch; struck.count(key)) {
                midi = {std::uint8_t(NOTE_OFF | channel), pitch, 0};
                struck.erase(key);
            } else if (!struck.empty() && below(2)) {  // let something go, so that chords stay playable
                const auto held = struck.begin();
                midi = {std::uint8_t(NOTE_OFF | held->first / 128), std::uint8_t(held->first % 128), 0};
                struck.erase(held);
            } else {
                midi = {std::uint8_t(NOTE_ON | channel), pitch, std::uint8_t(1 + below(127))};
                struck[key] = due;
            }
            under_way.push_back({due, arrives, midi});
            ++events;
        }
    }

    void forget_server()
    {
        under_way.clear();
        struck.clear();
        owed.clear();
    }

    void cycle()
    {
        const auto frames = static_cast<std::uint32_t>(1 + below(most));
        frame_before = 0;
        const auto left = [&](std::uint32_t frame, const MidiBytes& midi) { leave(frame, midi, frames); };
        const auto fate = below(2000);
        if (fate < 4) {  // a loop or a locate while rolling: the stream's clock moves ahead
            now += static_cast<std::int64_t>(JUMP_SECONDS * rate);
            placement.end_all(now, left);
            hold(port.silent(), "a loop or locate leaves nothing sounding");
            deaf_before = now;
            owed.clear();
            struck.clear();  // the engine starts again; its old answers are still under way
        } else if (fate < 8) {  // the server is gone
            placement.end_all(now, left);
            hold(port.silent(), "a lost server leaves nothing sounding");
            forget_server();
        } else if (fate < 12) {  // the host stops: what was heard starts no note any more, the server plays on
            placement.end_all(now, left);
            hold(port.silent(), "a stop leaves nothing sounding");
            deaf_before = now;
            owed.clear();
        } else if (fate < 14) {  // bypass for some cycles
            placement.end_all(now + frames, left);
            hold(port.silent(), "a bypass leaves nothing sounding");
            deaf_before = now + frames;
            forget_server();
        }
        const std::int64_t start = now;
        while (!under_way.empty() && under_way.front().arrives <= start) {
            const Reply reply = under_way.front();
            under_way.pop_front();
            placement.take(reply.due, reply.due, reply.midi, now, frames, bridge, live);
            if (!live && reply.due + bridge >= now && reply.due >= deaf_before && starts_note(reply.midi))
                owed.push_back({reply.due + bridge, reply.midi});
        }
        placement.write(now, frames, left);
        answer(frames);
        now += frames;
        hold(owed.empty() || owed.front().first >= now, "a note that was there in time leaves at its sample");
    }
};

// The plain law without any host's doings: every event of a well-behaved server leaves once, at due + bridge, in order.
void check_exact(std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    const std::uint32_t most = 1u << (4 + random() % 9);
    const std::int64_t bridge = BRIDGE_BLOCKS * most;
    MidiPlacement placement(1 << 14);
    placement.prepare(48000);
    std::int64_t now = 0;
    std::vector<std::pair<std::int64_t, MidiBytes>> sent, left, waiting;
    bool on = false;
    for (int block = 0; block < 300; ++block) {
        const auto frames = static_cast<std::uint32_t>(1 + random() % most);
        for (const auto& [due, midi] : waiting)
            placement.take(due, due, midi, now, frames, bridge, false);
        waiting.clear();
        placement.write(now, frames, [&](std::uint32_t frame, const MidiBytes& midi) { left.push_back({now + frame, midi}); });
        for (std::uint32_t k = 0; k < frames; ++k)
            if (random() % 37 == 0) {
                const MidiBytes midi{std::uint8_t(on ? NOTE_OFF : NOTE_ON), 60, std::uint8_t(on ? 0 : 1 + random() % 127)};
                on = !on;
                waiting.push_back({now + k, midi});
                sent.push_back({now + k + bridge, midi});
            }
        now += frames;
    }
    while (!sent.empty() && sent.back().first >= now)
        sent.pop_back();
    for (const auto& [due, midi] : waiting)
        while (!sent.empty() && sent.back().first == due + bridge)
            sent.pop_back();
    hold(left.size() >= sent.size(), "no event is lost");
    for (std::size_t k = 0; k < sent.size(); ++k)
        hold(left[k] == sent[k], "every event leaves once, in order, at due + bridge");
    hold(placement.counts.late == 0 && placement.counts.lost == 0, "nothing in time is counted late");
}

}  // namespace

int main(int argc, char** argv)
{
    const std::uint64_t wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100000;
    std::uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
    std::uint64_t events = 0, ons = 0, late = 0, lost = 0, sessions = 0;
    for (std::uint64_t exact = seed; exact < seed + 100; ++exact)
        check_exact(exact);
    while (events < wanted) {
        Session session(seed++);
        for (int k = 0; k < 2000 && events + session.events < wanted; ++k)
            session.cycle();
        session.frame_before = 0;
        session.placement.end_all(session.now, [&](std::uint32_t frame, const MidiBytes& midi) { session.leave(frame, midi, 1); });
        hold(session.port.silent() && session.placement.sounding() == 0, "nothing hangs at the end");
        hold(session.port.ons == session.port.offs, "every note-on has one note-off");
        events += session.events;
        ons += session.port.ons;
        late += session.placement.counts.late;
        lost += session.placement.counts.lost;
        ++sessions;
    }
    std::printf("%llu events in %llu sessions: %llu notes left and ended, %llu events late, %llu stale\n",
                (unsigned long long)events, (unsigned long long)sessions, (unsigned long long)ons, (unsigned long long)late,
                (unsigned long long)lost);
    return 0;
}
