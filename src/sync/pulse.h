/* A pulse: one thread says that it gets on, another watches whether it still
 * does.  Nothing is handed over by it.
 *
 * A program that is stopped (SIGSTOP, a debugger) stops both, and then the
 * watch may be the first to wake: only silence that it was awake for counts,
 * and so it looks often. */
#ifndef STK_PULSE_H
#define STK_PULSE_H

#include <stdatomic.h>

#include "base/clock.h"

struct stk_pulse {
    atomic_llong beat_ns; /* relaxed: a watch may be late */
};

/* NULL: nobody watches. */
static inline void stk_pulse_beat(struct stk_pulse *pulse)
{
    if (pulse)
        atomic_store_explicit(&pulse->beat_ns, stk_now_ns(),
                              memory_order_relaxed);
}

/* From when on a watch was away and not just late. */
enum { STK_WATCH_AWAY_NS = 1000000000 };

/* Sleeps while *turn is `busy`, which the thread whose pulse it is ends by a
 * release.  Returns 0, having acquired; -ETIMEDOUT: no beat for limit_ns. */
int stk_pulse_wait(struct stk_pulse *pulse, atomic_uint *turn, unsigned busy,
                   int64_t limit_ns);

#endif
