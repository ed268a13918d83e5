/* The watch over a pulse. */
#include "sync/pulse.h"

#include <errno.h>
#include <stdbool.h>

#include "sync/wait.h"

enum { LOOK_NS = 100000000 }; /* between two looks */

/* Zeros before the first look. */
struct watch {
    int64_t beat_ns, looked_ns, silent_ns;
};

/* true: no beat for limit_ns.  Otherwise *next_ns is when to look again. */
static bool look(struct watch *watch, struct stk_pulse *pulse, int64_t now_ns,
                 int64_t limit_ns, int64_t *next_ns)
{
    int64_t beat = atomic_load_explicit(&pulse->beat_ns, memory_order_relaxed);
    int64_t passed = now_ns - watch->looked_ns;

    if (beat != watch->beat_ns)
        watch->silent_ns = 0;
    else
        watch->silent_ns += passed < STK_WATCH_AWAY_NS ? passed : LOOK_NS;
    watch->beat_ns = beat;
    watch->looked_ns = now_ns;
    int64_t left = limit_ns - watch->silent_ns;
    *next_ns = now_ns + (left < LOOK_NS ? left : LOOK_NS);
    return left <= 0;
}

int stk_pulse_wait(struct stk_pulse *pulse, atomic_uint *turn, unsigned busy,
                   int64_t limit_ns)
{
    struct watch watch = {0};
    int64_t next;

    /* Acquire: the partner is the caller's to name. */
    while (atomic_load_explicit(turn, memory_order_acquire) == busy) {
        if (look(&watch, pulse, stk_now_ns(), limit_ns, &next))
            return -ETIMEDOUT;
        stk_wait(turn, busy, next);
    }
    return 0;
}
