/* One call that may hang with its storage, on a thread that can be left
 * behind. */
#ifndef STK_ERRAND_H
#define STK_ERRAND_H

#include "sync/pulse.h"
#include "sync/thread.h"

/* First in a struct that has all that the call needs and gives. */
struct stk_errand {
    void (*run)(struct stk_errand *errand);
    /* Behind run, where the caller has gone: takes down what it made.  NULL:
     * nothing. */
    void (*forget)(struct stk_errand *errand);
    struct stk_pulse pulse; /* beats as a system call begins */
    atomic_uint turn;
    struct stk_thread thread;
};

/* Runs it and waits.
 * Owns: the errand's memory is the caller's; after -ETIMEDOUT the thread's,
 * for ever.
 * Returns 0; -ETIMEDOUT when no system call has come back for so long. */
int stk_errand_run(struct stk_errand *errand, int32_t stall_timeout_ms);

#endif
