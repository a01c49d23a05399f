// The host's transport: what it says in a cycle, and whether what rolled broke off.
#pragma once

#include <cstdint>

#include "records.hpp"

namespace backline {

// What the host says at the first frame of a cycle. tempo_bpm 0: it gives none, and bar, beat and quarters say nothing.
struct HostTime {
    bool playing = false;
    std::int64_t frame = 0;
    double tempo_bpm = 0.0, quarters = 0.0;
    std::int32_t bar = 0;
    double beat = 0.0, beats_per_bar = 0.0;
};

enum class Break { none, stopped, jumped };

class TransportWatch {
public:
    void prepare(double rate)
    {
        slack_ = static_cast<std::int64_t>(0.2 * rate);
        interval_ = static_cast<std::int64_t>(0.5 * rate);
        rolling_ = told_ = false;
    }

    // Say whether what was rolling at the last call did not simply go on to this one. position: the plug-in's own count of
    // samples, whose steps the host's frames should match; an xrun moves them on by less than a person would.
    Break look(const HostTime& host, std::int64_t position)
    {
        const std::int64_t moved = host.frame - frame_ - (position - position_);
        const bool was_rolling = rolling_;
        rolling_ = host.playing;
        frame_ = host.frame;
        position_ = position;
        if (!was_rolling)
            return Break::none;
        if (!host.playing)
            return Break::stopped;
        return moved < -slack_ / 8 || moved > slack_ ? Break::jumped : Break::none;
    }

    // Whether the server should be told: at a change, and every half second while playing.
    bool is_news(const HostTime& host, std::int64_t sample, bool jumped)
    {
        const bool same = told_ && host.playing == last_.playing && host.tempo_bpm == last_.tempo_bpm
                          && host.beats_per_bar == last_.beats_per_bar && (host.playing || host.frame == last_.frame);
        if (same && !jumped && !(host.playing && sample - told_at_ >= interval_))
            return false;
        told_ = true;
        last_ = host;
        told_at_ = sample;
        return true;
    }

    // Tell everything again: another stream listens.
    void forget() { told_ = false; }

private:
    std::int64_t slack_ = 9600, interval_ = 24000, frame_ = 0, position_ = 0, told_at_ = 0;
    bool rolling_ = false, told_ = false;
    HostTime last_;
};

}  // namespace backline
