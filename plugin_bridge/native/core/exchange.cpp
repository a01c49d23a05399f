#include "exchange.hpp"

#include <algorithm>
#include <ctime>

#include "wire.hpp"

namespace backline {

void Exchange::start(double rate, std::uint32_t most_frames, std::int64_t latency, bool may_change)
{
    rate_ = rate;
    most_frames_ = std::max(1u, most_frames);
    bridge_ = BRIDGE_BLOCKS * most_frames_;
    latency_ = stream_latency_ = latency;
    pending_latency_ = NONE;
    may_change_ = may_change;
    heartbeat_ = std::max<std::int64_t>(static_cast<std::int64_t>(HEARTBEAT_SECONDS * rate), bridge_);
    placement_.prepare(rate);
    transport_.prepare(rate);
    const auto longest = static_cast<std::size_t>(rate + static_cast<double>(latency)) + 4 * std::size_t{std::max(most_frames_, LARGEST_BLOCK)};
    wet_.prepare(longest);
    for (DelayLine& line : dry_)
        line.prepare(longest);
    now_ += static_cast<std::int64_t>(JUMP_SECONDS * rate);
    processed_ = end_before_ = last_end_ = now_;
    unanswered_ = 0;
    wet_gain_ = 0.0f;
    ends_notes_ = true;
    told_ = reported();
}

void Exchange::run(const Cycle& cycle, Leave leave, void* left)
{
    told_ = reported();
    if (cycle.frames > most_frames_ && may_change_) {  // the host broke its word: make room, and report it
        most_frames_ = cycle.frames;
        bridge_ = BRIDGE_BLOCKS * most_frames_;
    }
    if (ends_notes_) {
        ends_notes_ = false;
        end_notes(now_, leave, left);
    }
    receive(cycle, leave, left);
    if (cycle.bypass)
        end_notes(now_ + cycle.frames, leave, left);
    else if (bypassed_)
        start_again(leave, left);  // the player missed what came in meanwhile, ends of notes too
    bypassed_ = cycle.bypass;
    watch_transport(cycle, leave, left);
    if (cycle.wait && !free_pace_)
        wait_for_answer(cycle, leave, left);  // a stream that drops nothing is on its way
    if (!cycle.bypass)
        send(cycle);
    if (cycle.wait)
        wait_for_answer(cycle, leave, left);
    judge(cycle, leave, left);
    placement_.write(now_, cycle.frames, [&](std::uint32_t frame, const MidiBytes& midi) { leave(left, frame, midi); });
    play(cycle);
    now_ += cycle.frames;
    elapsed_ += cycle.frames;
}

// --- the host's time

void Exchange::watch_transport(const Cycle& cycle, Leave leave, void* left)
{
    const Break broke = transport_.look(cycle.host, elapsed_);
    if (broke == Break::stopped)
        end_notes(now_, leave, left);
    if (broke == Break::jumped)
        start_again(leave, left);
    if (!open_ || cycle.bypass || !transport_.is_news(cycle.host, now_, broke == Break::jumped))
        return;
    Transport told;
    told.playing = cycle.host.playing;
    told.sample = now_;
    told.frame = cycle.host.frame;
    told.tempo_bpm = cycle.host.tempo_bpm;
    told.quarters = cycle.host.quarters;
    told.bar = cycle.host.bar;
    told.beat = cycle.host.beat;
    told.beats_per_bar = cycle.host.beats_per_bar;
    lines_.to_server.push(&told, sizeof told);
}

void Exchange::start_again(Leave leave, void* left)
{
    now_ += static_cast<std::int64_t>(JUMP_SECONDS * rate_);
    processed_ = end_before_ = last_end_ = now_;
    end_notes(now_, leave, left);
}

// --- out

void Exchange::send(const Cycle& cycle)
{
    if (!open_)
        return;
    for (std::uint32_t k = 0; k < cycle.midi_count; ++k) {
        Midi midi = cycle.midi[k];
        midi.due = midi.place = now_ + std::min<std::int64_t>(midi.due, cycle.frames - 1);
        lines_.to_server.push(&midi, sizeof midi);
    }
    // The server hears one channel: the mean of all.
    float block[LARGEST_BLOCK];
    for (std::uint32_t first = 0; first < cycle.frames; first += LARGEST_BLOCK) {
        const std::uint32_t count = std::min(cycle.frames - first, LARGEST_BLOCK);
        for (std::uint32_t k = 0; k < count; ++k) {
            float sum = 0.0f;
            for (std::uint32_t channel = 0; channel < cycle.channels_in; ++channel)
                sum += cycle.inputs[channel][first + k];
            block[k] = cycle.channels_in > 1 ? sum / static_cast<float>(cycle.channels_in) : sum;
        }
        Block head;
        head.count = count;
        head.start = now_ + first;
        lines_.to_server.push(&head, sizeof head, block, count * static_cast<std::uint32_t>(sizeof(float)));
    }
    wake_(woken_);
}

// --- in

void Exchange::receive(const Cycle& cycle, Leave leave, void* left)
{
    while (lines_.to_audio.pop([&](const std::uint8_t* bytes, std::uint32_t) { take(bytes, cycle, leave, left); })) {
    }
}

void Exchange::take(const std::uint8_t* bytes, const Cycle& cycle, Leave leave, void* left)
{
    switch (*reinterpret_cast<const Kind*>(bytes)) {
    case Kind::midi: {
        const auto& midi = *reinterpret_cast<const Midi*>(bytes);
        placement_.take(midi.due, midi.place, midi.bytes, now_, cycle.frames, path(), live());
        break;
    }
    case Kind::audio: {
        const auto& audio = *reinterpret_cast<const Audio*>(bytes);
        wet_.store(audio.start + path(), reinterpret_cast<const float*>(bytes + sizeof(Audio)), audio.count);
        has_audio_ = true;
        break;
    }
    case Kind::processed: {
        const auto& processed = *reinterpret_cast<const Processed*>(bytes);
        // A block that was sent before the clock moved ahead is no answer to what was sent after.
        if (processed.end > processed_) {
            processed_ = processed.end;
            unanswered_ = 0;
        }
        break;
    }
    case Kind::opened: {
        const auto& opened = *reinterpret_cast<const Opened*>(bytes);
        start_again(leave, left);
        open_ = true;
        has_audio_ = false;
        free_pace_ = opened.free_pace != 0;
        stream_latency_ = opened.latency;
        pending_latency_ = NONE;
        if (may_change_)
            latency_ = opened.latency;
        unanswered_ = 0;
        transport_.forget();
        break;
    }
    case Kind::pending:
        pending_latency_ = reinterpret_cast<const Pending*>(bytes)->latency;
        break;
    case Kind::lost:
        open_ = has_audio_ = free_pace_ = false;
        end_notes(now_, leave, left);
        break;
    default:
        break;
    }
}

void Exchange::wait_for_answer(const Cycle& cycle, Leave leave, void* left)
{
    timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    const std::int64_t sent_until = now_ + cycle.frames;
    const bool for_stream = !free_pace_;
    const double patience = for_stream ? OFFLINE_OPEN_SECONDS : OFFLINE_REPLY_SECONDS;
    until.tv_sec += static_cast<time_t>(patience);
    lines_.waits.store(true);
    wake_(woken_);
    for (;;) {
        receive(cycle, leave, left);
        if (for_stream ? free_pace_ || lines_.hopeless.load() : !open_ || cycle.bypass || !alive() || processed_ >= sent_until)
            break;
        if (!sleep(until)) {
            if (!for_stream)
                unanswered_ = heartbeat_ + 1;  // this block was the last one that waits for this server
            break;
        }
    }
    lines_.waits.store(false);
}

bool Exchange::sleep(const timespec& until) { return sem_timedwait(&lines_.answered, &until) == 0; }

void Exchange::judge(const Cycle& cycle, Leave leave, void* left)
{
    const bool was_alive = alive();
    if (open_ && !cycle.bypass) {
        if (processed_ < end_before_) {
            ++late_blocks_;
            good_since_ = elapsed_ + static_cast<std::int64_t>(0.5 * rate_);
        }
        if (processed_ < now_ + cycle.frames && !cycle.wait)
            unanswered_ += cycle.frames;
        end_before_ = last_end_;
        last_end_ = now_ + cycle.frames;
    }
    if (was_alive && !alive())
        end_notes(now_, leave, left);
    if (!open_)
        status_ = lines_.hopeless.load(std::memory_order_relaxed) ? Status::off : Status::connecting;
    else if (pending_latency_ != NONE || stream_latency_ > latency_ || (latency_ != 0 && live()))
        status_ = Status::restart;
    else
        status_ = alive() && elapsed_ >= good_since_ ? Status::live : Status::late;
}

void Exchange::end_notes(std::int64_t heard_until, Leave leave, void* left)
{
    placement_.end_all(heard_until, [&](std::uint32_t frame, const MidiBytes& midi) { leave(left, frame, midi); });
}

// --- audio

void Exchange::play(const Cycle& cycle)
{
    const float step = static_cast<float>(1.0 / (0.005 * rate_));
    const float target = open_ && has_audio_ && alive() && !cycle.bypass ? 1.0f : 0.0f;
    const std::size_t delay = std::min<std::size_t>(reported(), dry_[0].longest());
    for (std::uint32_t k = 0; k < cycle.frames; ++k) {
        wet_gain_ = wet_gain_ < target ? std::min(target, wet_gain_ + step) : std::max(target, wet_gain_ - step);
        float wet = 0.0f;
        if (wet_gain_ > 0.0f)
            wet_.read(now_ + k, wet);
        float dry[MOST_CHANNELS] = {};  // all read before any is written: a host may use one buffer for both
        for (std::uint32_t channel = 0; channel < cycle.channels_in; ++channel)
            dry[channel] = dry_[channel].exchange(cycle.inputs[channel][k], delay);
        for (std::uint32_t channel = 0; channel < cycle.channels_out; ++channel)
            cycle.outputs[channel][k] = wet_gain_ * wet + (1.0f - wet_gain_) * dry[channel];
    }
}

}  // namespace backline
