/* The futex calls, apart because nothing else speaks to the scheduler. */
#include "sync/wait.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

int stk_wait(atomic_uint *word, unsigned seen, int64_t deadline_ns)
{
    struct timespec at, *limit = NULL;

    if (deadline_ns >= 0) {
        at.tv_sec = (time_t)(deadline_ns / 1000000000);
        at.tv_nsec = (long)(deadline_ns % 1000000000);
        limit = &at;
    }
    /* BITSET takes an absolute monotonic time; plain WAIT a relative one. */
    long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, seen, limit,
                      NULL, FUTEX_BITSET_MATCH_ANY);
    return rc == -1 && errno == ETIMEDOUT ? -ETIMEDOUT : 0;
}

void stk_wake(atomic_uint *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

bool stk_spin(atomic_uint *word, unsigned seen, int64_t spin_ns)
{
    int64_t end = stk_now_ns() + spin_ns;
    do {
        for (int i = 0; i < 64; i++) {
            /* Relaxed: whoever acts on the change loads it again. */
            if (atomic_load_explicit(word, memory_order_relaxed) != seen)
                return true;
            relax();
        }
    } while (stk_now_ns() < end);
    return false;
}
