/* One random life of a loader, for stress: between the file that lives it and
 * the one that runs many at once. */
#ifndef LIFE_H
#define LIFE_H

#include <stdatomic.h>

#include "../api/photos.h"

enum { N_PHOTOS = 96 };

/* Shared by all threads; relaxed counts, for the last line. */
struct tally {
    atomic_llong lives, batches, rows, bad_rows, seeks, errors, late, views;
    atomic_llong complaints;
    atomic_llong turns; /* anything at all: the watchdog's pulse */
};

struct world {
    struct photos photos; /* immutable; each fourth is broken in memory */
    char top[64];         /* the same photos as files, which a vandal breaks */
    struct tally tally;
    atomic_int is_over;
};

/* Plays one life that is a function of its seed and of the threads' timing. */
void life_play(struct world *world, uint64_t seed);

/* A small generator: stress needs no good one. */
static inline uint64_t draw(uint64_t *state, uint64_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (*state >> 33) % below;
}

#endif
