// What travels between the audio thread and the bridge thread, through two RecordQueues.
#pragma once

#include <cstdint>

#include "ledger.hpp"

namespace backline {

enum class Kind : std::uint32_t { block, midi, transport, opened, pending, lost, audio, processed };

// Each record begins with its kind.
struct Block {  // to the server; `count` float32 follow
    Kind kind = Kind::block;
    std::uint32_t count;
    std::int64_t start;
};

struct Midi {  // both ways; to the server due and place are equal
    Kind kind = Kind::midi;
    MidiBytes bytes;
    std::int64_t due, place;
};

struct Transport {  // to the server: the host's time, which holds from `sample` on
    Kind kind = Kind::transport;
    std::int32_t playing = 0;
    std::int64_t sample = 0, frame = 0;
    double tempo_bpm = 0.0, quarters = 0.0;
    std::int32_t bar = 0;
    double beat = 0.0, beats_per_bar = 0.0;
};

struct Opened {  // from here on the replies are those of another stream
    Kind kind = Kind::opened;
    std::uint32_t free_pace;
    std::int64_t latency;  // declared, in samples; 0: a live stream
};

struct Pending {  // the settings now ask for a stream of a longer latency: it opens at the next activation
    Kind kind = Kind::pending;
    std::int64_t latency;  // -1: they do not any more
};

struct Lost {  // the server is gone
    Kind kind = Kind::lost;
};

struct Audio {  // a player's audio; `count` float32 follow
    Kind kind = Kind::audio;
    std::uint32_t count;
    std::int64_t start;
};

struct Processed {  // the engine is through to sample `end`
    Kind kind = Kind::processed;
    std::int32_t late;
    std::int64_t end;
};

}  // namespace backline
