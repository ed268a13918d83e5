/* A bounded model checker for the real ring.c: it is compiled with gcc's
 * thread-sanitizer instrumentation, and explorer.c stands in for the runtime.
 * So every atomic comes here with its memory order, every plain access too;
 * threads are coroutines, and every schedule with at most `bound` preemptions
 * is played.  Happens-before is kept by vector clocks as C11 says (release,
 * acquire, release sequences through read-modify-writes); two plain accesses
 * that are not ordered are a race. */
#ifndef EXPLORER_H
#define EXPLORER_H

#include <stdbool.h>
#include <stdint.h>

enum { EXPLORER_THREADS = 4 };

struct explorer_result {
    int64_t n_runs;
    int64_t n_races, n_stuck, n_failed;
    const char *first; /* what was found first, NULL: nothing */
};

/* Plays all schedules of n threads.  reset prepares a run; body(i) is thread
 * i; check looks at the end of each run.  weak: the index of an atomic call
 * site (in order of first execution) whose order counts as relaxed, -1: none.
 * Stops at the first finding. */
struct explorer_result explore(int n, void (*reset)(void),
                               void (*body)(int thread), bool (*check)(void),
                               int bound, int weak);

/* How many atomic call sites with an order stronger than relaxed were seen by
 * the last explore() with weak -1. */
int explorer_n_sites(void);

/* Called by bodies in a loop that waits: the thread sleeps until an atomic
 * has been changed since `since`, an explorer_now() before it looked. */
int64_t explorer_now(void);
void explorer_pause(int64_t since);

/* A finding of the body's own. */
void explorer_fail(const char *text);

#endif
