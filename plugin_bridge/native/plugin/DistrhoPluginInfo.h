// One variant of the plug-in, as its line in the Makefile describes it:
// VARIANT_NAME, VARIANT_TITLE, VARIANT_SYMBOL (of its URI), VARIANT_MIDI_IN, and VARIANT_PLAYER where it is one player's own.
#pragma once

#define DISTRHO_PLUGIN_BRAND "Backline"
#define DISTRHO_PLUGIN_NAME VARIANT_TITLE
#define DISTRHO_PLUGIN_URI "urn:backline:" VARIANT_SYMBOL
#define DISTRHO_PLUGIN_CLAP_ID "backline." VARIANT_SYMBOL

#define DISTRHO_PLUGIN_IS_RT_SAFE 1
#define DISTRHO_PLUGIN_WANT_LATENCY 1
#define DISTRHO_PLUGIN_WANT_MIDI_OUTPUT 1
#define DISTRHO_PLUGIN_WANT_TIMEPOS 1
#define DISTRHO_PLUGIN_WANT_STATE 1
#define DISTRHO_PLUGIN_WANT_FULL_STATE 1
#define DISTRHO_PLUGIN_NUM_OUTPUTS 2
#define DISTRHO_PLUGIN_MINIMUM_BUFFER_SIZE 65536  // bytes of MIDI in a cycle, LV2: the ends of all notes of all channels

#if VARIANT_MIDI_IN
# define DISTRHO_PLUGIN_IS_SYNTH 1
# define DISTRHO_PLUGIN_WANT_MIDI_INPUT 1
# define DISTRHO_PLUGIN_NUM_INPUTS 0
# define DISTRHO_PLUGIN_LV2_CATEGORY "lv2:InstrumentPlugin"
# define DISTRHO_PLUGIN_VST3_CATEGORIES "Instrument|Synth|Stereo"
# define DISTRHO_PLUGIN_CLAP_FEATURES "instrument", "stereo"
#else
# define DISTRHO_PLUGIN_WANT_MIDI_INPUT 0
# define DISTRHO_PLUGIN_NUM_INPUTS 2
# define DISTRHO_PLUGIN_LV2_CATEGORY "lv2:ConverterPlugin"
# define DISTRHO_PLUGIN_VST3_CATEGORIES "Fx|Tools|Stereo"
# define DISTRHO_PLUGIN_CLAP_FEATURES "audio-effect", "stereo"
#endif
