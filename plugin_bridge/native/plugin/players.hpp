// Made by describe_players.py from the players' manifests; change those.
#pragma once

#include "player.hpp"

namespace backline {

constexpr const char* transcriber_instrument[] = {"piano", "general", "guitar", "bass", "strings", "winds", "voice", "mallets", "organ", "synth"};
constexpr const char* transcriber_look_ahead_ms[] = {"auto", "0", "10", "20", "40", "80", "160"};
constexpr const char* transcriber_stream[] = {"commit", "live"};
constexpr const char* transcriber_pedal[] = {"on", "off"};
constexpr const char* transcriber_bend[] = {"on", "off"};
constexpr const char* transcriber_quantise[] = {"off", "1/4", "1/4t", "1/8", "1/8t", "1/16", "1/16t", "1/32"};
constexpr const char* transcriber_mpe[] = {"off", "on"};
constexpr PlayerParameter transcriber_parameters[] = {
    {"instrument", "Instrument", "", "what is played", 0.0f, 0.0f, 9.0f, transcriber_instrument, 10, true},
    {"look_ahead_ms", "Look ahead", "ms", "how long a decision waits: later is more accurate; auto: 160 for commit, 40 for live", 0.0f, 0.0f, 6.0f, transcriber_look_ahead_ms, 7, true},
    {"stream", "Stream", "", "commit: exact places at a constant latency; live: as soon as possible", 0.0f, 0.0f, 1.0f, transcriber_stream, 2, true},
    {"sensitivity", "Sensitivity", "", "0 misses soft notes, 1 hears what is not there", 0.5f, 0.0f, 1.0f, nullptr, 0, false},
    {"gate_db", "Gate", "dB", "no note starts below this peak level", -100.0f, -100.0f, 0.0f, nullptr, 0, false},
    {"tuning_hz", "Tuning", "Hz", "the instrument's A4; 0 finds it by itself", 440.0f, 0.0f, 480.0f, nullptr, 0, false},
    {"lowest", "Lowest", "pitch", "lowest pitch listened for", 21.0f, 0.0f, 127.0f, nullptr, 0, false},
    {"highest", "Highest", "pitch", "highest pitch listened for", 108.0f, 0.0f, 127.0f, nullptr, 0, false},
    {"transpose", "Transpose", "semitones", "moves what is sent", 0.0f, -48.0f, 48.0f, nullptr, 0, false},
    {"channel", "Channel", "", "MIDI channel of what is sent", 1.0f, 1.0f, 16.0f, nullptr, 0, false},
    {"pedal", "Pedal", "", "a piano's sustain pedal, as CC64", 0.0f, 0.0f, 1.0f, transcriber_pedal, 2, false},
    {"bend", "Bend", "", "a bending instrument's pitch bend, 2 semitones", 0.0f, 0.0f, 1.0f, transcriber_bend, 2, false},
    {"quantise", "Quantise", "", "the rhythm's lines that notes are moved to; t: triplets", 0.0f, 0.0f, 7.0f, transcriber_quantise, 8, true},
    {"quantise_strength", "Quantise strength", "%", "how much of the way to its line a note goes", 100.0f, 0.0f, 100.0f, nullptr, 0, false},
    {"swing", "Swing", "%", "where every second line lies between its neighbours", 50.0f, 50.0f, 75.0f, nullptr, 0, false},
    {"tempo_bpm", "Tempo", "bpm", "the tempo, where the host's transport tells none", 120.0f, 20.0f, 300.0f, nullptr, 0, false},
    {"mpe", "MPE", "", "MIDI polyphonic expression: a channel of its own for every note, so that one can bend alone", 0.0f, 0.0f, 1.0f, transcriber_mpe, 2, true},
};

constexpr const char* probe_stream[] = {"commit", "live"};
constexpr const char* probe_quantise[] = {"off", "1/4", "1/4t", "1/8", "1/8t", "1/16", "1/16t", "1/32"};
constexpr const char* probe_mpe[] = {"off", "on"};
constexpr PlayerParameter probe_parameters[] = {
    {"stream", "Stream", "", "kind of note stream", 0.0f, 0.0f, 1.0f, probe_stream, 2, true},
    {"quantise", "Quantise", "", "the rhythm's lines that notes are moved to; t: triplets", 0.0f, 0.0f, 7.0f, probe_quantise, 8, true},
    {"quantise_strength", "Quantise strength", "%", "how much of the way to its line a note goes", 100.0f, 0.0f, 100.0f, nullptr, 0, false},
    {"swing", "Swing", "%", "where every second line lies between its neighbours", 50.0f, 50.0f, 75.0f, nullptr, 0, false},
    {"tempo_bpm", "Tempo", "bpm", "the tempo, where the host's transport tells none", 120.0f, 20.0f, 300.0f, nullptr, 0, false},
    {"mpe", "MPE", "", "MIDI polyphonic expression: a channel of its own for every note, so that one can bend alone", 0.0f, 0.0f, 1.0f, probe_mpe, 2, true},
};

constexpr const char* performer_instrument[] = {"violin", "cello", "flute"};
constexpr const char* performer_look_ahead_ms[] = {"auto", "0", "224"};
constexpr const char* performer_stream[] = {"commit", "live"};
constexpr const char* performer_out_of_range[] = {"octave", "drop"};
constexpr PlayerParameter performer_parameters[] = {
    {"instrument", "Instrument", "", "who plays", 0.0f, 0.0f, 2.0f, performer_instrument, 3, true},
    {"look_ahead_ms", "Look ahead", "ms", "how much of the score is known ahead; auto: 224 for commit, 0 for live", 0.0f, 0.0f, 2.0f, performer_look_ahead_ms, 3, true},
    {"stream", "Stream", "", "commit: a clip, at its place; live: by hand, as soon as possible", 0.0f, 0.0f, 1.0f, performer_stream, 2, true},
    {"dynamics", "Dynamics", "", "how much harder every note is played, in shares of all velocities", 0.0f, -1.0f, 1.0f, nullptr, 0, false},
    {"range", "Range", "dB", "how far velocities 20 and 120 lie apart", 30.0f, 0.0f, 60.0f, nullptr, 0, false},
    {"brightness", "Brightness", "dB/octave", "more or less of what lies above 1 kHz", 0.0f, -12.0f, 12.0f, nullptr, 0, false},
    {"vibrato", "Vibrato", "", "times the player's own", 1.0f, 0.0f, 4.0f, nullptr, 0, false},
    {"room", "Room", "", "times the room of the recordings; 0 is none", 1.0f, 0.0f, 2.0f, nullptr, 0, false},
    {"gain_db", "Gain", "dB", "level", 0.0f, -60.0f, 24.0f, nullptr, 0, false},
    {"transpose", "Transpose", "semitones", "moves what is played", 0.0f, -48.0f, 48.0f, nullptr, 0, false},
    {"out_of_range", "Out of range", "", "notes the instrument has not: moved by octaves, or left out", 0.0f, 0.0f, 1.0f, performer_out_of_range, 2, true},
};

constexpr const char* translator_listen_stream[] = {"commit", "live"};
constexpr const char* translator_listen_look_ahead_ms[] = {"auto", "40", "112", "304"};
constexpr const char* translator_listen_level[] = {"recorded", "any"};
constexpr const char* translator_listen_quantise[] = {"off", "1/4", "1/4t", "1/8", "1/8t", "1/16", "1/16t", "1/32"};
constexpr const char* translator_listen_mpe[] = {"off", "on"};
constexpr PlayerParameter translator_listen_parameters[] = {
    {"stream", "Stream", "", "commit: exact places at a constant latency; live: as soon as possible", 0.0f, 0.0f, 1.0f, translator_listen_stream, 2, true},
    {"look_ahead_ms", "Look ahead", "ms", "how long a decision may wait; auto: 304 for commit, 40 for live", 0.0f, 0.0f, 3.0f, translator_listen_look_ahead_ms, 4, true},
    {"level", "Level", "", "recorded: how loud it is says how hard it is played; any: only its timbre does", 0.0f, 0.0f, 1.0f, translator_listen_level, 2, false},
    {"input_gain_db", "Input gain", "dB", "what comes in is so much louder", 0.0f, -40.0f, 40.0f, nullptr, 0, false},
    {"sensitivity", "Sensitivity", "", "0 misses soft notes, 1 hears what is not there", 0.5f, 0.0f, 1.0f, nullptr, 0, false},
    {"gate_db", "Gate", "dB", "no note starts below this peak level", -70.0f, -100.0f, 0.0f, nullptr, 0, false},
    {"lowest", "Lowest", "pitch", "lowest pitch listened for", 21.0f, 0.0f, 127.0f, nullptr, 0, false},
    {"highest", "Highest", "pitch", "highest pitch listened for", 108.0f, 0.0f, 127.0f, nullptr, 0, false},
    {"channel", "Channel", "", "MIDI channel of what is sent", 1.0f, 1.0f, 16.0f, nullptr, 0, false},
    {"transpose", "Transpose", "semitones", "moves what is sent or played", 0.0f, -48.0f, 48.0f, nullptr, 0, false},
    {"quantise", "Quantise", "", "the rhythm's lines that notes are moved to; t: triplets", 0.0f, 0.0f, 7.0f, translator_listen_quantise, 8, true},
    {"quantise_strength", "Quantise strength", "%", "how much of the way to its line a note goes", 100.0f, 0.0f, 100.0f, nullptr, 0, false},
    {"swing", "Swing", "%", "where every second line lies between its neighbours", 50.0f, 50.0f, 75.0f, nullptr, 0, false},
    {"tempo_bpm", "Tempo", "bpm", "the tempo, where the host's transport tells none", 120.0f, 20.0f, 300.0f, nullptr, 0, false},
    {"mpe", "MPE", "", "MIDI polyphonic expression: a channel of its own for every note, so that one can bend alone", 0.0f, 0.0f, 1.0f, translator_listen_mpe, 2, true},
};

constexpr const char* translator_play_stream[] = {"commit", "live"};
constexpr const char* translator_play_look_ahead_ms[] = {"auto", "0"};
constexpr const char* translator_play_instrument[] = {"violin", "cello", "double_bass", "flute", "saxophone", "trumpet", "french_horn", "piano"};
constexpr const char* translator_play_morph_instrument[] = {"same", "violin", "cello", "double_bass", "flute", "saxophone", "trumpet", "french_horn", "piano"};
constexpr const char* translator_play_morph_dynamics[] = {"same", "pp", "p", "mf", "f", "ff"};
constexpr PlayerParameter translator_play_parameters[] = {
    {"stream", "Stream", "", "commit: exact places at a constant latency; live: as soon as possible", 0.0f, 0.0f, 1.0f, translator_play_stream, 2, true},
    {"look_ahead_ms", "Look ahead", "ms", "a note sounds in its own hop", 0.0f, 0.0f, 1.0f, translator_play_look_ahead_ms, 2, true},
    {"transpose", "Transpose", "semitones", "moves what is sent or played", 0.0f, -48.0f, 48.0f, nullptr, 0, false},
    {"instrument", "Instrument", "", "who plays", 3.0f, 0.0f, 7.0f, translator_play_instrument, 8, false},
    {"morph", "Morph", "", "how far on the way to the other instrument and dynamic", 0.0f, 0.0f, 1.0f, nullptr, 0, false},
    {"morph_instrument", "Morph instrument", "", "the instrument it goes to", 0.0f, 0.0f, 8.0f, translator_play_morph_instrument, 9, false},
    {"morph_dynamics", "Morph dynamics", "", "the dynamic it goes to", 0.0f, 0.0f, 5.0f, translator_play_morph_dynamics, 6, false},
    {"map_x", "Map x", "", "across the map of the space", 0.0f, -1.5f, 1.5f, nullptr, 0, false},
    {"map_y", "Map y", "", "up the map of the space", 0.0f, -1.5f, 1.5f, nullptr, 0, false},
    {"map", "Map", "", "how much the place on the map counts, not the symbols", 0.0f, 0.0f, 1.0f, nullptr, 0, false},
    {"space_3", "Space 3", "", "along axis 3 of the space, from where it is", 0.0f, -1.5f, 1.5f, nullptr, 0, false},
    {"space_4", "Space 4", "", "along axis 4 of the space, from where it is", 0.0f, -1.5f, 1.5f, nullptr, 0, false},
    {"space_5", "Space 5", "", "along axis 5 of the space, from where it is", 0.0f, -1.5f, 1.5f, nullptr, 0, false},
    {"space_6", "Space 6", "", "along axis 6 of the space, from where it is", 0.0f, -1.5f, 1.5f, nullptr, 0, false},
    {"dynamics", "Dynamics", "", "added to every note's strength, in shares of pp to ff", 0.0f, -1.0f, 1.0f, nullptr, 0, false},
    {"gain_db", "Gain", "dB", "level", 0.0f, -60.0f, 24.0f, nullptr, 0, false},
};

constexpr const char* drummer_stream[] = {"commit", "live"};
constexpr const char* drummer_style[] = {"auto", "afrobeat", "afrocuban", "blues", "dance", "funk", "hiphop", "jazz", "latin", "neworleans", "pop", "reggae", "rock", "soul"};
constexpr const char* drummer_intro[] = {"hats", "count", "nothing", "beat"};
constexpr const char* drummer_stop_in_silence[] = {"off", "on"};
constexpr const char* drummer_metre[] = {"auto", "2/4", "3/4", "4/4", "5/4", "6/8", "12/8"};
constexpr const char* drummer_drum_map[] = {"general_midi", "roland", "hydrogen"};
constexpr const char* drummer_quantise[] = {"off", "1/4", "1/4t", "1/8", "1/8t", "1/16", "1/16t", "1/32"};
constexpr const char* drummer_mpe[] = {"off", "on"};
constexpr PlayerParameter drummer_parameters[] = {
    {"stream", "Stream", "", "commit: exact places at a constant latency, which a host takes back; live: on the beat, ahead of it", 1.0f, 0.0f, 1.0f, drummer_stream, 2, true},
    {"style", "Style", "", "auto: as the bass asks for", 0.0f, 0.0f, 13.0f, drummer_style, 14, false},
    {"density", "Density", "", "times as many hits as it would play", 1.0f, 0.1f, 3.0f, nullptr, 0, false},
    {"humanise", "Humanise", "", "0 plays exactly on the grid, 1 as the drummers it learned from", 0.5f, 0.0f, 1.0f, nullptr, 0, false},
    {"fills", "Fills", "", "how many of the phrases of eight bars end with a fill", 0.25f, 0.0f, 1.0f, nullptr, 0, false},
    {"intensity", "Intensity", "", "how hard it plays; from 0.8 time is kept on the ride", 0.5f, 0.0f, 1.0f, nullptr, 0, false},
    {"kick_with_bass", "Kick with bass", "", "0 as learned, 1 a kick wherever the bass is expected", 0.0f, 0.0f, 1.0f, nullptr, 0, false},
    {"intro", "Intro", "", "what is played until a bar of the bass was heard; beat: a plain one", 0.0f, 0.0f, 3.0f, drummer_intro, 4, false},
    {"stop_in_silence", "Stop in silence", "", "on: rests after a bar without bass", 0.0f, 0.0f, 1.0f, drummer_stop_in_silence, 2, false},
    {"metre", "Metre", "", "of a song whose bars no host counts; in 6/8 and 12/8 beats have three parts, with a host too", 0.0f, 0.0f, 6.0f, drummer_metre, 7, true},
    {"drum_map", "Drum map", "", "notes that are sent", 0.0f, 0.0f, 2.0f, drummer_drum_map, 3, false},
    {"ahead_ms", "Ahead", "ms", "live: how long before its place a hit leaves and sounds, to make up for what comes after", 0.0f, 0.0f, 400.0f, nullptr, 0, true},
    {"seed", "Seed", "", "of what is left to chance; equal seeds give equal drums", 1.0f, 0.0f, 9999.0f, nullptr, 0, false},
    {"gain_db", "Gain", "dB", "level of the kit's sound", 0.0f, -60.0f, 24.0f, nullptr, 0, false},
    {"room", "Room", "", "how much of the room around the kit is heard; 0 is dry", 0.35f, 0.0f, 1.0f, nullptr, 0, false},
    {"quantise", "Quantise", "", "the rhythm's lines that notes are moved to; t: triplets", 0.0f, 0.0f, 7.0f, drummer_quantise, 8, true},
    {"quantise_strength", "Quantise strength", "%", "how much of the way to its line a note goes", 100.0f, 0.0f, 100.0f, nullptr, 0, false},
    {"swing", "Swing", "%", "where every second line lies between its neighbours", 50.0f, 50.0f, 75.0f, nullptr, 0, false},
    {"tempo_bpm", "Tempo", "bpm", "the tempo, where the host's transport tells none", 120.0f, 20.0f, 300.0f, nullptr, 0, false},
    {"mpe", "MPE", "", "MIDI polyphonic expression: a channel of its own for every note, so that one can bend alone", 0.0f, 0.0f, 1.0f, drummer_mpe, 2, true},
};

constexpr const char* arranger_stream[] = {"commit", "live"};
constexpr const char* arranger_look_ahead_ms[] = {"auto", "0", "2000", "4000", "8000", "16000"};
constexpr const char* arranger_mode[] = {"auto", "follow", "plan"};
constexpr const char* arranger_metre[] = {"auto", "2/4", "3/4", "4/4"};
constexpr const char* arranger_melody[] = {"out", "in"};
constexpr const char* arranger_pedal[] = {"on", "off"};
constexpr const char* arranger_quantise[] = {"off", "1/4", "1/4t", "1/8", "1/8t", "1/16", "1/16t", "1/32"};
constexpr const char* arranger_mpe[] = {"off", "on"};
constexpr PlayerParameter arranger_parameters[] = {
    {"stream", "Stream", "", "commit: exact places at a constant latency, for files; live: on the host's grid, without any", 1.0f, 0.0f, 1.0f, arranger_stream, 2, true},
    {"look_ahead_ms", "Look ahead", "ms", "commit, follow: how long after its place a note comes, 16000 if auto; 0: a bar behind, as live", 0.0f, 0.0f, 5.0f, arranger_look_ahead_ms, 6, true},
    {"mode", "Mode", "", "follow: what was heard, live a bar behind; plan: the bar that comes; auto: plan if live", 0.0f, 0.0f, 2.0f, arranger_mode, 3, true},
    {"metre", "Metre", "", "of a song whose bars no host counts", 0.0f, 0.0f, 3.0f, arranger_metre, 4, true},
    {"melody", "Melody", "", "whether the sung or leading melody is played too", 0.0f, 0.0f, 1.0f, arranger_melody, 2, false},
    {"density", "Density", "", "times as many notes as it would play", 1.0f, 0.25f, 2.0f, nullptr, 0, false},
    {"register", "Register", "semitones", "higher or lower, by whole octaves", 0.0f, -24.0f, 24.0f, nullptr, 0, false},
    {"dynamics", "Dynamics", "", "how much softer and louder it plays as the song does", 0.5f, 0.0f, 1.0f, nullptr, 0, false},
    {"pedal", "Pedal", "", "the sustain pedal, anew at every change of chord", 0.0f, 0.0f, 1.0f, arranger_pedal, 2, false},
    {"ahead_ms", "Ahead", "ms", "live: how long before its place a note leaves, to make up for what comes after", 0.0f, 0.0f, 400.0f, nullptr, 0, true},
    {"seed", "Seed", "", "of what is left to chance; equal seeds play alike", 1.0f, 0.0f, 9999.0f, nullptr, 0, false},
    {"quantise", "Quantise", "", "the rhythm's lines that notes are moved to; t: triplets", 0.0f, 0.0f, 7.0f, arranger_quantise, 8, true},
    {"quantise_strength", "Quantise strength", "%", "how much of the way to its line a note goes", 100.0f, 0.0f, 100.0f, nullptr, 0, false},
    {"swing", "Swing", "%", "where every second line lies between its neighbours", 50.0f, 50.0f, 75.0f, nullptr, 0, false},
    {"tempo_bpm", "Tempo", "bpm", "the tempo, where the host's transport tells none", 120.0f, 20.0f, 300.0f, nullptr, 0, false},
    {"mpe", "MPE", "", "MIDI polyphonic expression: a channel of its own for every note, so that one can bend alone", 0.0f, 0.0f, 1.0f, arranger_mpe, 2, true},
};

constexpr Player players[] = {
    {"transcriber", "transcriber", "", transcriber_parameters, 17},
    {"probe", "probe", "", probe_parameters, 6},
    {"performer", "performer", "", performer_parameters, 11},
    {"translator listen", "translator", "listen", translator_listen_parameters, 15},
    {"translator play", "translator", "play", translator_play_parameters, 16},
    {"drummer", "drummer", "", drummer_parameters, 20},
    {"arranger", "arranger", "", arranger_parameters, 16},
};

}  // namespace backline
