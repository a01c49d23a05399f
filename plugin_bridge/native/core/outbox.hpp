// MIDI on its last step: what the host has no room for waits for the next cycle, and nothing overtakes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ledger.hpp"

namespace backline {

class Outbox {
public:
    // most: messages that may wait; the ends of all notes of all channels at least.
    explicit Outbox(std::size_t most = 8192) : waiting_(most) {}

    // At a cycle's beginning: hand to write(uint32_t frame, MidiBytes) -> bool what waits from cycles before.
    template <class Write> void begin(Write&& write)
    {
        while (count_ != 0 && write(0u, waiting_[first_])) {
            first_ = (first_ + 1) % waiting_.size();
            --count_;
        }
    }

    // Write a message at its frame, or keep it; one that does not even fit here is counted.
    template <class Write> void put(std::uint32_t frame, const MidiBytes& midi, Write&& write)
    {
        if (count_ == 0 && write(frame, midi))
            return;
        if (count_ == waiting_.size()) {
            ++dropped;
            return;
        }
        waiting_[(first_ + count_++) % waiting_.size()] = midi;
    }

    std::uint64_t dropped = 0;

private:
    std::vector<MidiBytes> waiting_;
    std::size_t first_ = 0, count_ = 0;
};

}  // namespace backline
