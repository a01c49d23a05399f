// The bridge thread: it owns the sockets, finds or starts the server, opens the stream, and carries datagrams between the
// queues and the engine's data port. All that may take long happens here.
//
//     no stream -> ask the server (start one where none runs) -> load the model -> open the stream -> carry blocks
//         ^------------- the server is gone, has forgotten the stream, or the settings ask for another one
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

#include "exchange.hpp"
#include "gather.hpp"
#include "wire.hpp"

namespace backline {

constexpr double ANSWER_SECONDS = 2.0;      // that a command may take
constexpr double FIRST_WAIT_SECONDS = 0.1;  // before another try; doubled each time

inline std::chrono::steady_clock::duration span(double seconds)
{
    return std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(seconds));
}

// What stream is wanted. moving: what may change while it runs (name -> value); fixed: JSON members without braces.
struct Wanted {
    std::string model, fixed;
    std::map<std::string, std::string> moving;
    std::uint32_t rate = 48000;
    bool free_pace = false;
    bool keep = false;  // its rise asks the server to write what was just played

    bool opens_like(const Wanted& other) const
    {
        return model == other.model && fixed == other.fixed && rate == other.rate && free_pace == other.free_pace;
    }
};

class Link {
public:
    // describe: says what is wanted; called by the bridge thread whenever `changed` was.
    Link(Lines& lines, std::function<Wanted()> describe);
    ~Link();

    // At activation: wait until the wanted stream is open, at most `seconds`; false where it is not. latency: what it declares.
    bool open(double seconds, bool latency_may_change, std::int64_t& latency);

    // At deactivation: the stream stays for the next activation, and may be replaced in between.
    void release();

    // From any thread, the audio thread too: something in what `describe` says is another.
    void changed()
    {
        changed_.store(true, std::memory_order_release);
        wake();
    }
    void wake();

private:
    using Clock = std::chrono::steady_clock;
    enum class Answer { done, failed, refused, silent };

    void work();
    void describe();
    bool must_open();
    void connect();
    bool find_server();
    void try_later(const std::string& problem, bool hopeless);
    bool open_stream(const Wanted& wanted);
    void move_parameters();
    void set(const std::string& name, const std::string& value);
    void put_off(std::int64_t latency);
    void drop(bool tell);
    void settle();
    Answer ask(std::string_view address, double seconds);
    void pump(int milliseconds, bool asks = false);
    bool forgotten();
    void carry_out();
    void send_audio(std::int64_t start, const float* samples, std::uint32_t count);
    void send_out();
    void tell_processed();
    void carry_in();
    void take(const std::uint8_t* bytes, std::size_t size);
    void doubt();
    void say(const std::string& problem);

    Lines& lines_;
    const std::function<Wanted()> describe_;
    int woken_ = -1, control_ = -1, data_ = -1;
    int port_;

    std::mutex mutex_;  // between the bridge thread and the host's main thread; the audio thread never takes it
    std::condition_variable settled_;
    bool wants_stream_ = false, latency_may_change_ = true, pinned_ = false;
    std::uint64_t asked_ = 0, answered_ = 0;  // activations: by the host, and seen through by the bridge thread
    std::uint64_t seen_ = 0;                  // the activation that wanted_ is of
    bool open_ = false;
    std::int64_t latency_ = 0, pinned_latency_ = 0;
    std::uint32_t latency_rate_ = 0;  // at which the open stream declared it

    std::atomic<bool> changed_{true}, ending_{false};

    // The bridge thread's own.
    Wanted wanted_, opened_, rejected_;
    bool rejects_ = false;
    std::int32_t stream_ = 0;
    Gather gather_;
    Processed processed_{};        // what the engine said last
    std::int64_t told_until_ = 0;  // the sample up to which the audio thread knows that all is answered
    pid_t server_ = 0;
    Clock::time_point next_try_{}, changed_at_{}, last_sent_{}, last_heard_{}, missing_since_{}, no_start_before_{}, start_failed_{};
    double wait_seconds_ = 0.1;
    bool settling_ = false, missing_ = false, kept_ = false, server_answered_ = false, start_fails_ = false;
    std::string said_;
    std::vector<std::uint8_t> out_, in_, answer_;
    std::thread thread_;
};

}  // namespace backline
