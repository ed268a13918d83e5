/* Time: monotonic, or this thread's on a CPU; in nanoseconds. */
#ifndef STK_CLOCK_H
#define STK_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t stk_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t stk_thread_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
