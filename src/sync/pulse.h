/* A pulse: one thread says that it gets on, another watches whether it still
 * does.  Nothing is handed over by it. */
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

static inline int64_t stk_pulse_last(struct stk_pulse *pulse)
{
    return atomic_load_explicit(&pulse->beat_ns, memory_order_relaxed);
}

#endif
