/* Plays known material into JACK ports and says at which frame what comes back: the instrument of every latency figure.

   plan, sound -> client `play` (out, midi_out) -> whatever stands between -> client `record` (in, midi_in) -> JSON lines

   Two clients, so that the graph is a line and not a ring, which JACK breaks open with a period of delay. Both stamp with
   the frame clock of the cycle, which is one for all clients: a latency is a difference of two frames and needs no clock
   of ours. The process callbacks write into rings and do nothing that can wait; the main thread prints.

   Lines on standard input: start (the take begins), play, stop, locate N (JACK's transport), fast and slow (freewheel
   mode on and off), latency PORT, end. It also ends when the take is over (-f) and when standard input does.
   Lines on standard output are JSON: ready; began; midi, audio, impulse and note with their frames as they happen; xrun;
   jump (the frame clock did not go on by a block: cycles were lost); gap (a callback came more than a period late, by so
   many us); late (from `play` to `record` a cycle took longer than its period); end, with how callbacks spread. */
#include <inttypes.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <jack/jack.h>
#include <jack/midiport.h>
#include <jack/transport.h>

#include "plan.h"
#include "ring.h"

#define HISTOGRAM_US 100000
#define CONNECT_SECONDS 10

/* Durations in a histogram of microseconds. */
typedef struct {
    uint32_t places[HISTOGRAM_US + 1];
    int64_t count, longest;
} Times;

typedef struct {
    jack_client_t *client;
    jack_port_t *audio, *midi;
    Ring ring;
    int64_t now, expected; /* frames, counted on over the turn of JACK's 32 bits */
    int64_t at_us;         /* when this cycle's callback was entered */
    bool runs;
    Times late; /* how much more than a period lay between two callbacks */
} Side;

static Side player, recorder;
static Ring xruns;
static Times through; /* from the player's callback to the recorder's in one cycle: what those between them took */
static _Atomic int64_t played_frame = -1, played_at_us;
static Plan plan = {0};
static Peaks peaks = {.threshold = 0.4f, .reach = 200, .passed = -1};
static atomic_bool started, over;
static atomic_int period_us, rate;
static int64_t frames_wanted = -1, position, began = -1;
static FILE *capture;
static struct { _Atomic uint64_t written, read; float places[1 << 22]; } captured;

/* The clock of time.monotonic, on which the other instruments stamp. JACK's own (jack_get_time) is the raw one, which nobody
   disciplines: after ten hours it was a quarter of a second off. */
static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void count(Times *times, int64_t us)
{
    times->places[us < 0 ? 0 : us > HISTOGRAM_US ? HISTOGRAM_US : us]++;
    times->count++;
    if (us > times->longest)
        times->longest = us;
}

/* Return the first frame of this cycle; note what the clocks say about it. */
static int64_t clock_of(Side *side, jack_nframes_t frames)
{
    uint32_t frame = jack_last_frame_time(side->client);
    int64_t at_us = now_us(), period = atomic_load_explicit(&period_us, memory_order_relaxed);
    side->now = side->runs ? side->now + (uint32_t)(frame - (uint32_t)side->now) : frame;
    if (side->runs) {
        int64_t late = at_us - side->at_us - period;
        count(&side->late, late);
        if (late > period)
            ring_put(&side->ring, (Word){.kind = 'g', .frame = side->now, .at_us = at_us, .value = (double)late});
        if (side->now != side->expected)
            ring_put(&side->ring, (Word){.kind = 'j', .frame = side->expected, .at_us = at_us, .value = (double)side->now});
    }
    side->at_us = at_us;
    side->expected = side->now + frames;
    side->runs = true;
    return side->now;
}

static int play(jack_nframes_t frames, void *unused)
{
    int64_t now = clock_of(&player, frames);
    float *out = jack_port_get_buffer(player.audio, frames);
    void *midi = jack_port_get_buffer(player.midi, frames);
    (void)unused;
    atomic_store_explicit(&played_at_us, player.at_us, memory_order_relaxed);
    atomic_store_explicit(&played_frame, now, memory_order_release);
    jack_midi_clear_buffer(midi);
    if (!atomic_load_explicit(&started, memory_order_acquire)) {
        memset(out, 0, frames * sizeof *out);
        return 0;
    }
    if (began < 0) {
        began = now;
        ring_put(&player.ring, (Word){.kind = 'b', .frame = now});
    }
    play_sound(&plan, position, out, frames);
    for (; plan.next < plan.count && plan.acts[plan.next].frame < position + frames; plan.next++) {
        const Act *act = &plan.acts[plan.next];
        int64_t offset = act->frame < position ? 0 : act->frame - position;
        Word word = {.kind = act->bytes ? 'n' : 'i', .bytes = act->bytes, .frame = now + offset, .at_us = player.at_us};
        memcpy(word.data, act->data, sizeof act->data);
        if (!act->bytes)
            out[offset] = IMPULSE;
        else if (jack_midi_event_write(midi, (jack_nframes_t)offset, act->data, act->bytes))
            word.kind = '!';
        ring_put(&player.ring, word);
    }
    position += frames;
    if (frames_wanted >= 0 && position >= frames_wanted)
        atomic_store_explicit(&over, true, memory_order_release);
    return 0;
}

static void keep(const float *in, jack_nframes_t frames)
{
    uint64_t written = atomic_load_explicit(&captured.written, memory_order_relaxed), places = sizeof captured.places / sizeof(float);
    if (written + frames - atomic_load_explicit(&captured.read, memory_order_acquire) > places) {
        atomic_fetch_add_explicit(&recorder.ring.lost, 1, memory_order_relaxed);
        return;
    }
    if (written == 0)
        ring_put(&recorder.ring, (Word){.kind = 'c', .frame = recorder.now});
    for (jack_nframes_t i = 0; i < frames; i++)
        captured.places[(written + i) % places] = in[i];
    atomic_store_explicit(&captured.written, written + frames, memory_order_release);
}

static int record(jack_nframes_t frames, void *unused)
{
    int64_t now = clock_of(&recorder, frames);
    const float *in = jack_port_get_buffer(recorder.audio, frames);
    void *midi = jack_port_get_buffer(recorder.midi, frames);
    jack_midi_event_t event;
    (void)unused;
    if (atomic_load_explicit(&played_frame, memory_order_acquire) == now) {
        int64_t us = recorder.at_us - atomic_load_explicit(&played_at_us, memory_order_relaxed);
        count(&through, us);
        if (us > atomic_load_explicit(&period_us, memory_order_relaxed))
            ring_put(&recorder.ring, (Word){.kind = 'l', .frame = now, .at_us = recorder.at_us, .value = (double)us});
    }
    for (uint32_t i = 0; i < jack_midi_get_event_count(midi); i++) {
        if (jack_midi_event_get(&event, midi, i) || event.size > 4)
            continue;
        Word word = {.kind = 'm', .bytes = (uint8_t)event.size, .frame = now + event.time, .at_us = recorder.at_us};
        memcpy(word.data, event.buffer, event.size);
        ring_put(&recorder.ring, word);
    }
    for (jack_nframes_t i = 0; i < frames; i++)
        if (peaks_see(&peaks, now + i, in[i]))
            ring_put(&recorder.ring, (Word){.kind = 'a', .frame = peaks.frame, .value = peaks.level});
    if (capture && atomic_load_explicit(&started, memory_order_relaxed))
        keep(in, frames);
    return 0;
}

static int on_xrun(void *unused)
{
    (void)unused;
    ring_put(&xruns, (Word){.kind = 'x', .frame = jack_frame_time(recorder.client), .at_us = now_us()});
    return 0;
}

static int on_block(jack_nframes_t frames, void *unused)
{
    (void)unused;
    atomic_store_explicit(&period_us, (int)(1e6 * frames / rate), memory_order_relaxed);
    return 0;
}

static void on_shutdown(void *unused)
{
    (void)unused;
    atomic_store(&over, true);
}

static void tell(Ring *ring, const char *who)
{
    static const char *names[128] = {['m'] = "midi", ['n'] = "note", ['!'] = "unsent"};
    for (Word w; ring_take(ring, &w);) {
        if (w.kind == 'm' || w.kind == 'n' || w.kind == '!') {
            printf("{\"%s\": [%" PRId64, names[(int)w.kind], w.frame);
            for (int i = 0; i < w.bytes; i++)
                printf(", %d", w.data[i]);
            printf("], \"at\": %.6f}\n", w.at_us / 1e6);
        } else if (w.kind == 'i')
            printf("{\"impulse\": %" PRId64 ", \"at\": %.6f}\n", w.frame, w.at_us / 1e6);
        else if (w.kind == 'b' || w.kind == 'c')
            printf("{\"%s\": %" PRId64 "}\n", w.kind == 'b' ? "began" : "captured", w.frame);
        else if (w.kind == 'a')
            printf("{\"audio\": [%" PRId64 ", %.6g]}\n", w.frame, w.value);
        else if (w.kind == 'j')
            printf("{\"jump\": [%" PRId64 ", %.0f], \"who\": \"%s\", \"at\": %.6f}\n", w.frame, w.value, who, w.at_us / 1e6);
        else
            printf("{\"%s\": [%" PRId64 ", %.0f], \"who\": \"%s\", \"at\": %.6f}\n",
                   w.kind == 'x' ? "xrun" : w.kind == 'g' ? "gap" : "late", w.frame, w.value, who, w.at_us / 1e6);
    }
}

static void tell_all(void)
{
    uint64_t places = sizeof captured.places / sizeof(float), read = captured.read;
    tell(&player.ring, "play");
    tell(&recorder.ring, "record");
    tell(&xruns, "jackd");
    for (; capture && read < atomic_load_explicit(&captured.written, memory_order_acquire); read++)
        fwrite(&captured.places[read % places], sizeof(float), 1, capture);
    atomic_store_explicit(&captured.read, read, memory_order_release);
    fflush(stdout);
}

static int64_t at_share(const Times *times, double share)
{
    int64_t left = (int64_t)ceil(share * times->count);
    for (int us = 0; us <= HISTOGRAM_US; us++)
        if ((left -= times->places[us]) <= 0)
            return us;
    return HISTOGRAM_US;
}

static void tell_times(const char *name, const Times *times)
{
    printf(", \"%s_us\": {\"count\": %" PRId64 ", \"p50\": %" PRId64 ", \"p99\": %" PRId64 ", \"p99.9\": %" PRId64, name, times->count,
           at_share(times, 0.5), at_share(times, 0.99), at_share(times, 0.999));
    printf(", \"max\": %" PRId64 "}", times->longest);
}

static void tell_latency(const char *name)
{
    jack_port_t *port = jack_port_by_name(player.client, name);
    jack_latency_range_t heard = {0, 0}, ahead = {0, 0};
    if (!port) {
        printf("{\"latency\": null, \"port\": \"%s\"}\n", name);
        return;
    }
    jack_port_get_latency_range(port, JackCaptureLatency, &heard);
    jack_port_get_latency_range(port, JackPlaybackLatency, &ahead);
    printf("{\"latency\": {\"capture\": [%u, %u], \"playback\": [%u, %u]}, \"port\": \"%s\"}\n", heard.min, heard.max, ahead.min,
           ahead.max, name);
}

/* Do what a line of standard input says; return whether to go on. */
static bool obey(char *line)
{
    line[strcspn(line, "\r\n")] = 0;
    if (!strcmp(line, "start"))
        atomic_store_explicit(&started, true, memory_order_release);
    else if (!strcmp(line, "play"))
        jack_transport_start(player.client);
    else if (!strcmp(line, "stop"))
        jack_transport_stop(player.client);
    else if (!strncmp(line, "locate ", 7))
        jack_transport_locate(player.client, (jack_nframes_t)strtoul(line + 7, NULL, 10));
    else if (!strcmp(line, "fast") || !strcmp(line, "slow"))
        jack_set_freewheel(player.client, line[0] == 'f');
    else if (!strncmp(line, "latency ", 8))
        tell_latency(line + 8);
    else
        return false;
    return true;
}

static void watch(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char line[1024];
    size_t held = 0;
    while (!atomic_load_explicit(&over, memory_order_acquire)) {
        tell_all();
        if (poll(&input, 1, 5) <= 0)
            continue;
        ssize_t got = read(STDIN_FILENO, line + held, sizeof line - 1 - held);
        if (got <= 0)
            return;
        held += (size_t)got;
        line[held] = 0;
        for (char *end; (end = strchr(line, '\n'));) {
            *end = 0;
            if (!obey(line))
                return;
            held -= (size_t)(end + 1 - line);
            memmove(line, end + 1, held + 1);
        }
    }
}

static void open_side(Side *side, const char *name, const char *server, JackProcessCallback callback, bool plays)
{
    unsigned long way = plays ? JackPortIsOutput : JackPortIsInput;
    side->client = jack_client_open(name, JackNoStartServer | JackServerName, NULL, server);
    if (!side->client)
        give_up("no JACK server of this name answers", server);
    side->audio = jack_port_register(side->client, plays ? "out" : "in", JACK_DEFAULT_AUDIO_TYPE, way, 0);
    side->midi = jack_port_register(side->client, plays ? "midi_out" : "midi_in", JACK_DEFAULT_MIDI_TYPE, way, 0);
    jack_set_process_callback(side->client, callback, NULL);
    if (!side->audio || !side->midi)
        give_up("JACK gives no more ports", server);
}

static void quiet(const char *unused)
{
    (void)unused;
}

static void connect_ports(char *pair)
{
    char *to = strchr(pair, '=');
    if (!to)
        give_up("a connection is written FROM=TO", pair);
    *to++ = 0;
    if (!strcmp(pair, "play:out") || !strcmp(pair, "play:midi_out"))
        pair = (char *)jack_port_name(pair[5] == 'o' ? player.audio : player.midi);
    if (!strcmp(to, "record:in") || !strcmp(to, "record:midi_in"))
        to = (char *)jack_port_name(to[7] == 'i' ? recorder.audio : recorder.midi);
    if (!jack_port_by_name(player.client, pair) || !jack_port_by_name(player.client, to)) {
        fprintf(stderr, "JACK has no port %s; jack_lsp lists those there are\n", jack_port_by_name(player.client, pair) ? to : pair);
        exit(2);
    }
    /* A host's ports are there before it is active, and JACK refuses them until then. */
    const jack_port_t *from = jack_port_by_name(player.client, pair);
    for (int left = CONNECT_SECONDS * 100; jack_connect(player.client, pair, to) && !jack_port_connected_to(from, to); left--) {
        if (left == 0) {
            fprintf(stderr, "JACK does not connect %s to %s\n", pair, to);
            exit(2);
        }
        usleep(10000);
    }
}

int main(int count, char **words)
{
    const char *server = "default";
    char *pairs[32];
    int pair_count = 0, option;
    while ((option = getopt(count, words, "s:p:w:c:f:t:r:o:")) != -1)
        switch (option) {
        case 's': server = optarg; break;
        case 'p': read_acts(&plan, optarg); break;
        case 'w': read_sound(&plan, optarg); break;
        case 'c': if (pair_count < 32) pairs[pair_count++] = optarg; break;
        case 'f': frames_wanted = strtoll(optarg, NULL, 10); break;
        case 't': peaks.threshold = strtof(optarg, NULL); break;
        case 'r': peaks.reach = strtoll(optarg, NULL, 10); break;
        case 'o': if (!(capture = fopen(optarg, "wb"))) give_up("cannot be written", optarg); break;
        default:
            fprintf(stderr, "usage: jack_probe -s SERVER [-p PLAN] [-w SOUND.wav] [-c FROM=TO]... [-f FRAMES] [-t THRESHOLD] "
                            "[-r REACH] [-o CAPTURE.f32]\n");
            return 2;
        }
    jack_set_error_function(quiet);
    jack_set_info_function(quiet);
    open_side(&player, "play", server, play, true);
    open_side(&recorder, "record", server, record, false);
    rate = (int)jack_get_sample_rate(player.client);
    on_block(jack_get_buffer_size(player.client), NULL);
    jack_set_xrun_callback(recorder.client, on_xrun, NULL);
    jack_set_buffer_size_callback(recorder.client, on_block, NULL);
    jack_on_shutdown(recorder.client, on_shutdown, NULL);
    if (jack_activate(player.client) || jack_activate(recorder.client))
        give_up("JACK does not activate a client", server);
    for (int i = 0; i < pair_count; i++)
        connect_ports(pairs[i]);
    printf("{\"ready\": true, \"play\": \"%s\", \"record\": \"%s\", \"rate\": %d, \"block\": %u, \"realtime\": %s}\n",
           jack_get_client_name(player.client), jack_get_client_name(recorder.client), rate, jack_get_buffer_size(player.client),
           jack_is_realtime(player.client) ? "true" : "false");
    watch();
    jack_set_freewheel(player.client, 0);
    jack_client_close(player.client);
    jack_client_close(recorder.client);
    tell_all();
    printf("{\"end\": true, \"lost\": %u", player.ring.lost + recorder.ring.lost + xruns.lost);
    tell_times("through", &through);
    tell_times("play_late", &player.late);
    tell_times("record_late", &recorder.late);
    printf("}\n");
    return capture && fclose(capture) ? 2 : 0;
}
