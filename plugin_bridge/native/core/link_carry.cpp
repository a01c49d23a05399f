// Link's way of carrying: commands and their answers, records to datagrams, datagrams to records.
#include "link.hpp"

#include <cerrno>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace backline {

// Send the command in out_ and carry blocks until it is answered; the answer's arguments begin with the command's address.
Link::Answer Link::ask(std::string_view address, double seconds)
{
    const std::string command(address);
    while (::recv(control_, in_.data(), in_.size(), 0) >= 0) {
        // an answer that nobody waits for any more
    }
    if (::send(control_, out_.data(), out_.size(), MSG_NOSIGNAL) < 0 && errno == ECONNREFUSED)
        return Answer::refused;
    const auto until = Clock::now() + span(seconds);
    while (Clock::now() < until && !ending_.load()) {
        const ssize_t size = ::recv(control_, in_.data(), in_.size(), 0);
        if (size < 0) {
            if (errno == ECONNREFUSED)
                return Answer::refused;
            pump(20, true);
            continue;
        }
        answer_.assign(in_.begin(), in_.begin() + size);
        OscReader reply(answer_.data(), answer_.size());
        if (!reply.ok())
            continue;
        if (reply.address() == "/backline/synced" && command == "/backline/sync")
            return Answer::done;
        const bool done = reply.address() == "/backline/done";
        if ((done || reply.address() == "/backline/fail") && reply.s() == command)
            return done ? Answer::done : Answer::failed;
    }
    return Answer::silent;
}

// Wait for a wake, a datagram or the time, and carry what there is.
void Link::pump(int milliseconds, bool asks)
{
    pollfd ready[3] = {{woken_, POLLIN, 0}, {data_, POLLIN, 0}, {asks ? control_ : -1, POLLIN, 0}};
    if (::poll(ready, 3, milliseconds) > 0 && ready[0].revents != 0) {
        std::uint64_t count;
        [[maybe_unused]] const ssize_t taken = ::read(woken_, &count, sizeof count);
    }
    carry_out();
    carry_in();
}

void Link::carry_out()
{
    const auto carry = [&](const std::uint8_t* bytes, std::uint32_t) {
        if (stream_ == 0)
            return;
        switch (*reinterpret_cast<const Kind*>(bytes)) {
        case Kind::block: {
            const auto& block = *reinterpret_cast<const Block*>(bytes);
            const auto goes = [&](std::int64_t start, const float* samples, std::uint32_t count) { send_audio(start, samples, count); };
            gather_.take(block.start, reinterpret_cast<const float*>(bytes + sizeof(Block)), block.count, goes);
            tell_processed();
            return;
        }
        case Kind::midi: {
            const auto& midi = *reinterpret_cast<const Midi*>(bytes);
            OscWriter(out_, "/backline/midi", "ihm").i(stream_).h(midi.due).m(midi.bytes[0], midi.bytes[1], midi.bytes[2]);
            break;
        }
        case Kind::transport: {
            const auto& told = *reinterpret_cast<const Transport*>(bytes);
            OscWriter(out_, "/backline/transport", "ihihddidd").i(stream_).h(told.sample).i(told.playing).h(told.frame)
                .d(told.tempo_bpm).d(told.quarters).i(told.bar).d(told.beat).d(told.beats_per_bar);
            break;
        }
        default:
            return;
        }
        gather_.wake();
        send_out();
    };
    while (lines_.to_server.pop(carry)) {
    }
}

void Link::send_audio(std::int64_t start, const float* samples, std::uint32_t count)
{
    OscWriter(out_, "/backline/audio", "ihib").i(stream_).h(start).i(static_cast<std::int32_t>(count))
        .blob(samples, 4 * count);
    last_sent_ = Clock::now();
    send_out();
}

void Link::send_out()
{
    if (::send(data_, out_.data(), out_.size(), MSG_NOSIGNAL) < 0 && errno == ECONNREFUSED)
        missing_since_ = Clock::time_point{}, missing_ = true;
}

// Tell the audio thread up to where all is answered, if that is news: what is held back counts as answered.
void Link::tell_processed()
{
    const std::int64_t through = gather_.through(processed_.end);
    if (through <= told_until_)
        return;
    told_until_ = through;
    Processed told = processed_;
    told.end = through;
    lines_.to_audio.push(&told, sizeof told);
    if (lines_.waits.load())
        sem_post(&lines_.answered);
}

void Link::carry_in()
{
    if (data_ < 0)
        return;
    for (;;) {
        const ssize_t size = ::recv(data_, in_.data(), in_.size(), 0);
        if (size < 0) {
            if (errno == ECONNREFUSED)
                missing_since_ = Clock::time_point{}, missing_ = true;
            break;
        }
        take(in_.data(), static_cast<std::size_t>(size));
    }
}

void Link::take(const std::uint8_t* bytes, std::size_t size)
{
    OscReader message(bytes, size);
    if (message.is("/backline/midi", "ihhm")) {
        const std::int32_t stream = message.i();
        Midi midi;
        midi.due = message.h();
        midi.place = message.h();
        const std::uint32_t packed = message.m();
        midi.bytes = {std::uint8_t(packed >> 16), std::uint8_t(packed >> 8 & 0x7F), std::uint8_t(packed & 0x7F)};
        if (message.ok() && stream == stream_)
            lines_.to_audio.push(&midi, sizeof midi);
    } else if (message.is("/backline/audio", "ihib")) {
        const std::int32_t stream = message.i();
        Audio audio;
        audio.start = message.h();
        const std::int32_t count = message.i();
        const Blob blob = message.blob();
        if (!message.ok() || stream != stream_ || count < 1 || blob.size < 4 * static_cast<std::uint32_t>(count))
            return;
        audio.count = static_cast<std::uint32_t>(count);
        lines_.to_audio.push(&audio, sizeof audio, blob.data, 4 * audio.count);
    } else if (message.is("/backline/processed", "ihih")) {
        const std::int32_t stream = message.i();
        Processed processed;
        processed.end = message.h();
        processed.late = message.i();
        const std::int64_t quiet_until = message.h();
        if (!message.ok() || stream != stream_)
            return;
        processed_ = processed;
        gather_.hear(quiet_until);
        missing_ = false;
        last_heard_ = Clock::now();
        tell_processed();
    } else if (message.is("/backline/fail", "ss")) {
        message.s();
        if (message.s().find("there is no stream") != std::string_view::npos && !missing_) {
            missing_ = true;
            missing_since_ = Clock::now();
        }
    }
}

}  // namespace backline
