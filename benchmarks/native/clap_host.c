/* A CLAP host without a window: loads one plug-in, feeds it known material in blocks of given sizes, and says at which frame
   MIDI and impulses came out.

   plan, sound -> process(), block by block -> JSON lines

   Frames count from the first block after activation. The audio thread keeps the pace of a device (or none: -P free) on an
   absolute schedule, in real time where allowed; what it finds goes through a ring to the main thread, which prints and does
   what CLAP asks of a main thread: a restart when the latency changes, the plug-in's own callback.

   Lines on standard output are JSON: plugin; activated (the latency reported); param (what -W waits for); began; impulse,
   note, midi, audio with their frames; overrun (a block took longer than it lasts); end. */
#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "clap/entry.h"
#include "clap/ext/audio-ports.h"
#include "clap/ext/latency.h"
#include "clap/ext/note-ports.h"
#include "clap/ext/params.h"
#include "clap/ext/state.h"
#include "clap/ext/thread-check.h"
#include "clap/plugin-factory.h"

#include "plan.h"
#include "ring.h"

#define CHANNELS 8
#define MOST_BLOCK 8192
#define MOST_EVENTS 512
#define FIFO_PRIORITY 70 /* as JACK's */
#define PATIENCE_SECONDS 20
#define LEAD_BLOCKS 4 /* silent blocks before the take, as a device gives */

typedef union {
    clap_event_header_t header;
    clap_event_midi_t midi;
    clap_event_param_value_t value;
} Event;

typedef struct {
    char name[CLAP_NAME_SIZE];
    double value;
} Setting;

static const clap_plugin_t *plugin;
static const clap_plugin_params_t *params;
static const clap_plugin_latency_t *latency;
static Plan plan = {0};
static Peaks peaks = {.threshold = 0.4f, .reach = 200, .passed = -1};
static Ring ring;
static Event incoming[MOST_EVENTS];
static uint32_t incoming_count, sizes[64] = {256}, size_count = 1, most = 0;
static float inputs[CHANNELS][MOST_BLOCK], outputs[CHANNELS][MOST_BLOCK];
static uint32_t channels_in, channels_out;
static int64_t now, began = -1, frames_wanted = 48000;
static double rate = 48000;
static bool paced = true, rolling;
static Setting awaited;
static bool awaits;
static atomic_bool restart, callback, processing;
static pthread_t main_thread;

/* The host's side of the plug-in's interface. */

static bool is_main(const clap_host_t *host) { (void)host; return pthread_equal(pthread_self(), main_thread); }
static bool is_audio(const clap_host_t *host) { return !is_main(host); }
static void on_latency(const clap_host_t *host) { (void)host; }
static void on_rescan(const clap_host_t *host, uint32_t flags) { (void)host; (void)flags; }
static void on_clear(const clap_host_t *host, clap_id id, uint32_t flags) { (void)host; (void)id; (void)flags; }
static void on_flush(const clap_host_t *host) { (void)host; }
static void on_dirty(const clap_host_t *host) { (void)host; }
static void ask_restart(const clap_host_t *host) { (void)host; atomic_store(&restart, true); }
static void ask_process(const clap_host_t *host) { (void)host; }
static void ask_callback(const clap_host_t *host) { (void)host; atomic_store(&callback, true); }

static const void *extension(const clap_host_t *host, const char *id)
{
    static const clap_host_latency_t host_latency = {on_latency};
    static const clap_host_params_t host_params = {on_rescan, on_clear, on_flush};
    static const clap_host_state_t host_state = {on_dirty};
    static const clap_host_thread_check_t threads = {is_main, is_audio};
    (void)host;
    return !strcmp(id, CLAP_EXT_LATENCY) ? (const void *)&host_latency
           : !strcmp(id, CLAP_EXT_PARAMS) ? (const void *)&host_params
           : !strcmp(id, CLAP_EXT_STATE) ? (const void *)&host_state
           : !strcmp(id, CLAP_EXT_THREAD_CHECK) ? (const void *)&threads : NULL;
}

static const clap_host_t host = {CLAP_VERSION_INIT, NULL, "clap_host", "Backline", "", "1", extension, ask_restart, ask_process,
                                 ask_callback};

static uint32_t event_count(const clap_input_events_t *list) { (void)list; return incoming_count; }
static const clap_event_header_t *event_at(const clap_input_events_t *list, uint32_t i) { (void)list; return &incoming[i].header; }

static bool push(const clap_output_events_t *list, const clap_event_header_t *header)
{
    Word word = {.kind = 'm', .bytes = 3, .frame = now + header->time};
    (void)list;
    if (header->type == CLAP_EVENT_MIDI)
        memcpy(word.data, ((const clap_event_midi_t *)header)->data, 3);
    else if (header->type == CLAP_EVENT_NOTE_ON || header->type == CLAP_EVENT_NOTE_OFF) {
        const clap_event_note_t *note = (const clap_event_note_t *)header;
        word.data[0] = (uint8_t)((header->type == CLAP_EVENT_NOTE_ON ? 0x90 : 0x80) | note->channel);
        word.data[1] = (uint8_t)note->key;
        word.data[2] = (uint8_t)lround(127 * note->velocity);
    } else
        return true;
    ring_put(&ring, word);
    return true;
}

static const clap_input_events_t in_events = {NULL, event_count, event_at};
static const clap_output_events_t out_events = {NULL, push};

/* The audio thread. */

static int64_t clock_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1000000000LL * time.tv_sec + time.tv_nsec;
}

/* Fill the block from the plan, which begins at `began`. */
static void prepare(uint32_t frames)
{
    incoming_count = 0;
    if (began < 0)
        memset(inputs[0], 0, frames * sizeof(float));
    else
        play_sound(&plan, now - began, inputs[0], frames);
    for (; began >= 0 && plan.next < plan.count && plan.acts[plan.next].frame < now - began + frames; plan.next++) {
        const Act *act = &plan.acts[plan.next];
        uint32_t offset = (uint32_t)(act->frame - (now - began));
        Word word = {.kind = act->bytes ? 'n' : 'i', .bytes = act->bytes, .frame = now + offset};
        memcpy(word.data, act->data, sizeof act->data);
        if (!act->bytes)
            inputs[0][offset] = IMPULSE;
        else if (incoming_count < MOST_EVENTS) {
            Event *event = &incoming[incoming_count++];
            *event = (Event){.midi = {.header = {sizeof(clap_event_midi_t), offset, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_MIDI, 0}}};
            memcpy(event->midi.data, act->data, 3);
        }
        ring_put(&ring, word);
    }
    for (uint32_t c = 1; c < CHANNELS; c++)
        memcpy(inputs[c], inputs[0], frames * sizeof(float));
}

static void process(uint32_t frames)
{
    float *in[CHANNELS], *out[CHANNELS];
    for (int c = 0; c < CHANNELS; c++)
        in[c] = inputs[c], out[c] = outputs[c];
    clap_audio_buffer_t heard = {.data32 = in, .channel_count = channels_in}, played = {.data32 = out, .channel_count = channels_out};
    clap_event_transport_t transport = {
        .header = {sizeof transport, 0, CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_TRANSPORT, 0},
        .flags = CLAP_TRANSPORT_HAS_TEMPO | CLAP_TRANSPORT_HAS_SECONDS_TIMELINE | (rolling ? CLAP_TRANSPORT_IS_PLAYING : 0),
        .song_pos_seconds = (clap_sectime)llround(CLAP_SECTIME_FACTOR * (now / rate)), .tempo = 120, .tsig_num = 4, .tsig_denom = 4};
    clap_process_t block = {.steady_time = now, .frames_count = frames, .transport = &transport, .audio_inputs = &heard,
                            .audio_outputs = &played, .audio_inputs_count = channels_in > 0, .audio_outputs_count = channels_out > 0,
                            .in_events = &in_events, .out_events = &out_events};
    prepare(frames);
    memset(outputs, 0, sizeof outputs);
    int64_t before = clock_ns();
    plugin->process(plugin, &block);
    int64_t took = clock_ns() - before;
    if (took > 1e9 * frames / rate)
        ring_put(&ring, (Word){.kind = 'o', .frame = now, .at_us = before / 1000, .value = took / 1e3});
    for (uint32_t i = 0; channels_out && i < frames; i++)
        if (peaks_see(&peaks, now + i, outputs[0][i]))
            ring_put(&ring, (Word){.kind = 'a', .frame = peaks.frame, .value = peaks.level});
    now += frames;
}

/* Whether the awaited parameter has at least the awaited value. */
static bool has_come(void)
{
    clap_param_info_t info;
    double value;
    for (uint32_t i = 0; awaits && i < params->count(plugin); i++)
        if (params->get_info(plugin, i, &info) && !strcmp(info.name, awaited.name))
            return params->get_value(plugin, info.id, &value) && value >= awaited.value;
    return !awaits;
}

static void *run(void *unused)
{
    int64_t due = clock_ns(), patience = due + PATIENCE_SECONDS * 1000000000LL, lead = LEAD_BLOCKS;
    struct sched_param priority = {.sched_priority = FIFO_PRIORITY};
    (void)unused;
    pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority);
    plugin->start_processing(plugin);
    for (uint32_t turn = 0; !atomic_load(&restart) && (began < 0 || now - began < frames_wanted); turn++) {
        uint32_t frames = sizes[turn % size_count];
        if (began < 0 && has_come() && --lead < 0) {
            began = now;
            ring_put(&ring, (Word){.kind = 'b', .frame = now});
        } else if (began < 0 && due > patience) {
            ring_put(&ring, (Word){.kind = '?'});
            break;
        }
        process(frames);
        due += (int64_t)(1e9 * frames / rate);
        struct timespec until = {due / 1000000000, due % 1000000000};
        if (paced || began < 0)
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    plugin->stop_processing(plugin);
    atomic_store(&processing, false);
    return NULL;
}

/* The main thread. */

static bool tell(void)
{
    bool gave_up = false;
    for (Word w; ring_take(&ring, &w);) {
        if (w.kind == 'm' || w.kind == 'n')
            printf("{\"%s\": [%" PRId64 ", %d, %d, %d]}\n", w.kind == 'm' ? "midi" : "note", w.frame, w.data[0], w.data[1], w.data[2]);
        else if (w.kind == 'i' || w.kind == 'b')
            printf("{\"%s\": %" PRId64 "}\n", w.kind == 'i' ? "impulse" : "began", w.frame);
        else if (w.kind == 'a')
            printf("{\"audio\": [%" PRId64 ", %.6g]}\n", w.frame, w.value);
        else if (w.kind == 'o')
            printf("{\"overrun\": [%" PRId64 ", %.0f], \"at\": %.6f}\n", w.frame, w.value, w.at_us / 1e6);
        else
            gave_up = true;
    }
    fflush(stdout);
    return gave_up;
}

static int64_t write_state(const clap_ostream_t *stream, const void *data, uint64_t size)
{
    return (int64_t)fwrite(data, 1, size, stream->ctx);
}

static int64_t read_state(const clap_istream_t *stream, void *data, uint64_t size)
{
    return (int64_t)fread(data, 1, size, stream->ctx);
}

static void keep_state(const char *path, bool save)
{
    const clap_plugin_state_t *state = plugin->get_extension(plugin, CLAP_EXT_STATE);
    FILE *file = path ? fopen(path, save ? "wb" : "rb") : NULL;
    if (!path)
        return;
    if (!state || !file)
        give_up(state ? "cannot be opened" : "the plug-in keeps no state", path);
    if (save ? !state->save(plugin, &(clap_ostream_t){file, write_state}) : !state->load(plugin, &(clap_istream_t){file, read_state}))
        give_up("the plug-in refuses this state", path);
    fclose(file);
}

static Setting setting(const char *words)
{
    Setting found = {0};
    if (sscanf(words, "%255[^=]=%lf", found.name, &found.value) != 2)
        give_up("a parameter is written NAME=VALUE", words);
    return found;
}

/* Hand a parameter to the plug-in before it is activated. */
static void set(const char *words)
{
    Setting wanted = setting(words);
    clap_param_info_t info;
    for (uint32_t i = 0; params && i < params->count(plugin); i++) {
        if (!params->get_info(plugin, i, &info) || strcmp(info.name, wanted.name))
            continue;
        incoming[0] = (Event){.value = {.header = {sizeof(clap_event_param_value_t), 0, 0, CLAP_EVENT_PARAM_VALUE, 0},
                                        .param_id = info.id, .cookie = info.cookie, .note_id = -1, .port_index = -1, .channel = -1,
                                        .key = -1, .value = wanted.value}};
        incoming_count = 1;
        params->flush(plugin, &in_events, &out_events);
        incoming_count = 0;
        return;
    }
    give_up("the plug-in has no such parameter", words);
}

static const clap_plugin_t *load(const char *path, const char *wanted)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const clap_plugin_entry_t *entry = library ? dlsym(library, "clap_entry") : NULL;
    const clap_plugin_factory_t *factory = entry && entry->init(path) ? entry->get_factory(CLAP_PLUGIN_FACTORY_ID) : NULL;
    if (!factory)
        give_up(library ? "is no CLAP plug-in" : dlerror(), path);
    for (uint32_t i = 0; i < factory->get_plugin_count(factory); i++) {
        const clap_plugin_descriptor_t *found = factory->get_plugin_descriptor(factory, i);
        if (wanted && strcmp(found->id, wanted) && strcmp(found->name, wanted))
            continue;
        const clap_plugin_t *made = factory->create_plugin(factory, &host, found->id);
        if (!made || !made->init(made))
            give_up("the plug-in does not start", path);
        printf("{\"plugin\": \"%s\", \"name\": \"%s\"", found->id, found->name);
        return made;
    }
    give_up("holds no plug-in of this name", path);
    return NULL;
}

static uint32_t channels(bool in)
{
    const clap_plugin_audio_ports_t *ports = plugin->get_extension(plugin, CLAP_EXT_AUDIO_PORTS);
    clap_audio_port_info_t info;
    if (!ports || !ports->count(plugin, in) || !ports->get(plugin, 0, in, &info))
        return 0;
    return info.channel_count < CHANNELS ? info.channel_count : CHANNELS;
}

static void describe(void)
{
    const clap_plugin_note_ports_t *notes = plugin->get_extension(plugin, CLAP_EXT_NOTE_PORTS);
    clap_param_info_t info;
    double value;
    channels_in = channels(true);
    channels_out = channels(false);
    printf(", \"audio_in\": %u, \"audio_out\": %u, \"notes_in\": %u, \"notes_out\": %u, \"params\": {", channels_in, channels_out,
           notes ? notes->count(plugin, true) : 0, notes ? notes->count(plugin, false) : 0);
    for (uint32_t i = 0; params && i < params->count(plugin); i++)
        if (params->get_info(plugin, i, &info) && params->get_value(plugin, info.id, &value))
            printf("%s\"%s\": %.9g", i ? ", " : "", info.name, value);
    printf("}}\n");
}

/* Activate, run until the take is over or the plug-in wants to be activated anew, deactivate. Return whether it gave up. */
static bool play(void)
{
    pthread_t audio;
    bool gave_up = false;
    atomic_store(&restart, false);
    if (!plugin->activate(plugin, rate, 1, most))
        give_up("the plug-in does not activate", plugin->desc->id);
    printf("{\"activated\": %" PRId64 ", \"latency\": %u}\n", now, latency ? latency->get(plugin) : 0);
    fflush(stdout);
    atomic_store(&processing, true);
    if (pthread_create(&audio, NULL, run, NULL))
        give_up("no thread", "audio");
    while (atomic_load(&processing)) {
        gave_up |= tell();
        if (atomic_exchange(&callback, false))
            plugin->on_main_thread(plugin);
        usleep(2000);
    }
    pthread_join(audio, NULL);
    plugin->deactivate(plugin);
    return tell() || gave_up;
}

int main(int count, char **words)
{
    const char *wanted = NULL, *load_from = NULL, *save_to = NULL, *settings[64];
    int option, setting_count = 0;
    main_thread = pthread_self();
    while ((option = getopt(count, words, "i:r:b:m:p:w:f:S:W:L:O:P:t:T")) != -1)
        switch (option) {
        case 'i': wanted = optarg; break;
        case 'r': rate = atof(optarg); break;
        case 'm': most = (uint32_t)atoi(optarg); break;
        case 'b':
            for (size_count = 0; optarg && size_count < 64; optarg = strchr(optarg, ',') ? strchr(optarg, ',') + 1 : NULL)
                sizes[size_count++] = (uint32_t)atoi(optarg);
            break;
        case 'p': read_acts(&plan, optarg); break;
        case 'w': read_sound(&plan, optarg); break;
        case 'f': frames_wanted = strtoll(optarg, NULL, 10); break;
        case 'S': if (setting_count < 64) settings[setting_count++] = optarg; break;
        case 'W': awaited = setting(optarg); awaits = true; break;
        case 'L': load_from = optarg; break;
        case 'O': save_to = optarg; break;
        case 'P': paced = strcmp(optarg, "free") != 0; break;
        case 't': peaks.threshold = strtof(optarg, NULL); break;
        case 'T': rolling = true; break;
        default: optind = count;
        }
    if (optind >= count) {
        fprintf(stderr, "usage: clap_host [-i NAME] [-r RATE] [-b SIZE[,SIZE...]] [-m MOST] [-p PLAN] [-w SOUND.wav] [-f FRAMES] "
                        "[-S PARAMETER=VALUE]... [-W PARAMETER=VALUE] [-L STATE] [-O STATE] [-P free] [-t THRESHOLD] [-T] FILE.clap\n");
        return 2;
    }
    for (uint32_t i = 0; i < size_count; i++)
        most = sizes[i] > most ? sizes[i] : most;
    for (uint32_t i = 0; i < size_count; i++)
        if (!sizes[i] || most > MOST_BLOCK)
            give_up("a block has 1 to 8192 frames", "-b");
    plugin = load(words[optind], wanted);
    params = plugin->get_extension(plugin, CLAP_EXT_PARAMS);
    latency = plugin->get_extension(plugin, CLAP_EXT_LATENCY);
    keep_state(load_from, false);
    for (int i = 0; i < setting_count; i++)
        set(settings[i]);
    describe();
    bool gave_up = false;
    while (!gave_up && (began < 0 || now - began < frames_wanted))
        gave_up = play();
    keep_state(save_to, true);
    printf("{\"end\": true, \"lost\": %u, \"latency\": %u}\n", ring.lost, latency ? latency->get(plugin) : 0);
    plugin->destroy(plugin);
    if (gave_up)
        give_up("never had the awaited value", awaited.name);
    return 0;
}
