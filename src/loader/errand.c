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
    /* Release: partner is the load in wait_done(); gives what it made. */
    if (atomic_compare_exchange_strong_explicit(&errand->turn, &busy, DONE,
                                                memory_order_release,
                                                memory_order_relaxed))
        stk_wake(&errand->turn);
    else if (errand->forget)
        errand->forget(errand);
    return NULL;
}

static int wait_done(struct stk_errand *errand, int32_t stall_timeout_ms)
{
    const int64_t limit = (int64_t)stall_timeout_ms * 1000000;
    struct stk_watch watch = {0};
    int64_t next;

    for (;;) {
        /* Acquire: partner is the exchange in body(). */
        if (atomic_load_explicit(&errand->turn, memory_order_acquire) == DONE)
            return 0;
        if (stk_watch_look(&watch, &errand->pulse, stk_now_ns(), limit, &next))
            return -ETIMEDOUT;
        stk_wait(&errand->turn, BUSY, next);
    }
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
    bool is_left = wait_done(errand, stall_timeout_ms) < 0 && leave(errand);
    /* 0 detaches it. */
    stk_thread_join(&errand->thread, is_left ? 0 : STK_NEVER);
    return is_left ? -ETIMEDOUT : 0;
}
