/* The ring: whose turn each place is.  C11 atomics only, no lock, no CAS loop;
 * it compiles alone, so that a model checker can run it.
 *
 * Batch `seq` (0, 1, 2, ...) lives at place seq % n on lap seq / n.  A place's
 * turn counts half laps: 2 * lap, empty and to be filled for that lap;
 * 2 * lap + 1, full.  So the turn alone says whose batch a place holds.
 *
 * A place owns no memory.  When it is emptied for its next lap it is given
 * one of n buffers: the k-th buffer that comes back arms batch n + k.  Leases
 * thus return in any order from any thread, and a batch that is kept for ever
 * costs one buffer but blocks no place. */
#ifndef STK_RING_H
#define STK_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The lowest bit of a turn word says stop; half laps count above it. */
enum { STK_TURN_STOP = 1, STK_TURN_HALF = 2 };

struct stk_place {
    _Alignas(64) atomic_uint turn;
    _Alignas(64) atomic_uint n_filled; /* rows of this lap that are written */
    uint32_t buffer; /* written before the turn that empties the place */
};

struct stk_ring {
    struct stk_place *places;
    uint32_t n;
    _Alignas(64) atomic_ullong n_armed; /* batches that were given a buffer */
};

/* n >= 2 zeroed places; all become empty for lap 0, with buffers 0 ... n-1. */
void stk_ring_init(struct stk_ring *ring, struct stk_place *places, uint32_t n);

static inline struct stk_place *stk_ring_place(struct stk_ring *ring,
                                               uint64_t seq)
{
    return &ring->places[seq % ring->n];
}

/* Worker: may batch seq be filled?  Acquires what its buffer's last lessee
 * did (partner: stk_ring_return). */
bool stk_ring_is_empty(struct stk_ring *ring, uint64_t seq);

/* Worker: one of seq's n_rows rows is written.  true for the last one, which
 * publishes the batch: the caller then wakes the place's sleepers. */
bool stk_ring_row_done(struct stk_ring *ring, uint64_t seq, uint32_t n_rows);

/* Consumer: is batch seq full?  Acquires all of its rows (partner:
 * stk_ring_row_done).  Only the consumer knows which seq is next. */
bool stk_ring_is_full(struct stk_ring *ring, uint64_t seq);

/* Any thread, once a lease: the buffer may be written again.  Returns the
 * batch that it arms; the caller wakes its place's sleepers. */
uint64_t stk_ring_return(struct stk_ring *ring, uint32_t buffer);

/* true when batch seq has a buffer (empty, being filled or full). */
bool stk_ring_is_armed(struct stk_ring *ring, uint64_t seq);

/* Anyone: sets or clears the stop bit of every turn. */
void stk_ring_stop(struct stk_ring *ring);
void stk_ring_go(struct stk_ring *ring);
bool stk_ring_is_stopped(struct stk_ring *ring);

/* With no worker running: forgets what was filled from batch `seq` (the
 * consumer's next) on.  Leases may return meanwhile. */
void stk_ring_rewind(struct stk_ring *ring, uint64_t seq);

#endif
