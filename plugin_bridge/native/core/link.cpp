#include "link.hpp"

#include <cstdlib>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include "sockets.hpp"

namespace backline {

namespace {

constexpr double SETTLE_SECONDS = 0.03;  // hosts set parameters one by one
constexpr double IDLE_SECONDS = 60.0;    // the server closes streams that are silent for minutes
constexpr double MISSING_SECONDS = 0.3;  // an engine that takes over may not know the stream for a moment
constexpr double DOUBT_SECONDS = 1.0;
constexpr double GRACE_SECONDS = 0.5;    // who restarts a server that was lost comes first
constexpr int PRIORITY = 50;             // below JACK's 70 and PipeWire's 60

int port_from_environment()
{
    const char* const text = std::getenv("BACKLINE_PORT");
    const long port = text == nullptr ? 0 : std::strtol(text, nullptr, 10);
    return port > 0 && port < 65536 ? static_cast<int>(port) : DEFAULT_PORT;
}

}  // namespace

Link::Link(Lines& lines, std::function<Wanted()> describe)
    : lines_(lines), describe_(std::move(describe)), port_(port_from_environment()), in_(1 << 16)
{
    woken_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

Link::~Link()
{
    ending_.store(true);
    wake();
    if (thread_.joinable())
        thread_.join();
    close_socket(woken_);
}

bool Link::open(double seconds, bool latency_may_change, std::int64_t& latency)
{
    const auto rate = describe_().rate;
    std::unique_lock<std::mutex> lock(mutex_);
    latency_may_change_ = latency_may_change;
    wants_stream_ = true;
    pinned_ = false;
    const std::uint64_t asked = ++asked_;
    changed();
    if (!thread_.joinable())
        thread_ = std::thread(&Link::work, this);
    settled_.wait_for(lock, span(seconds), [&] { return answered_ >= asked; });
    pinned_ = open_ && latency_rate_ == rate;  // where time ran out, a stream of the rate before may be the open one
    if (pinned_)
        latency = pinned_latency_ = latency_;
    return pinned_;
}

void Link::release()
{
    const std::lock_guard<std::mutex> lock(mutex_);
    wants_stream_ = pinned_ = false;
}

void Link::wake()
{
    const std::uint64_t one = 1;
    // A counter that does not block: nothing is there to wait for, and nothing to do where it is full.
    [[maybe_unused]] const ssize_t written = ::write(woken_, &one, sizeof one);
}

void Link::work()
{
    const sched_param priority{PRIORITY};
    pthread_setschedparam(pthread_self(), SCHED_FIFO | SCHED_RESET_ON_FORK, &priority);  // where it is allowed
    while (!ending_.load()) {
        if (changed_.exchange(false, std::memory_order_acquire)) {
            settling_ = true;
            changed_at_ = Clock::now();
        }
        describe();
        if (must_open())
            connect();
        else
            move_parameters();
        pump(settling_ || stream_ == 0 ? 20 : 200);  // ms; waits and doubts are looked after in between
        doubt();
    }
    drop(false);
    close_socket(control_);
}

// --- what is wanted

void Link::describe()
{
    bool at_once;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        at_once = answered_ < asked_;
        if (settling_ && at_once)
            seen_ = asked_;
    }
    if (!settling_ || (!at_once && Clock::now() - changed_at_ < span(SETTLE_SECONDS)))
        return;
    settling_ = false;
    Wanted now = describe_();
    if (!now.opens_like(wanted_))
        next_try_ = Clock::time_point{};
    wanted_ = std::move(now);
    if (at_once) {
        next_try_ = Clock::time_point{};
        if (stream_ == 0)
            lines_.hopeless.store(false);
        if (!start_fails_ && server_ == 0)
            no_start_before_ = Clock::time_point{};
    }
}

bool Link::must_open()
{
    bool wants, at_once;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        wants = wants_stream_;
        at_once = answered_ < asked_;
    }
    if (settling_ || !wants)
        return false;
    if (stream_ != 0 && opened_.opens_like(wanted_) && !(at_once && forgotten())) {
        if (rejects_) {
            rejects_ = false;
            put_off(-1);
        }
        if (at_once)
            settle();
        return false;
    }
    if (rejects_ && !at_once && rejected_.opens_like(wanted_))
        return false;
    return Clock::now() >= next_try_;
}

// Whether the stream was idle for so long that the server closed it; it is then dropped.
bool Link::forgotten()
{
    if (Clock::now() - last_sent_ < span(IDLE_SECONDS))
        return false;
    OscWriter(out_, "/backline/stream/reset", "i").i(stream_);
    if (ask("/backline/stream/reset", ANSWER_SECONDS) == Answer::done)
        return false;
    drop(true);
    return true;
}

// --- what is not there any more

// Leave a stream that the server does not know any more, and a server that does not answer.
void Link::doubt()
{
    if (stream_ == 0)
        return;
    const auto now = Clock::now();
    bool gone = missing_ && now - missing_since_ > span(MISSING_SECONDS);
    if (!gone && last_sent_ - last_heard_ > span(DOUBT_SECONDS)) {
        OscWriter(out_, "/backline/sync", "i").i(2);
        gone = ask("/backline/sync", ANSWER_SECONDS) != Answer::done;
        last_heard_ = Clock::now();
    }
    if (!gone)
        return;
    missing_ = false;
    drop(true);
    close_socket(control_);
    wait_seconds_ = FIRST_WAIT_SECONDS;
    next_try_ = Clock::time_point{};
    no_start_before_ = Clock::now() + span(GRACE_SECONDS);
}

}  // namespace backline
