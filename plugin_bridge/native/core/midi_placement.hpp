// Every MIDI event at its exact sample, in time order, and no note left sounding: server/midi/jack.py in C++.
//
//     replies -> drop what is stale -> wait for the sample -> note ledger -> the host
//
// A commit stream's event leaves `bridge` samples after it is due, whatever the blocks do. A live stream's first event of a
// cycle leaves at once and those that came with it keep their distance from it; never before it is due. Replies are placed
// by their sample number: one that is late leaves at once, and nothing after it waits for it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ledger.hpp"

namespace backline {

constexpr double STALE_SECONDS = 0.2;  // a note that could start only this late or later does not start at all

class MidiPlacement {
public:
    struct Counts {
        std::uint64_t taken = 0, late = 0, lost = 0, ended = 0;
    };

    explicit MidiPlacement(std::size_t most_pending = 8192) : pending_(most_pending) {}

    // Not while the audio thread works.
    void prepare(double rate) { stale_ = static_cast<std::int64_t>(STALE_SECONDS * rate); }

    // Queue a reply; `now` is the first sample of this cycle, which has `frames`.
    void take(std::int64_t due, std::int64_t place, const MidiBytes& midi, std::int64_t now, std::uint32_t frames,
              std::int64_t bridge, bool live)
    {
        ++counts.taken;
        const std::int64_t leaves = live ? live_place(due, now) : due + bridge;
        const bool stale = leaves < now - stale_ || place < deaf_before_;
        // A full queue keeps room for what ends notes.
        const bool full = count_ >= pending_.size() - (starts_note(midi) ? 1024 : 1);
        if (full || (stale && starts_note(midi))) {
            ++counts.lost;
            return;
        }
        counts.late += leaves < now;
        // A reply is due in a block that was sent: a number beyond that is none, and must not hold up what follows.
        newest_ = std::max(newest_, std::min(leaves, now + frames + 2 * bridge));
        pending_[(first_ + count_++) % pending_.size()] = {newest_, midi};
    }

    // Hand to leave(uint32_t frame, MidiBytes) what leaves in this cycle.
    template <class Leave> void write(std::int64_t now, std::uint32_t frames, Leave&& leave)
    {
        first_due_ = NONE;
        while (count_ != 0 && pending_[first_].leaves < now + frames) {
            const Pending event = pending_[first_];
            first_ = (first_ + 1) % pending_.size();
            --count_;
            const auto frame = static_cast<std::uint32_t>(std::max<std::int64_t>(0, event.leaves - now));
            ledger_.admit(event.midi, [&](const MidiBytes& midi) { leave(frame, midi); });
        }
    }

    // End every note at the cycle's first frame, before anything else of it, and forget what waits. Of what was heard
    // before `heard_until` no note starts any more: its answers may still be on their way.
    template <class Leave> void end_all(std::int64_t heard_until, Leave&& leave)
    {
        count_ = 0;
        newest_ = NONE;
        deaf_before_ = std::max(deaf_before_, heard_until);
        ledger_.end_all([&](const MidiBytes& midi) {
            ++counts.ended;
            leave(0, midi);
        });
    }

    int sounding() const { return ledger_.sounding(); }

    Counts counts;

private:
    static constexpr std::int64_t NONE = INT64_MIN;

    struct Pending {
        std::int64_t leaves;
        MidiBytes midi;
    };

    std::int64_t live_place(std::int64_t due, std::int64_t now)
    {
        if (first_due_ == NONE)
            first_due_ = due;
        return std::max(now + std::max<std::int64_t>(0, due - first_due_), due);
    }

    std::vector<Pending> pending_;
    std::size_t first_ = 0, count_ = 0;
    NoteLedger ledger_;
    std::int64_t stale_ = 9600;
    std::int64_t newest_ = NONE;     // no event leaves before one that came earlier
    std::int64_t first_due_ = NONE;  // of a live stream's events in this cycle
    std::int64_t deaf_before_ = 0;
};

}  // namespace backline
