// Audio by sample number: what the server sends is stored where it belongs, never appended, so that what is lost or late
// leaves a hole and no delay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace backline {

// One channel of samples that remember their number.
class AudioPlacement {
public:
    // Not while the audio thread works. capacity: samples, rounded up to a power of two.
    void prepare(std::size_t capacity)
    {
        std::size_t size = 1;
        while (size < capacity)
            size *= 2;
        places_.assign(size, Place{});
        mask_ = size - 1;
    }

    void store(std::int64_t start, const float* samples, std::size_t count)
    {
        for (std::size_t k = 0; k < count; ++k)
            places_[static_cast<std::uint64_t>(start + static_cast<std::int64_t>(k)) & mask_] = {start + static_cast<std::int64_t>(k), samples[k]};
    }

    // Give sample `number`; false where it is not here.
    bool read(std::int64_t number, float& sample) const
    {
        const Place& place = places_[static_cast<std::uint64_t>(number) & mask_];
        if (place.number != number)
            return false;
        sample = place.sample;
        return true;
    }

private:
    struct Place {
        std::int64_t number = INT64_MIN;
        float sample = 0.0f;
    };
    std::vector<Place> places_{Place{}};
    std::size_t mask_ = 0;
};

// One channel of what came in, given back a number of samples later.
class DelayLine {
public:
    // Not while the audio thread works. capacity: the longest delay.
    void prepare(std::size_t capacity)
    {
        std::size_t size = 1;
        while (size <= capacity)
            size *= 2;
        samples_.assign(size, 0.0f);
        mask_ = size - 1;
        next_ = 0;
    }

    std::size_t longest() const { return mask_; }

    float exchange(float sample, std::size_t delay)
    {
        samples_[next_ & mask_] = sample;
        const float old = samples_[(next_ - delay) & mask_];
        ++next_;
        return old;
    }

private:
    std::vector<float> samples_{0.0f};
    std::size_t mask_ = 0, next_ = 0;
};

}  // namespace backline
