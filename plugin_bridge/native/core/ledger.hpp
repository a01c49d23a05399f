// Which notes sound at the plug-in's MIDI output, and what sustains or bends them: server/note_ledger.py in C++.
//
// Whoever owns the port ends its notes: a dead engine cannot, and a host that stops may not ask.
#pragma once

#include <array>
#include <cstdint>

namespace backline {

using MidiBytes = std::array<std::uint8_t, 3>;  // status, data 1, data 2

constexpr std::uint8_t NOTE_OFF = 0x80, NOTE_ON = 0x90, CONTROL = 0xB0, BEND = 0xE0;
constexpr std::uint8_t SUSTAIN = 64, SUSTAIN_DOWN = 64;

inline std::uint8_t kind_of(const MidiBytes& midi) { return midi[0] & 0xF0; }
inline bool starts_note(const MidiBytes& midi) { return kind_of(midi) == NOTE_ON && midi[2] != 0; }
inline bool ends_note(const MidiBytes& midi)
{
    return kind_of(midi) == NOTE_OFF || (kind_of(midi) == NOTE_ON && midi[2] == 0);
}

class NoteLedger {
public:
    // Hand to leave(MidiBytes) what may leave for `midi`: a note struck again is ended first, an end without a start dropped.
    template <class Leave> void admit(const MidiBytes& midi, Leave&& leave)
    {
        const std::uint8_t channel = midi[0] & 0x0F;
        if (starts_note(midi)) {
            if (note(channel, midi[1]) != 0)
                leave(MidiBytes{std::uint8_t(NOTE_OFF | channel), midi[1], 0});
            note(channel, midi[1]) = midi[2];
        } else if (ends_note(midi)) {
            if (note(channel, midi[1]) == 0)
                return;
            note(channel, midi[1]) = 0;
        } else if (kind_of(midi) == BEND) {
            bent_[channel] = midi[1] != 0 || midi[2] != 64;
        } else if (kind_of(midi) == CONTROL && midi[1] == SUSTAIN) {
            pedal_[channel] = midi[2] >= SUSTAIN_DOWN;
        }
        leave(midi);
    }

    // Hand to leave(MidiBytes) the end of every sounding note, then lift the pedals and let the wheels go home.
    template <class Leave> void end_all(Leave&& leave)
    {
        for (std::uint8_t channel = 0; channel < 16; ++channel)
            for (std::uint8_t pitch = 0; pitch < 128 && sounding_ != 0; ++pitch)
                if (note(channel, pitch) != 0) {
                    note(channel, pitch) = 0;
                    leave(MidiBytes{std::uint8_t(NOTE_OFF | channel), pitch, 0});
                }
        for (std::uint8_t channel = 0; channel < 16; ++channel) {
            if (pedal_[channel])
                leave(MidiBytes{std::uint8_t(CONTROL | channel), SUSTAIN, 0});
            if (bent_[channel])
                leave(MidiBytes{std::uint8_t(BEND | channel), 0, 64});
            pedal_[channel] = bent_[channel] = false;
        }
    }

    int sounding() const { return sounding_; }

private:
    // A velocity that keeps the count of sounding notes right when it is assigned.
    struct Velocity {
        NoteLedger& ledger;
        std::uint8_t& value;
        operator std::uint8_t() const { return value; }
        void operator=(std::uint8_t velocity)
        {
            ledger.sounding_ += (velocity != 0) - (value != 0);
            value = velocity;
        }
    };

    Velocity note(std::uint8_t channel, std::uint8_t pitch) { return {*this, velocity_[channel][pitch & 0x7F]}; }

    std::array<std::array<std::uint8_t, 128>, 16> velocity_{};
    std::array<bool, 16> pedal_{}, bent_{};
    int sounding_ = 0;
};

}  // namespace backline
