// Blocks in which nothing happens wait for the next, so that a host of small blocks costs a datagram a hop: plugin_bridge/gather.py
// in C++. The engine says with every answer until when nothing happens, whatever comes in.
#pragma once

#include <cstdint>
#include <vector>

#include "wire.hpp"

namespace backline {

class Gather {
public:
    // Forget everything: another stream begins.
    void begin()
    {
        held_.clear();
        quiet_until_ = sent_ = end_ = 0;
    }

    // Take a block; goes(first sample, samples, count) is called for what goes out now, which may be nothing.
    template <class Goes> void take(std::int64_t start, const float* samples, std::uint32_t count, Goes&& goes)
    {
        if (start != end_)
            flush(goes);
        const bool goes_on = start == end_;
        end_ = start + count;
        held_.insert(held_.end(), samples, samples + count);
        if (!goes_on || end_ > quiet_until_ || held_.size() + count > LARGEST_BLOCK)
            flush(goes);
    }

    template <class Goes> void flush(Goes&& goes)
    {
        if (held_.empty())
            return;
        goes(end_ - static_cast<std::int64_t>(held_.size()), held_.data(), static_cast<std::uint32_t>(held_.size()));
        held_.clear();
        sent_ = end_;
    }

    // Something happens of which the engine does not know yet: the next block goes out.
    void wake() { quiet_until_ = 0; }

    void hear(std::int64_t quiet_until) { quiet_until_ = quiet_until; }

    // Up to which sample all is answered, where the engine says `processed`: what is held back needs no answer.
    std::int64_t through(std::int64_t processed) const { return !held_.empty() && processed >= sent_ ? end_ : processed; }

private:
    std::vector<float> held_;
    std::int64_t quiet_until_ = 0, sent_ = 0, end_ = 0;  // sent, end: the samples after what went out last and was taken last
};

}  // namespace backline
