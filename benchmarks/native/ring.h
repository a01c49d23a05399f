/* Words from an audio thread to the thread that writes: one writes, one reads, neither waits, nothing is allocated. */
#ifndef BACKLINE_RING_H
#define BACKLINE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RING_PLACES (1u << 16)

/* What happened: `kind` says what the bytes and the value are; its frame, and when, on the monotonic clock in us. */
typedef struct {
    char kind;
    uint8_t bytes;
    uint8_t data[4];
    int64_t frame, at_us;
    double value;
} Word;

typedef struct {
    Word places[RING_PLACES];
    atomic_uint written, read;
    atomic_uint lost; /* words that found no place */
} Ring;

static inline void ring_put(Ring *ring, Word word)
{
    unsigned written = atomic_load_explicit(&ring->written, memory_order_relaxed);
    if (written - atomic_load_explicit(&ring->read, memory_order_acquire) >= RING_PLACES) {
        atomic_fetch_add_explicit(&ring->lost, 1, memory_order_relaxed);
        return;
    }
    ring->places[written % RING_PLACES] = word;
    atomic_store_explicit(&ring->written, written + 1, memory_order_release);
}

static inline bool ring_take(Ring *ring, Word *word)
{
    unsigned read = atomic_load_explicit(&ring->read, memory_order_relaxed);
    if (read == atomic_load_explicit(&ring->written, memory_order_acquire))
        return false;
    *word = ring->places[read % RING_PLACES];
    atomic_store_explicit(&ring->read, read + 1, memory_order_release);
    return true;
}

#endif
