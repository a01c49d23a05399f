// What the audio thread does in one cycle: a block out to the bridge thread, replies in, MIDI and audio at their samples.
//
//     host block -> queue -> (bridge thread, server) -> queue -> placement -> note ledger -> host
//
// It never waits, allocates, locks or makes a call that can block, except in offline rendering (`wait`), where it sleeps
// until the engine is through with the block. Time is the plug-in's own count of samples; the stream has the same clock.
// A locate or loop while rolling moves that clock ahead by more than the longest hole the server fills, so that the
// stream starts again exactly at the next block and its latency stays what it was.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <semaphore.h>

#include "audio_placement.hpp"
#include "midi_placement.hpp"
#include "queue.hpp"
#include "records.hpp"
#include "transport.hpp"

namespace backline {

constexpr std::uint32_t BRIDGE_BLOCKS = 2;      // one was not drop-free
constexpr double HEARTBEAT_SECONDS = 0.2;       // blocks sent and none answered for this long: the server is lost
constexpr double JUMP_SECONDS = 2.0;            // the server fills holes of up to 1 s and starts again after longer ones
constexpr double OFFLINE_REPLY_SECONDS = 2.0;   // what an offline render waits for a block, at most
constexpr double OFFLINE_OPEN_SECONDS = 20.0;   // and for a stream
constexpr std::uint32_t MOST_CHANNELS = 2;

enum class Status { off = 0, connecting = 1, live = 2, late = 3, restart = 4 };

// What the two threads share: a queue each way, and how the audio thread sleeps while it renders offline.
struct Lines {
    RecordQueue to_server{1u << 21}, to_audio{1u << 22};
    std::atomic<bool> waits{false};     // the audio thread sleeps on `answered`
    std::atomic<bool> hopeless{false};  // no server answers and none could be started, or it refuses the stream
    sem_t answered;
    Lines() { sem_init(&answered, 0, 0); }
    ~Lines() { sem_destroy(&answered); }
};

struct Cycle {
    const float* const* inputs = nullptr;
    float* const* outputs = nullptr;
    std::uint32_t channels_in = 0, channels_out = 0, frames = 0;
    const Midi* midi = nullptr;  // due: the frame in this cycle
    std::uint32_t midi_count = 0;
    HostTime host;
    bool bypass = false, wait = false;
};

class Exchange {
public:
    using Wake = void (*)(void*);
    using Leave = void (*)(void*, std::uint32_t frame, const MidiBytes&);

    Exchange(Lines& lines, Wake wake, void* woken) : lines_(lines), wake_(wake), woken_(woken) {}

    // At activation, not while the audio thread works. latency: what the stream declares, 0 for a live one. may_change: the
    // format lets a plug-in change its latency while it works; where it does not, a stream that declares less is held back,
    // and one that declares more waits for a restart.
    void start(double rate, std::uint32_t most_frames, std::int64_t latency, bool may_change);

    // At deactivation: what sounds is ended first thing in the next cycle there is.
    void stop() { ends_notes_ = true; }

    // The audio thread's whole work. leave: writes one MIDI message at a frame of this cycle, in order.
    void run(const Cycle& cycle, Leave leave, void* left);

    // Samples between an input and the event or sample that speaks about it; 0 where the stream declares nothing: live.
    std::uint32_t reported() const { return with_bridge(latency_); }
    // The same as the host is told it: another one a cycle later. A host that hears of it may ask JACK to count all latencies
    // anew before its cycle is over (jalv does), which can cost that cycle and what left in it: the ends of notes.
    std::uint32_t told() const { return told_; }
    // Whether a restart would bring another.
    bool gains_by_restart() const { return (pending_latency_ != NONE ? pending_latency_ : stream_latency_) != latency_; }
    Status status() const { return status_; }
    // Results that came too late so far: blocks, and events.
    std::uint64_t late() const { return late_blocks_ + placement_.counts.late + placement_.counts.lost; }

private:
    void watch_transport(const Cycle& cycle, Leave leave, void* left);
    void send(const Cycle& cycle);
    void receive(const Cycle& cycle, Leave leave, void* left);
    void take(const std::uint8_t* bytes, const Cycle& cycle, Leave leave, void* left);
    void wait_for_answer(const Cycle& cycle, Leave leave, void* left);
    bool sleep(const timespec& until);
    void judge(const Cycle& cycle, Leave leave, void* left);
    void end_notes(std::int64_t heard_until, Leave leave, void* left);
    void start_again(Leave leave, void* left);
    void play(const Cycle& cycle);
    bool alive() const { return unanswered_ <= heartbeat_; }
    bool live() const { return stream_latency_ == 0; }
    // From what the engine calls due to when it leaves. A stream that declares less than is reported is held back.
    std::int64_t path() const { return bridge_ + (live() ? 0 : std::max<std::int64_t>(0, latency_ - stream_latency_)); }
    std::uint32_t with_bridge(std::int64_t declared) const { return declared == 0 ? 0 : static_cast<std::uint32_t>(declared + bridge_); }

    Lines& lines_;
    const Wake wake_;  // must not block
    void* const woken_;

    MidiPlacement placement_;
    AudioPlacement wet_;
    DelayLine dry_[MOST_CHANNELS];
    TransportWatch transport_;

    double rate_ = 48000.0;
    std::int64_t now_ = 0;      // the stream's sample at the first frame of this cycle
    std::int64_t elapsed_ = 0;  // samples the host gave
    static constexpr std::int64_t NONE = -1;
    std::int64_t latency_ = 0;         // that is reported, without the bridge
    std::int64_t stream_latency_ = 0;  // that the stream declares
    std::int64_t pending_latency_ = NONE;  // of the stream that waits for a restart
    std::uint32_t bridge_ = 0, most_frames_ = 0, told_ = 0;
    bool may_change_ = false, free_pace_ = false, open_ = false, has_audio_ = false;
    bool ends_notes_ = false, bypassed_ = false;
    std::int64_t processed_ = 0, end_before_ = 0, last_end_ = 0;
    std::int64_t unanswered_ = 0, heartbeat_ = 9600, good_since_ = 0;
    float wet_gain_ = 0.0f;
    std::uint64_t late_blocks_ = 0;
    Status status_ = Status::off;
};

}  // namespace backline
