/* Threads: start with a name, join with a deadline. */
#ifndef STK_THREAD_H
#define STK_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct stk_thread {
    pthread_t handle;
    bool running;
    atomic_uint is_done; /* set by the thread, last */
    void *(*body)(void *);
    void *self;
};

/* Starts body(self) with all signals blocked, so that the application's
 * handlers run on its own threads.  name: at most 15 bytes.  *thread stays
 * where it is until it has been joined.
 * Returns 0 or a negated errno. */
int stk_thread_start(struct stk_thread *thread, const char *name,
                     void *(*body)(void *), void *self);

/* Waits for its end until deadline_ns (STK_NEVER: for ever).
 * Returns 0, or -ETIMEDOUT: it is left to itself, detached. */
int stk_thread_join(struct stk_thread *thread, int64_t deadline_ns);

#endif
