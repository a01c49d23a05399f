// A player as the plug-in knows it: its parameters, as its manifest has them.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

namespace backline {

struct PlayerParameter {
    const char *name, *title, *unit, *description;
    float initial, lowest, highest;  // of a choice: places in `choices`
    const char* const* choices;
    std::size_t choice_count;
    bool fixed;  // chosen when a stream opens

    // The word that stands for `value` on the wire.
    std::string word(float value) const
    {
        if (choice_count != 0) {
            const long place = static_cast<long>(value + 0.5f);
            return choices[place < 0 ? 0 : place >= static_cast<long>(choice_count) ? choice_count - 1 : place];
        }
        char text[32];
        std::snprintf(text, sizeof text, "%.7g", static_cast<double>(value));
        return text;
    }

    // The value for a slot's position. 0 is the player's own; from 0.001 to 1 a slot spans the range.
    float at(float slot) const
    {
        if (slot <= 0.0f)
            return initial;
        const float part = slot <= 0.001f ? 0.0f : slot >= 1.0f ? 1.0f : (slot - 0.001f) / 0.999f;
        if (choice_count != 0) {
            const auto place = static_cast<std::size_t>(part * static_cast<float>(choice_count));
            return static_cast<float>(place < choice_count ? place : choice_count - 1);
        }
        return lowest + part * (highest - lowest);
    }
};

struct Player {
    const char *name, *model, *direction;  // direction: one that the model works in, empty where it has but one way
    const PlayerParameter* parameters;
    std::size_t parameter_count;
};

}  // namespace backline
