// Link's way to a stream: a server is found or started, a model loaded, a stream opened, its parameters moved.
#include "link.hpp"

#include <cstdio>
#include <cstdlib>

#include "sockets.hpp"
#include "start_server.hpp"

namespace backline {

namespace {

constexpr double START_SECONDS = 15.0;   // in which a server that was started must answer
constexpr double LONGEST_WAIT_SECONDS = 3.2;

std::string command_from_environment()
{
    const char* const text = std::getenv("BACKLINE_COMMAND");
    return text != nullptr && *text != '\0' ? text : "backline";
}

}  // namespace

void Link::connect()
{
    const Wanted wanted = wanted_;
    if (!find_server())
        return;
    OscWriter(out_, "/backline/model/load", "s").s(wanted.model);
    Answer answer = ask("/backline/model/load", 60.0);
    if (answer == Answer::done && open_stream(wanted)) {
        wait_seconds_ = FIRST_WAIT_SECONDS;
        return;
    }
    if (answer == Answer::failed) {
        OscReader reply(answer_.data(), answer_.size());
        reply.s();
        try_later("the server refuses: " + std::string(reply.s()), true);
    } else if (answer != Answer::done)
        try_later("the server does not answer", false);
}

bool Link::find_server()
{
    if (control_ < 0)
        control_ = udp_socket(port_);
    OscWriter(out_, "/backline/sync", "i").i(1);
    const Answer answer = ask("/backline/sync", ANSWER_SECONDS);
    if (answer == Answer::done) {
        server_answered_ = true;
        start_fails_ = false;
        return true;
    }
    close_socket(control_);
    const auto now = Clock::now();
    if (server_ != 0 && has_ended(server_)) {
        server_ = 0;
        if (!server_answered_) {  // somebody else's may have taken the port: look for it a while longer
            start_fails_ = true;
            start_failed_ = now;
            no_start_before_ = now + span(START_SECONDS);
        }
    }
    if (answer == Answer::refused && server_ == 0 && now >= no_start_before_) {
        std::string reason;
        server_ = start_server(command_from_environment(), port_, reason);
        server_answered_ = false;
        no_start_before_ = now + span(START_SECONDS);
        wait_seconds_ = FIRST_WAIT_SECONDS;
        if (server_ == 0) {
            try_later(reason + "; put backline on PATH, name it in BACKLINE_COMMAND, or start a server yourself", true);
            return false;
        }
    }
    if (start_fails_ && now - start_failed_ > span(ANSWER_SECONDS))
        try_later("the server that was started ended at once; try 'backline serve' in a terminal", true);
    else
        try_later("", false);
    return false;
}

void Link::try_later(const std::string& problem, bool hopeless)
{
    say(problem);
    next_try_ = Clock::now() + span(wait_seconds_);
    wait_seconds_ = std::min(2.0 * wait_seconds_, server_ != 0 && !server_answered_ ? 4.0 * FIRST_WAIT_SECONDS : LONGEST_WAIT_SECONDS);
    if (!hopeless)
        return;
    lines_.hopeless.store(true);
    if (lines_.waits.load())
        sem_post(&lines_.answered);
    settle();
}

// Let the host's activation go on.
void Link::settle()
{
    const std::lock_guard<std::mutex> lock(mutex_);
    answered_ = seen_;
    settled_.notify_all();
}

void Link::put_off(std::int64_t latency)
{
    Pending pending;
    pending.latency = latency;
    lines_.to_audio.push(&pending, sizeof pending);
}

bool Link::open_stream(const Wanted& wanted)
{
    std::string settings = "{\"pace\": \"" + std::string(wanted.free_pace ? "free" : "realtime") + "\", \"gather\": \"yes\"";
    for (const auto& [name, value] : wanted.moving)
        settings += ", \"" + name + "\": \"" + value + "\"";
    if (!wanted.fixed.empty())
        settings += ", " + wanted.fixed;
    settings += "}";
    OscWriter(out_, "/backline/stream/open", "sis").s(wanted.model).i(static_cast<std::int32_t>(wanted.rate)).s(settings);
    const Answer answer = ask("/backline/stream/open", 30.0);
    OscReader reply(answer_.data(), answer_.size());
    reply.s();
    if (answer == Answer::failed) {
        try_later("the server refuses: " + std::string(reply.s()), true);
        return false;
    }
    const auto stream = static_cast<std::int32_t>(reply.whole(1));
    const int port = static_cast<int>(reply.whole(2));
    const std::int64_t latency = reply.whole(3);
    if (answer != Answer::done || !reply.ok()) {
        try_later("the server does not answer", false);
        return false;
    }
    bool waits_for_restart;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        const bool fits = latency <= pinned_latency_ && (latency == 0) == (pinned_latency_ == 0);
        waits_for_restart = pinned_ && !latency_may_change_ && stream_ != 0 && !fits;
    }
    if (waits_for_restart) {
        OscWriter(out_, "/backline/stream/close", "i").i(stream);
        ask("/backline/stream/close", ANSWER_SECONDS);
        rejected_ = wanted;
        rejects_ = true;
        put_off(latency);
        return true;
    }
    drop(false);
    stream_ = stream;
    data_ = udp_socket(port);
    opened_ = wanted;
    rejects_ = missing_ = kept_ = false;
    gather_.begin();
    processed_ = Processed{};
    told_until_ = 0;
    last_sent_ = last_heard_ = Clock::now();
    said_.clear();
    lines_.hopeless.store(false);
    lines_.to_server.clear();
    Opened opened;
    opened.free_pace = wanted.free_pace;
    opened.latency = latency;
    lines_.to_audio.push(&opened, sizeof opened);
    if (lines_.waits.load())
        sem_post(&lines_.answered);
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        open_ = true;
        latency_ = latency;
        latency_rate_ = wanted.rate;
    }
    settle();
    return true;
}

void Link::move_parameters()
{
    if (stream_ == 0 || !opened_.opens_like(wanted_))
        return;
    if (wanted_.keep != kept_) {
        kept_ = wanted_.keep;
        set("keep", kept_ ? "1" : "0");
    }
    if (wanted_.moving == opened_.moving)
        return;
    for (const auto& [name, value] : wanted_.moving) {
        const auto before = opened_.moving.find(name);
        if (before != opened_.moving.end() && before->second == value)
            continue;
        set(name, value);
    }
    opened_.moving = wanted_.moving;
}

void Link::set(const std::string& name, const std::string& value)
{
    OscWriter(out_, "/backline/stream/set", "iss").i(stream_).s(name).s(value);
    if (ask("/backline/stream/set", ANSWER_SECONDS) != Answer::failed)
        return;
    OscReader reply(answer_.data(), answer_.size());
    reply.s();
    say("the server refuses: " + std::string(reply.s()));
}

void Link::drop(bool tell)
{
    if (stream_ != 0 && data_ >= 0)
        gather_.flush([&](std::int64_t start, const float* samples, std::uint32_t count) { send_audio(start, samples, count); });
    close_socket(data_);
    if (stream_ != 0 && control_ >= 0) {
        OscWriter(out_, "/backline/stream/close", "i").i(stream_);
        ::send(control_, out_.data(), out_.size(), MSG_NOSIGNAL);
    }
    stream_ = 0;
    if (tell) {
        const Lost lost;
        lines_.to_audio.push(&lost, sizeof lost);
        if (lines_.waits.load())
            sem_post(&lines_.answered);
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = false;
}

void Link::say(const std::string& problem)
{
    if (problem.empty() || problem == said_)
        return;
    said_ = problem;
    std::fprintf(stderr, "backline: %s\n", problem.c_str());
}

}  // namespace backline
