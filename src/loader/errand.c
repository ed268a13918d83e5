/* The hand-over between an errand's thread and its caller: one word. */
#include "loader/errand.h"

#include <errno.h>

#include "sync/wait.h"

/* BUSY: all but the pulse is the thread's.  DONE: the caller's.  LEFT: the
 * thread's, for ever. */
enum { BUSY, DONE, LEFT };

static void *body(void *self)
{
    struct stk_errand *errand = self;
    unsigned busy = BUSY;

    errand->run(errand);
    /* Release: partner is the load of stk_errand_run(); gives what it made. */
    if (atomic_compare_exchange_strong_explicit(&errand->turn, &busy, DONE,
                                                memory_order_release,
                                                memory_order_relaxed))
        stk_wake(&errand->turn);
    else if (errand->forget)
        errand->forget(errand);
    return NULL;
}

/* true: the thread is left behind, and all that is its own with it. */
static bool leave(struct stk_errand *errand)
{
    unsigned busy = BUSY;

    /* Acquire where it is done after all: partner is the exchange in body(). */
    return atomic_compare_exchange_strong_explicit(
        &errand->turn, &busy, LEFT, memory_order_acquire, memory_order_acquire);
}

int stk_errand_run(struct stk_errand *errand, int32_t stall_timeout_ms)
{
    atomic_init(&errand->turn, BUSY);
    stk_pulse_beat(&errand->pulse);
    if (stk_thread_start(&errand->thread, "stoker", body, errand) < 0) {
        errand->run(errand); /* may hang, and else is the same */
        return 0;
    }
    /* Partner of its acquire: the exchange in body(). */
    int rc = stk_pulse_wait(&errand->pulse, &errand->turn, BUSY,
                            (int64_t)stall_timeout_ms * 1000000);
    bool is_left = rc < 0 && leave(errand);
    /* 0 detaches it. */
    stk_thread_join(&errand->thread, is_left ? 0 : STK_NEVER);
    return is_left ? -ETIMEDOUT : 0;
}
