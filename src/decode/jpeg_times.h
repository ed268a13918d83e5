/* A stopwatch for the stages of the window decoder, which looks at no clock
 * unless somebody asks. */
#ifndef STK_JPEG_TIMES_H
#define STK_JPEG_TIMES_H

#include "base/clock.h"

struct stk_jpeg_times {
    int64_t values_ns, skip_ns, idct_ns, colour_ns;
    int64_t since_ns; /* the clock's last look */
    int64_t clock_ns; /* what a look costs, by whoever asks; not the stage's */
};

/* Where a stage ends: its time is what has passed since the last lap. */
enum stk_jpeg_lap {
    STK_LAP_START,
    STK_LAP_VALUES,
    STK_LAP_SKIP,
    STK_LAP_IDCT,
    STK_LAP_COLOUR,
};

/* times NULL: nobody asks. */
static inline void stk_jpeg_lap(struct stk_jpeg_times *times,
                                enum stk_jpeg_lap stage)
{
    if (!times)
        return;
    int64_t now = stk_now_ns(),
            passed = now - times->since_ns - times->clock_ns;
    times->since_ns = now;
    times->values_ns += stage == STK_LAP_VALUES ? passed : 0;
    times->skip_ns += stage == STK_LAP_SKIP ? passed : 0;
    times->idct_ns += stage == STK_LAP_IDCT ? passed : 0;
    times->colour_ns += stage == STK_LAP_COLOUR ? passed : 0;
}

#endif
