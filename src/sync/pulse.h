/* A pulse: one thread says that it gets on, another watches whether it still
 * does.  Nothing is handed over by it.
 *
 * A program that is stopped (SIGSTOP, a debugger) stops both, and then the
 * watch may be the first to wake: only silence that it was awake for counts,
 * and so it looks at least every STK_WATCH_NS. */
#ifndef STK_PULSE_H
#define STK_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>

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

/* Between two looks, and from when on a watch was away and not just late. */
enum { STK_WATCH_NS = 100000000, STK_WATCH_AWAY_NS = 1000000000 };

/* The watch's own side; zeros before the first look. */
struct stk_watch {
    int64_t beat_ns, looked_ns, silent_ns;
};

/* true: no beat for limit_ns.  Otherwise *next_ns is when to look again. */
static inline bool stk_watch_look(struct stk_watch *watch,
                                  struct stk_pulse *pulse, int64_t now_ns,
                                  int64_t limit_ns, int64_t *next_ns)
{
    int64_t beat = atomic_load_explicit(&pulse->beat_ns, memory_order_relaxed);
    int64_t passed = now_ns - watch->looked_ns;

    if (beat != watch->beat_ns)
        watch->silent_ns = 0;
    else
        watch->silent_ns += passed < STK_WATCH_AWAY_NS ? passed : STK_WATCH_NS;
    watch->beat_ns = beat;
    watch->looked_ns = now_ns;
    int64_t left = limit_ns - watch->silent_ns;
    *next_ns = now_ns + (left < STK_WATCH_NS ? left : STK_WATCH_NS);
    return left <= 0;
}

#endif
