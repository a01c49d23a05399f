// The plug-in as hosts see it: parameters, state and latency, and each cycle handed to the core. All variants are this file.
//
// General: player, 16 slots, then as all: keep, wait, bypass, late, status. One player's own: its parameters, then as all.

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "DistrhoPlugin.hpp"
#include "DistrhoPluginUtils.hpp"
#include "exchange.hpp"
#include "link.hpp"
#include "outbox.hpp"
#include "players.hpp"

START_NAMESPACE_DISTRHO

using namespace backline;

namespace {

constexpr std::uint32_t SLOTS = 16;
constexpr double OPEN_SECONDS = 10.0;  // what an activation waits for a stream, at most
constexpr std::uint32_t MOST_MIDI = 512;
constexpr float MOST_LATE = 1e6f;  // that are shown

constexpr const Player* find_player(std::string_view name)
{
    for (const Player& player : players)
        if (name == player.name)
            return &player;
    return nullptr;
}

std::string environment(const char* name)
{
    const char* const text = std::getenv(name);
    return text == nullptr ? "" : text;
}

// A JSON object's members without its braces; nothing where it is none.
std::string members(const std::string& object)
{
    const auto first = object.find_first_not_of(" \t\r\n"), last = object.find_last_not_of(" \t\r\n");
    if (first == std::string::npos || object[first] != '{' || object[last] != '}')
        return "";
    const std::string inside = object.substr(first + 1, last - first - 1);
    return inside.find_first_not_of(" \t\r\n") == std::string::npos ? "" : inside;
}

void append(std::string& list, const std::string& more)
{
    list += more.empty() || list.empty() ? more : ", " + more;
}

}  // namespace

class BacklinePlugin : public Plugin {
public:
    BacklinePlugin()
        : Plugin(COUNT, 0, 3), is_lv2_or_jack_(is_lv2_or_jack()), default_model_(environment("BACKLINE_MODEL")),
          settings_from_environment_(members(environment("BACKLINE_SETTINGS"))), link_(lines_, [this] { return wanted(); }),
          exchange_(lines_, [](void* link) { static_cast<Link*>(link)->wake(); }, &link_)
    {
        for (std::uint32_t index = 0; index < COUNT; ++index)
            values_[index].store(initial(index));
    }

protected:
    const char* getLabel() const override { return VARIANT_NAME; }
    const char* getDescription() const override { return "Trained players beside your tracks, through the Backline server"; }
    const char* getMaker() const override { return "Backline"; }
    const char* getLicense() const override { return "Apache-2.0"; }
    std::uint32_t getVersion() const override { return d_version(0, 1, 0); }
    std::int64_t getUniqueId() const override { return d_cconst('B', 'l', VARIANT_CODE[0], VARIANT_CODE[1]); }

    // --- parameters

    void initParameter(std::uint32_t index, Parameter& parameter) override
    {
        if (index < OWN)
            init_own(index, parameter);
        else if (index == KEEP) {
            parameter.hints = kParameterIsAutomatable | kParameterIsBoolean | kParameterIsInteger;
            parameter.name = "Keep";
            parameter.symbol = "keep";
            parameter.description = "its rise keeps what was just played: the last two minutes as MIDI and audio, in the folder Backline";
        } else if (index == WAIT) {
            parameter.hints = kParameterIsBoolean | kParameterIsInteger;
            parameter.name = "Wait";
            parameter.symbol = "wait";
            parameter.description = "1 while the host renders offline: wait for the server's answers";
        } else if (index == BYPASS)
            parameter.initDesignation(kParameterDesignationBypass);
        else if (index == LATE) {
            parameter.hints = kParameterIsOutput | kParameterIsInteger;
            parameter.name = "Late";
            parameter.symbol = "late";
            parameter.description = "results that came too late so far: blocks and events";
            parameter.ranges = ParameterRanges(0.0f, 0.0f, MOST_LATE);
        } else {
            parameter.hints = kParameterIsOutput | kParameterIsInteger;
            parameter.name = "Status";
            parameter.symbol = "status";
            parameter.description = "what the server does for this plug-in";
            static const char* const words[] = {"off", "connecting", "live", "late", "restart needed"};
            enumerate(parameter, words, 5);
        }
    }

    float getParameterValue(std::uint32_t index) const override { return values_[index].load(std::memory_order_relaxed); }

    void setParameterValue(std::uint32_t index, float value) override
    {
        if (values_[index].exchange(value, std::memory_order_relaxed) != value && index != BYPASS)
            link_.changed();
    }

    // --- what a session saves beside the parameters

    void initState(std::uint32_t index, State& state) override
    {
        static const char* const keys[] = {"model", "settings", "latency"};
        static const char* const labels[] = {"Model", "Settings", "Latency"};
        static const char* const descriptions[] = {
            "name of a model that is in no list, used while the player is 'default'",
            "further settings of the stream as a JSON object",
            "what the stream declared last, as samples@rate: reported while no server answers",
        };
        state.key = keys[index];
        state.label = labels[index];
        state.description = descriptions[index];
        state.hints = index < 2 ? kStateIsHostWritable : kStateIsOnlyForDSP;
    }

    String getState(const char* key) const override
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        return String(text(key).c_str());
    }

    void setState(const char* key, const char* value) override
    {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            if (text(key) == value)
                return;
            const_cast<std::string&>(text(key)) = value;
        }
        link_.changed();
    }

    // --- life

    void activate() override
    {
        const double rate = getSampleRate();
        rate_.store(static_cast<std::uint32_t>(std::lround(rate)));
        frames_.store(getBufferSize());
        std::int64_t latency = remembered_latency();
        if (!isDummyInstance() && !isSelfTestInstance() && link_.open(OPEN_SECONDS, is_lv2_or_jack_, latency))
            remember(latency);
        exchange_.start(rate, getBufferSize(), latency, is_lv2_or_jack_);
        setLatency(exchange_.told());
    }

    void deactivate() override
    {
        exchange_.stop();
        link_.release();
        values_[STATUS].store(0.0f);
    }

    void offlineChanged(bool offline) override
    {
        if (offline_.exchange(offline) != offline)
            link_.changed();
    }

#if DISTRHO_PLUGIN_WANT_MIDI_INPUT
    void run(const float** inputs, float** outputs, std::uint32_t frames, const MidiEvent* events, std::uint32_t event_count) override
    {
        Midi midi[MOST_MIDI];
        std::uint32_t count = 0;
        for (std::uint32_t k = 0; k < event_count && count < MOST_MIDI; ++k) {
            const MidiEvent& event = events[k];
            if (event.size < 2 || event.size > 3 || event.data[0] < 0x80 || event.data[0] >= 0xF0)
                continue;  // clocks and system exclusive stay here
            midi[count].bytes = {event.data[0], event.data[1], event.size > 2 ? event.data[2] : std::uint8_t{0}};
            midi[count++].due = event.frame;
        }
        work(inputs, outputs, frames, midi, count);
    }
#else
    void run(const float** inputs, float** outputs, std::uint32_t frames) override { work(inputs, outputs, frames, nullptr, 0); }
#endif

private:
#ifdef VARIANT_PLAYER
    static constexpr const Player* OWN_PLAYER = find_player(VARIANT_PLAYER);  // no compiler goes on where there is none
    static constexpr std::uint32_t OWN = OWN_PLAYER->parameter_count;
#else
    static constexpr std::uint32_t OWN = 1 + SLOTS;
#endif
    static constexpr std::uint32_t KEEP = OWN, WAIT = OWN + 1, BYPASS = OWN + 2, LATE = OWN + 3, STATUS = OWN + 4, COUNT = OWN + 5;

    // VST3 and CLAP fix the latency while the plug-in is active and offer to start it again; LV2 and JACK take a new one at any
    // time. These two also count their tempo in the metre's beats, the others in quarter notes.
    static bool is_lv2_or_jack()
    {
        const std::string_view format = getPluginFormatName();
        return format == "LV2" || format == "JACK/Standalone";
    }

    static void enumerate(Parameter& parameter, const char* const* words, std::size_t count)
    {
        parameter.ranges.min = 0.0f;
        parameter.ranges.max = static_cast<float>(count - 1);
        auto* const values = new ParameterEnumerationValue[count];
        for (std::size_t k = 0; k < count; ++k) {
            values[k].value = static_cast<float>(k);
            values[k].label = words[k];
        }
        parameter.enumValues.count = static_cast<std::uint8_t>(count);
        parameter.enumValues.restrictedMode = true;
        parameter.enumValues.values = values;
    }

    static float initial([[maybe_unused]] std::uint32_t index)
    {
#ifdef VARIANT_PLAYER
        if (index < OWN)
            return OWN_PLAYER->parameters[index].initial;
#endif
        return 0.0f;
    }

    void init_own(std::uint32_t index, Parameter& parameter)
    {
#ifdef VARIANT_PLAYER
        const PlayerParameter& own = OWN_PLAYER->parameters[index];
        parameter.hints = own.fixed ? 0 : kParameterIsAutomatable;
        parameter.name = own.title;
        parameter.symbol = own.name;
        parameter.unit = own.unit;
        parameter.description = own.description;
        parameter.ranges = ParameterRanges(own.initial, own.lowest, own.highest);
        if (own.choice_count != 0) {
            parameter.hints |= kParameterIsInteger;
            enumerate(parameter, own.choices, own.choice_count);
        }
#else
        if (index == 0) {
            parameter.hints = kParameterIsInteger;
            parameter.name = "Player";
            parameter.symbol = "player";
            parameter.description = "default: the session's model, else BACKLINE_MODEL, else the transcriber";
            const char* words[1 + std::size(players)] = {"default"};
            for (std::size_t k = 0; k < std::size(players); ++k)
                words[k + 1] = players[k].name;
            enumerate(parameter, words, std::size(words));
            return;
        }
        const std::string number = std::to_string(index);
        parameter.hints = kParameterIsAutomatable;
        parameter.name = ("Slot " + number).c_str();
        parameter.symbol = ("slot_" + number).c_str();
        parameter.description = "the player's parameter of this number; 0: as the player comes; from 0.001 to 1: its range";
#endif
    }

    const std::string& text(std::string_view key) const { return key == "model" ? model_ : key == "settings" ? settings_ : latency_; }

    // Called by the bridge thread.
    Wanted wanted()
    {
        Wanted found;
        found.rate = rate_.load();
        found.free_pace = offline_.load() || values_[WAIT].load() > 0.5f;
        found.keep = values_[KEEP].load() > 0.5f;
        std::string further = settings_from_environment_;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            found.model = model_;
            append(further, members(settings_));
        }
#ifdef VARIANT_PLAYER
        const Player& player = *OWN_PLAYER;
#else
        const auto place = static_cast<std::size_t>(values_[0].load() + 0.5f);
        if (found.model.empty())
            found.model = default_model_.empty() ? players[0].name : default_model_;
        const Player* const known = place >= 1 && place <= std::size(players) ? &players[place - 1] : find_player(found.model);
        if (known == nullptr) {
            found.fixed = further;
            return found;
        }
        const Player& player = *known;
#endif
        found.model = player.model;
        if (*player.direction != 0)
            append(found.fixed, "\"direction\": \"" + std::string(player.direction) + "\"");
        for (std::size_t k = 0; k < player.parameter_count && k < OWN; ++k) {
            const PlayerParameter& parameter = player.parameters[k];
#ifdef VARIANT_PLAYER
            float value = values_[k].load();
#else
            if (k >= SLOTS)
                break;
            float value = parameter.at(values_[k + 1].load());
#endif
            if (std::string_view(parameter.name) == "ahead_ms" && value == parameter.initial)  // what the bridge takes
                value = std::min(parameter.highest, 1000.0f * BRIDGE_BLOCKS * frames_.load() / static_cast<float>(found.rate));
            const std::string word = parameter.word(value);
            if (!parameter.fixed)
                found.moving[parameter.name] = word;
            else
                append(found.fixed, "\"" + std::string(parameter.name) + "\": \"" + word + "\"");
        }
        append(found.fixed, further);
        return found;
    }

    std::int64_t remembered_latency() const
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        long long samples = 0;
        unsigned rate = 0;
        const bool known = std::sscanf(latency_.c_str(), "%lld@%u", &samples, &rate) == 2 && rate == rate_.load();
        return known && samples >= 0 && samples < rate ? samples : 0;
    }

    void remember(std::int64_t latency)
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        latency_ = std::to_string(latency) + "@" + std::to_string(rate_.load());
    }

    // The host's time with quarter notes for beats, whatever the metre: 6/8 has 3 a bar.
    HostTime host_time(const TimePosition& position) const
    {
        HostTime time;
        time.playing = position.playing;
        time.frame = static_cast<std::int64_t>(position.frame);
        const auto& bbt = position.bbt;
        if (!bbt.valid || bbt.ticksPerBeat <= 0.0 || bbt.beatType <= 0.0f)
            return time;
        const double quarter = 4.0 / bbt.beatType;
        time.tempo_bpm = bbt.beatsPerMinute * (is_lv2_or_jack_ ? quarter : 1.0);
        time.beat = (bbt.beat - 1 + bbt.tick / bbt.ticksPerBeat) * quarter;
        time.quarters = bbt.barStartTick / bbt.ticksPerBeat * quarter + time.beat;
        time.bar = bbt.bar;
        time.beats_per_bar = bbt.beatsPerBar * quarter;
        return time;
    }

    void work(const float** inputs, float** outputs, std::uint32_t frames, const Midi* midi, std::uint32_t midi_count)
    {
        Cycle cycle;
        cycle.inputs = inputs;
        cycle.outputs = outputs;
        cycle.channels_in = DISTRHO_PLUGIN_NUM_INPUTS;
        cycle.channels_out = DISTRHO_PLUGIN_NUM_OUTPUTS;
        cycle.frames = frames;
        cycle.midi = midi;
        cycle.midi_count = midi_count;
        cycle.host = host_time(getTimePosition());
        cycle.bypass = values_[BYPASS].load(std::memory_order_relaxed) > 0.5f;
        cycle.wait = offline_.load(std::memory_order_relaxed) || values_[WAIT].load(std::memory_order_relaxed) > 0.5f;
        outbox_.begin([this](std::uint32_t frame, const MidiBytes& midi) { return write(frame, midi); });
        exchange_.run(
            cycle,
            [](void* plugin, std::uint32_t frame, const MidiBytes& midi) {
                auto& self = *static_cast<BacklinePlugin*>(plugin);
                self.outbox_.put(frame, midi, [&](std::uint32_t at, const MidiBytes& bytes) { return self.write(at, bytes); });
            },
            this);
        values_[STATUS].store(static_cast<float>(exchange_.status()), std::memory_order_relaxed);
        values_[LATE].store(std::min(MOST_LATE, static_cast<float>(exchange_.late())), std::memory_order_relaxed);
        setLatency(exchange_.told());  // may change here in LV2 and JACK; in the others a restart brings it
        const bool gains = exchange_.gains_by_restart();
        if (gains && !asked_for_restart_)
            requestRestart();
        asked_for_restart_ = gains;
    }

    bool write(std::uint32_t frame, const MidiBytes& midi)
    {
        MidiEvent event{};
        event.frame = frame;
        event.size = 3;
        std::memcpy(event.data, midi.data(), 3);
        return writeMidiEvent(event);
    }

    const bool is_lv2_or_jack_;
    const std::string default_model_, settings_from_environment_;
    std::atomic<float> values_[COUNT];
    std::atomic<std::uint32_t> rate_{48000}, frames_{0};
    std::atomic<bool> offline_{false};
    mutable std::mutex mutex_;  // of the three texts; the audio thread never takes it
    std::string model_, settings_, latency_;
    Lines lines_;
    Link link_;
    Exchange exchange_;
    Outbox outbox_;
    bool asked_for_restart_ = false;

    DISTRHO_DECLARE_NON_COPYABLE_WITH_LEAK_DETECTOR(BacklinePlugin)
};

Plugin* createPlugin() { return new BacklinePlugin(); }

END_NAMESPACE_DISTRHO
