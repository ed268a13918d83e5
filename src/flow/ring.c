/* The slots' turns; ring.h has the picture, docs/threads.md the proofs. */
#include "flow/ring.h"

static unsigned half_laps(unsigned turn)
{
    return turn / STK_TURN_HALF;
}

/* Laps are compared modulo 2^30: who looks would have to sleep through a
 * billion laps of a place to be mistaken. */
static unsigned empty_turn(const struct stk_ring *ring, uint64_t seq)
{
    return half_laps((unsigned)(2 * (seq / ring->n)) * STK_TURN_HALF);
}

static unsigned full_turn(const struct stk_ring *ring, uint64_t seq)
{
    return half_laps((unsigned)(2 * (seq / ring->n) + 1) * STK_TURN_HALF);
}

void stk_ring_init(struct stk_ring *ring, struct stk_place *places, uint32_t n)
{
    ring->places = places;
    ring->n = n;
    for (uint32_t i = 0; i < n; i++) {
        atomic_init(&places[i].turn, 0);
        atomic_init(&places[i].n_filled, 0);
        places[i].buffer = i;
    }
    atomic_init(&ring->n_armed, n);
}

bool stk_ring_is_empty(struct stk_ring *ring, uint64_t seq)
{
    /* Acquire: partner is the fetch_add of stk_ring_return. */
    unsigned turn = atomic_load_explicit(&stk_ring_place(ring, seq)->turn,
                                         memory_order_acquire);
    return half_laps(turn) == empty_turn(ring, seq);
}

bool stk_ring_row_done(struct stk_ring *ring, uint64_t seq, uint32_t n_rows)
{
    struct stk_place *place = stk_ring_place(ring, seq);

    /* Release gives this row to the last one in; acquire takes all others'
     * rows, so that the release below passes them on to the consumer. */
    unsigned before =
        atomic_fetch_add_explicit(&place->n_filled, 1, memory_order_acq_rel);
    if (before + 1 != n_rows)
        return false;
    /* Relaxed: nobody looks before the turn comes round to empty again. */
    atomic_store_explicit(&place->n_filled, 0, memory_order_relaxed);
    /* Release: partner is the load of stk_ring_is_full.  An addition keeps
     * the stop bit, whoever sets it meanwhile. */
    atomic_fetch_add_explicit(&place->turn, STK_TURN_HALF,
                              memory_order_release);
    return true;
}

bool stk_ring_is_full(struct stk_ring *ring, uint64_t seq)
{
    /* Acquire: partner is the fetch_add of stk_ring_row_done. */
    unsigned turn = atomic_load_explicit(&stk_ring_place(ring, seq)->turn,
                                         memory_order_acquire);
    return half_laps(turn) == full_turn(ring, seq);
}

uint64_t stk_ring_return(struct stk_ring *ring, uint32_t buffer)
{
    /* The k-th return arms batch n + k.  At least k + 1 batches have been
     * consumed by then, in order, so batch k has left its place.  Acq_rel:
     * whoever arms next is behind whoever consumed here. */
    uint64_t seq =
        atomic_fetch_add_explicit(&ring->n_armed, 1, memory_order_acq_rel);
    struct stk_place *place = stk_ring_place(ring, seq);

    place->buffer = buffer;
    /* Release: partner is the load of stk_ring_is_empty; passes on the buffer
     * and that its lessee has finished with it. */
    atomic_fetch_add_explicit(&place->turn, STK_TURN_HALF,
                              memory_order_release);
    return seq;
}

bool stk_ring_is_armed(struct stk_ring *ring, uint64_t seq)
{
    /* Relaxed: an answer for error texts only; nothing is read by it. */
    return atomic_load_explicit(&ring->n_armed, memory_order_relaxed) > seq;
}

void stk_ring_stop(struct stk_ring *ring)
{
    for (uint32_t i = 0; i < ring->n; i++)
        atomic_fetch_or_explicit(&ring->places[i].turn, STK_TURN_STOP,
                                 memory_order_relaxed);
}

void stk_ring_go(struct stk_ring *ring)
{
    for (uint32_t i = 0; i < ring->n; i++)
        atomic_fetch_and_explicit(&ring->places[i].turn,
                                  ~(unsigned)STK_TURN_STOP,
                                  memory_order_relaxed);
}

bool stk_ring_is_stopped(struct stk_ring *ring)
{
    /* Relaxed: a worker that sees it late finishes one sample more. */
    return atomic_load_explicit(&ring->places[0].turn, memory_order_relaxed) &
           STK_TURN_STOP;
}

void stk_ring_rewind(struct stk_ring *ring, uint64_t seq)
{
    for (uint64_t s = seq; s < seq + ring->n; s++) {
        struct stk_place *place = stk_ring_place(ring, s);
        atomic_store_explicit(&place->n_filled, 0, memory_order_relaxed);
        /* A full place has a buffer and no lessee: only this thread moves
         * it.  An empty one keeps its turn; one that waits for a buffer may
         * be armed at this very moment, by addition. */
        if (stk_ring_is_full(ring, s))
            atomic_fetch_sub_explicit(&place->turn, STK_TURN_HALF,
                                      memory_order_relaxed);
    }
}
