/* What is played and how what comes back is read: a plan of impulses and MIDI, a sound, a finder of peaks. */
#ifndef BACKLINE_PLAN_H
#define BACKLINE_PLAN_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMPULSE 0.8f

/* An impulse where bytes is 0, a MIDI message else. frame: counted from the start of the take. */
typedef struct {
    int64_t frame;
    uint8_t bytes, data[3];
} Act;

typedef struct {
    Act *acts;
    size_t count, next;
    float *sound; /* mono, repeated; NULL: silence */
    size_t length;
} Plan;

static void give_up(const char *what, const char *which)
{
    fprintf(stderr, "%s: %s\n", which, what);
    exit(2);
}

/* A line an act, in the order of frames: "impulse FRAME" or "midi FRAME STATUS [DATA [DATA]]" in hexadecimal. */
static void read_acts(Plan *plan, const char *path)
{
    FILE *file = fopen(path, "r");
    char line[256];
    if (!file)
        give_up("cannot be opened", path);
    while (fgets(line, sizeof line, file)) {
        Act act = {0};
        unsigned data[3];
        long long frame;
        int found = sscanf(line, "midi %lld %x %x %x", &frame, &data[0], &data[1], &data[2]);
        if (found >= 2)
            for (act.bytes = 0; act.bytes < found - 1; act.bytes++)
                act.data[act.bytes] = (uint8_t)data[act.bytes];
        else if (sscanf(line, "impulse %lld", &frame) != 1)
            give_up("a line is `impulse FRAME` or `midi FRAME STATUS DATA DATA`", path);
        act.frame = frame;
        if (plan->count && frame < plan->acts[plan->count - 1].frame)
            give_up("frames must not go back", path);
        if (plan->count % 1024 == 0 && !(plan->acts = realloc(plan->acts, (plan->count + 1024) * sizeof act)))
            give_up("too long for the memory", path);
        plan->acts[plan->count++] = act;
    }
    fclose(file);
}

/* A WAV file of 32-bit floats with one channel: what soundfile writes with subtype FLOAT. */
static void read_sound(Plan *plan, const char *path)
{
    FILE *file = fopen(path, "rb");
    struct { char name[4]; uint32_t size; } part;
    uint16_t format[20] = {0}; /* code, channels, rate, bytes a second, bytes a frame, bits; code again where extensible */
    if (!file)
        give_up("cannot be opened", path);
    if (fseek(file, 12, SEEK_SET))
        give_up("is no WAV file", path);
    while (fread(&part, sizeof part, 1, file) == 1 && memcmp(part.name, "data", 4) != 0) {
        uint32_t kept = memcmp(part.name, "fmt ", 4) == 0 && part.size <= sizeof format ? part.size : 0;
        if (fread(format, 1, kept, file) != kept || fseek(file, part.size - kept + part.size % 2, SEEK_CUR))
            give_up("is cut short", path);
    }
    uint16_t code = format[0] == 0xFFFE ? format[12] : format[0];
    if (code != 3 || format[1] != 1 || format[7] != 32)
        give_up("is not a WAV file of 32-bit floats with one channel", path);
    plan->length = part.size / sizeof(float);
    plan->sound = malloc(part.size);
    if (!plan->sound || fread(plan->sound, sizeof(float), plan->length, file) != plan->length || !plan->length)
        give_up("is cut short", path);
    fclose(file);
}

/* Fill a block that begins `from` frames after the start with the sound; impulses are added by whoever walks the acts. */
static void play_sound(const Plan *plan, int64_t from, float *out, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++)
        out[i] = plan->sound ? plan->sound[(size_t)(from + i) % plan->length] : 0.0f;
}

/* Finds impulses: the largest sample within `reach` frames from where the threshold was passed, over block borders too. */
typedef struct {
    float threshold, level;
    int64_t reach, passed, frame; /* passed: where the threshold was; -1: nowhere */
} Peaks;

/* Return whether an impulse is complete with this sample; it is in frame and level then. */
static bool peaks_see(Peaks *peaks, int64_t frame, float sample)
{
    float level = fabsf(sample);
    bool complete = peaks->passed >= 0 && frame >= peaks->passed + peaks->reach;
    if (complete)
        peaks->passed = -1;
    else if (peaks->passed < 0 ? level > peaks->threshold : level > peaks->level) {
        if (peaks->passed < 0)
            peaks->passed = frame;
        peaks->level = level;
        peaks->frame = frame;
    }
    return complete;
}

#endif
