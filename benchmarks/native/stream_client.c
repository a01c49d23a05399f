/* Plays streams in real time as a DAW's plug-ins do, and keeps account of what comes back: what a client costs is not measured as ours.

   sockets of open streams, material -> a block of each stream a period -> answers -> JSON lines

   stream_client -p PARENT -s SECONDS -w SETTLE -l PERIODS -f PRIORITY [-c CORE,CORE] then for each stream seven words:
   FD NUMBER RATE BLOCK AUDIO LENGTH EXTRAS. AUDIO: a file of raw float32 that begins again after LENGTH samples and goes on by a
   block. EXTRAS: a file of what else is said, each an int64 (the first sample of the block it precedes), an int32 (bytes) and the
   datagram, all in this machine's byte order; `-`: nothing. Where the engine says until when nothing happens (a stream that gathers), a
   block that ends before waits here for the next, as the plug-in does it: it is sent, but it asks for no answer.

   One thread, in real time where allowed, sleeps until a stream is due on an absolute schedule, reads what came for it and sends its
   next block. The kernel stamps each datagram as it arrives, so that nothing looks late because we slept. All streams begin at one
   moment; what is late or lost counts from SETTLE seconds after it, for SECONDS. It dies with PARENT.

   Lines on standard output are JSON: began and over with their moments, then the account. Moments are seconds of CLOCK_MONOTONIC. */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define LARGEST_BLOCK 8192 /* samples of one datagram, see plugin_bridge/protocol.py, as for the layouts below */
#define MOST_STREAMS 256
#define WORDS_A_STREAM 7
#define PENDING 16384 /* blocks without an answer: 21 s at 64 samples */
#define SLOTS 16      /* datagrams that are read in one call */
#define LARGEST_DATAGRAM 65536
#define LOOK_NS 1000000 /* between two looks for the last answers */

static const char AUDIO[24] = "/backline/audio\0,ihib\0\0"; /* then >iqii: stream, sample, count, bytes; then samples */
static const char MIDI[24] = "/backline/midi\0\0,ihhm\0\0"; /* then >iqqxBBB: stream, due, place, bytes */
static const char PROCESSED[28] = "/backline/processed\0,ihi\0\0\0"; /* then >iqi: stream, end, late events */
static const char QUIET[28] = "/backline/processed\0,ihih\0\0"; /* then >iqiq: the same, and until when nothing happens */
static const char MAGNITUDE[20] = "/backline/magnitude";
#define AUDIO_HEAD (sizeof AUDIO + 20)
#define MIDI_BYTES (sizeof MIDI + 24)
#define PROCESSED_BYTES (sizeof PROCESSED + 16)

/* A block that waits for its answer: the sample after it, and when it was sent. */
typedef struct {
    int64_t end, at;
} Sent;

typedef struct {
    int fd;
    int32_t number;
    int64_t rate, block, length, begin, due, place, allowed; /* allowed: ns after which an answer is late */
    int64_t held, quiet_until; /* samples before `place` that wait here; the sample before which nothing happens */
    const float *audio;
    const uint8_t *extra, *extra_end;
    uint8_t head[AUDIO_HEAD];
    Sent *pending;
    uint64_t first, next; /* of `pending`, counted on */
    bool sounding[16][128];
} Stream;

/* When something was amiss, and by how much: ns or blocks. */
typedef struct {
    int64_t moment, value;
} Mark;

typedef struct {
    Mark *marks;
    size_t count, places;
} Marks;

static Stream streams[MOST_STREAMS];
static int stream_count;
static Marks late, lost;
static int64_t began, over = INT64_MAX, furthest_behind;
static int64_t blocks, held_blocks, note_ons, note_offs, doubled, stray, audio_messages, refused;
static uint8_t datagrams[SLOTS][LARGEST_DATAGRAM];

__attribute__((noreturn, format(printf, 1, 2))) static void give_up(const char *sentence, ...)
{
    va_list values;
    va_start(values, sentence);
    fputs("stream_client: ", stderr);
    vfprintf(stderr, sentence, values);
    fputc('\n', stderr);
    va_end(values);
    exit(2);
}

static int64_t now_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static void sleep_until(int64_t moment)
{
    struct timespec until = {moment / SECOND, moment % SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

static void mark(Marks *marks, int64_t moment, int64_t value)
{
    if (marks->count == marks->places) {
        marks->places = marks->places ? 2 * marks->places : 65536;
        if (!(marks->marks = realloc(marks->marks, marks->places * sizeof(Mark))))
            give_up("the memory does not hold %zu late or lost blocks", marks->places);
    }
    marks->marks[marks->count++] = (Mark){moment, value};
}

static void lose(int64_t moment, int64_t count)
{
    if (count > 0 && moment >= began)
        mark(&lost, moment, count);
}

static void put32(uint8_t *to, uint32_t value)
{
    value = htobe32(value);
    memcpy(to, &value, sizeof value);
}

static void put64(uint8_t *to, uint64_t value)
{
    value = htobe64(value);
    memcpy(to, &value, sizeof value);
}

static uint32_t get32(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return be32toh(value);
}

static uint64_t get64(const uint8_t *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return be64toh(value);
}

/* The engine is through to sample `end`: the last block until there is answered, those before it are lost. */
static void answered(Stream *stream, int64_t end, int64_t moment)
{
    uint64_t first = stream->first;
    while (stream->first != stream->next && stream->pending[stream->first % PENDING].end <= end)
        stream->first++;
    if (stream->first == first)
        return;
    lose(moment, (int64_t)(stream->first - first) - 1);
    int64_t took = moment - stream->pending[(stream->first - 1) % PENDING].at;
    if (took > stream->allowed && moment >= began && moment < over)
        mark(&late, moment, took);
}

static void note(Stream *stream, const uint8_t *bytes)
{
    bool *sounds = &stream->sounding[bytes[0] & 0x0F][bytes[1] & 0x7F];
    int kind = bytes[0] & 0xF0;
    if (kind == 0x90 && bytes[2]) {
        note_ons++;
        doubled += *sounds;
        *sounds = true;
    } else if (kind == 0x90 || kind == 0x80) {
        note_offs++;
        stray += !*sounds;
        *sounds = false;
    }
}

static bool begins(const uint8_t *bytes, size_t size, const char *head, size_t head_size, size_t least, int32_t number)
{
    return size >= least && !memcmp(bytes, head, head_size) && (int32_t)get32(bytes + head_size) == number;
}

static void hear(Stream *stream, const uint8_t *bytes, size_t size, int64_t moment)
{
    if (begins(bytes, size, PROCESSED, sizeof PROCESSED, PROCESSED_BYTES, stream->number))
        answered(stream, (int64_t)get64(bytes + sizeof PROCESSED + 4), moment);
    else if (begins(bytes, size, QUIET, sizeof QUIET, PROCESSED_BYTES + 8, stream->number)) {
        answered(stream, (int64_t)get64(bytes + sizeof QUIET + 4), moment);
        stream->quiet_until = (int64_t)get64(bytes + sizeof QUIET + 16);
    } else if (begins(bytes, size, MIDI, sizeof MIDI, MIDI_BYTES, stream->number))
        note(stream, bytes + sizeof MIDI + 21);
    else if (begins(bytes, size, AUDIO, sizeof AUDIO, AUDIO_HEAD, stream->number))
        audio_messages++;
    else if (size < sizeof MAGNITUDE || memcmp(bytes, MAGNITUDE, sizeof MAGNITUDE))
        refused++;
}

/* Return how many ns ago a datagram arrived, by the stamp that the kernel gave it; 0 where it gave none. */
static int64_t age_of(struct msghdr *message, int64_t now)
{
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
            int64_t age = now - (stamp.tv_sec * SECOND + stamp.tv_nsec);
            return age > 0 ? age : 0;
        }
    return 0;
}

static void read_answers(Stream *stream)
{
    struct mmsghdr messages[SLOTS];
    struct iovec places[SLOTS];
    union { char bytes[CMSG_SPACE(sizeof(struct timespec))]; struct cmsghdr aligned; } stamps[SLOTS];
    int got;
    do {
        for (int i = 0; i < SLOTS; i++) {
            places[i] = (struct iovec){datagrams[i], LARGEST_DATAGRAM};
            messages[i].msg_hdr = (struct msghdr){.msg_iov = &places[i], .msg_iovlen = 1,
                                                  .msg_control = stamps[i].bytes, .msg_controllen = sizeof stamps[i].bytes};
        }
        got = recvmmsg(stream->fd, messages, SLOTS, MSG_DONTWAIT, NULL);
        int64_t now = now_of(CLOCK_MONOTONIC), wall = now_of(CLOCK_REALTIME); /* the kernel stamps by the wall's clock */
        for (int i = 0; i < got; i++)
            hear(stream, datagrams[i], messages[i].msg_len, now - age_of(&messages[i].msg_hdr, wall));
    } while (got == SLOTS);
}

/* Whether the next block may wait for the one after it, which must still lie behind it in the material. */
static bool may_wait(const Stream *stream)
{
    int64_t more = stream->held + 2 * stream->block;
    return stream->place + stream->block <= stream->quiet_until && more <= LARGEST_BLOCK
           && (stream->place - stream->held) % stream->length + more <= stream->length + stream->block;
}

/* Send the stream's next block, and before it what is said with it. What the system does not take is never answered, and so lost. */
static void send_block(Stream *stream, int64_t now)
{
    for (int64_t place; stream->extra < stream->extra_end; ) {
        int32_t size;
        memcpy(&place, stream->extra, sizeof place);
        if (place > stream->place)
            break;
        memcpy(&size, stream->extra + sizeof place, sizeof size);
        send(stream->fd, stream->extra + sizeof place + sizeof size, (size_t)size, MSG_DONTWAIT);
        stream->extra += sizeof place + sizeof size + (size_t)size;
        stream->quiet_until = 0;
    }
    blocks++;
    bool waits = may_wait(stream);
    stream->place += stream->block;
    stream->held += stream->block;
    stream->due = stream->begin + stream->place * SECOND / stream->rate;
    if (waits) {
        held_blocks++;
        return;
    }
    int64_t first = stream->place - stream->held;
    uint32_t bytes = (uint32_t)stream->held * sizeof(float);
    put64(stream->head + sizeof AUDIO + 4, (uint64_t)first);
    put32(stream->head + sizeof AUDIO + 12, (uint32_t)stream->held);
    put32(stream->head + sizeof AUDIO + 16, bytes);
    struct iovec parts[2] = {{stream->head, AUDIO_HEAD}, {(void *)(uintptr_t)(stream->audio + first % stream->length), bytes}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    sendmsg(stream->fd, &message, MSG_DONTWAIT);
    if (stream->next - stream->first == PENDING) {
        stream->first++;
        lose(now, 1);
    }
    stream->pending[stream->next++ % PENDING] = (Sent){stream->place, now};
    stream->held = 0;
}

/* Play all that is due until the moment `end`. */
static void play(int64_t end)
{
    for (;;) {
        int64_t first = end;
        for (int i = 0; i < stream_count; i++)
            if (streams[i].due < first)
                first = streams[i].due;
        if (first > now_of(CLOCK_MONOTONIC))
            sleep_until(first);
        if (now_of(CLOCK_MONOTONIC) >= end)
            return;
        for (int i = 0; i < stream_count; i++) {
            int64_t now = now_of(CLOCK_MONOTONIC);
            if (streams[i].due > now)
                continue;
            if (now - streams[i].due > furthest_behind)
                furthest_behind = now - streams[i].due;
            read_answers(&streams[i]);
            send_block(&streams[i], now_of(CLOCK_MONOTONIC));
        }
    }
}

/* Wait for the last answers until the moment `end`; what is not answered then is lost. */
static void settle(int64_t end)
{
    for (;;) {
        uint64_t open = 0;
        for (int i = 0; i < stream_count; i++) {
            read_answers(&streams[i]);
            open += streams[i].next - streams[i].first;
        }
        int64_t now = now_of(CLOCK_MONOTONIC);
        if (!open || now >= end) {
            for (int i = 0; i < stream_count; i++)
                lose(now, (int64_t)(streams[i].next - streams[i].first));
            return;
        }
        sleep_until(now + LOOK_NS);
    }
}

static int64_t whole(const char *name, const char *word, int64_t least, int64_t most)
{
    char *end;
    errno = 0;
    int64_t value = strtoll(word, &end, 10);
    if (errno || end == word || *end || value < least || value > most)
        give_up("%s is '%s'; allowed: %" PRId64 " to %" PRId64, name, word, least, most);
    return value;
}

static int64_t nanoseconds(const char *name, const char *word)
{
    char *end;
    double value = strtod(word, &end);
    if (end == word || *end || !(value >= 0 && value <= 100000))
        give_up("%s is '%s'; allowed: 0 to 100000 seconds", name, word);
    return (int64_t)(value * SECOND);
}

static const void *map(const char *path, size_t *size)
{
    struct stat about;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &about))
        give_up("'%s' cannot be read: %s", path, strerror(errno));
    *size = (size_t)about.st_size;
    const void *bytes = *size ? mmap(NULL, *size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0) : "";
    if (bytes == MAP_FAILED)
        give_up("'%s' cannot be read: %s", path, strerror(errno));
    close(file);
    return bytes;
}

static void check_extras(const Stream *stream, const char *path)
{
    for (const uint8_t *at = stream->extra; at != stream->extra_end; ) {
        int32_t size = -1;
        if (stream->extra_end - at >= 12)
            memcpy(&size, at + 8, sizeof size);
        if (size < 0 || size > LARGEST_DATAGRAM || stream->extra_end - at - 12 < size)
            give_up("'%s' is no list of datagrams", path);
        at += 12 + size;
    }
}

static void take_stream(Stream *stream, char **words, int64_t periods)
{
    size_t size;
    int wanted = 1;
    stream->fd = (int)whole("the socket", words[0], 0, INT32_MAX);
    stream->number = (int32_t)whole("the stream's number", words[1], INT32_MIN, INT32_MAX);
    stream->rate = whole("the rate", words[2], 1, 1000000);
    stream->block = whole("the block", words[3], 1, LARGEST_BLOCK);
    stream->audio = map(words[4], &size);
    stream->length = whole("the length", words[5], 1, INT32_MAX);
    if (size / sizeof(float) < (size_t)(stream->length + stream->block - 1))
        give_up("'%s' has %zu samples; needed: the length and a block less one", words[4], size / sizeof(float));
    if (strcmp(words[6], "-") != 0) {
        stream->extra = map(words[6], &size);
        stream->extra_end = stream->extra + size;
        check_extras(stream, words[6]);
    }
    if (setsockopt(stream->fd, SOL_SOCKET, SO_TIMESTAMPNS, &wanted, sizeof wanted))
        give_up("descriptor %d is no socket that stamps what it receives: %s", stream->fd, strerror(errno));
    if (!(stream->pending = calloc(PENDING, sizeof(Sent))))
        give_up("the memory does not hold %d streams", stream_count);
    stream->allowed = periods * stream->block * SECOND / stream->rate;
    memcpy(stream->head, AUDIO, sizeof AUDIO);
    put32(stream->head + sizeof AUDIO, (uint32_t)stream->number);
}

static void keep_to(char *words)
{
    cpu_set_t cores;
    CPU_ZERO(&cores);
    for (char *word = strtok(words, ","); word; word = strtok(NULL, ","))
        CPU_SET((size_t)whole("a core", word, 0, CPU_SETSIZE - 1), &cores);
    if (sched_setaffinity(0, sizeof cores, &cores))
        give_up("the cores cannot be kept to: %s", strerror(errno));
}

static void tell_marks(const char *name, const Marks *marks, bool times)
{
    printf(", \"%s\": [", name);
    for (size_t i = 0; i < marks->count; i++)
        printf(times ? "%s[%.6f, %.6f]" : "%s[%.6f, %.0f]", i ? ", " : "", (double)marks->marks[i].moment / SECOND,
               (double)marks->marks[i].value / (times ? SECOND : 1));
    printf("]");
}

static void tell(const char *scheduling, int64_t used)
{
    printf("{\"blocks\": %" PRId64 ", \"held\": %" PRId64 ", \"note_ons\": %" PRId64 ", \"note_offs\": %" PRId64 ", \"doubled\": %" PRId64, blocks, held_blocks, note_ons,
           note_offs, doubled);
    printf(", \"stray\": %" PRId64 ", \"audio\": %" PRId64 ", \"refused\": %" PRId64, stray, audio_messages, refused);
    tell_marks("late", &late, true);
    tell_marks("lost", &lost, false);
    printf(", \"sounding\": [");
    for (int i = 0; i < stream_count; i++) {
        const char *comma = "";
        printf("%s[", i ? ", " : "");
        for (int key = 0; key < 16 * 128; key++)
            if (streams[i].sounding[key / 128][key % 128]) {
                printf("%s[%d, %d]", comma, key / 128, key % 128);
                comma = ", ";
            }
        printf("]");
    }
    printf("], \"furthest_behind\": %.6f, \"used\": %.6f, \"scheduling\": \"%s\"}\n", (double)furthest_behind / SECOND,
           (double)used / SECOND, scheduling);
}

int main(int count, char **words)
{
    int64_t parent = 0, seconds = 0, settle_ns = 0, periods = 0, priority = 0;
    int option;
    while ((option = getopt(count, words, "+p:s:w:l:f:c:")) != -1)
        switch (option) {
        case 'p': parent = whole("the parent", optarg, 1, INT32_MAX); break;
        case 's': seconds = nanoseconds("-s", optarg); break;
        case 'w': settle_ns = nanoseconds("-w", optarg); break;
        case 'l': periods = whole("-l", optarg, 1, 1000); break;
        case 'f': priority = whole("-f", optarg, 0, 99); break;
        case 'c': keep_to(optarg); break;
        default: return 2; /* getopt has said it */
        }
    if (!seconds || !periods)
        give_up("-s and -l are missing; allowed: more than 0");
    stream_count = (count - optind) / WORDS_A_STREAM;
    if (stream_count < 1 || stream_count > MOST_STREAMS || (count - optind) % WORDS_A_STREAM)
        give_up("%d words tell of streams; allowed: %d for each of 1 to %d", count - optind, WORDS_A_STREAM, MOST_STREAMS);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (parent && getppid() != parent)
        give_up("process %" PRId64 ", which started it, has ended", parent);
    for (int i = 0; i < stream_count; i++)
        take_stream(&streams[i], words + optind + i * WORDS_A_STREAM, periods);
    mlockall(MCL_CURRENT);
    struct sched_param real_time = {.sched_priority = (int)priority};
    const char *scheduling = priority && !sched_setscheduler(0, SCHED_FIFO, &real_time) ? "fifo" : "normal";
    int64_t start = now_of(CLOCK_MONOTONIC);
    for (int i = 0; i < stream_count; i++)
        streams[i].begin = streams[i].due = start;
    began = INT64_MAX;
    play(start + settle_ns);
    began = now_of(CLOCK_MONOTONIC);
    printf("{\"began\": %.6f}\n", (double)began / SECOND);
    fflush(stdout);
    int64_t used = now_of(CLOCK_PROCESS_CPUTIME_ID);
    play(start + settle_ns + seconds);
    used = now_of(CLOCK_PROCESS_CPUTIME_ID) - used;
    over = now_of(CLOCK_MONOTONIC);
    printf("{\"over\": %.6f}\n", (double)over / SECOND);
    fflush(stdout);
    settle(over + SECOND);
    tell(scheduling, used);
    return 0;
}
