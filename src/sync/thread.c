/* pthreads behind two verbs. */
#include "sync/thread.h"

#include <errno.h>
#include <signal.h>

#include "sync/wait.h"

static void *run(void *self)
{
    struct stk_thread *thread = self;
    void *result = thread->body(thread->self);

    /* Release: partner is the load in stk_thread_join. */
    atomic_store_explicit(&thread->is_done, 1, memory_order_release);
    stk_wake(&thread->is_done);
    return result;
}

int stk_thread_start(struct stk_thread *thread, const char *name,
                     void *(*body)(void *), void *self)
{
    sigset_t all, old;

    thread->body = body;
    thread->self = self;
    atomic_store_explicit(&thread->is_done, 0, memory_order_relaxed);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&thread->handle, NULL, run, thread);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0)
        return -rc;
    thread->running = true;
    pthread_setname_np(thread->handle, name);
    return 0;
}

/* The word is waited for and not the thread, because only its clock is
 * monotonic: joining with a deadline of the wall clock would follow jumps. */
int stk_thread_join(struct stk_thread *thread, int64_t deadline_ns)
{
    if (!thread->running)
        return 0;
    thread->running = false;
    while (!atomic_load_explicit(&thread->is_done, memory_order_acquire)) {
        if (stk_wait(&thread->is_done, 0, deadline_ns) == -ETIMEDOUT) {
            pthread_detach(thread->handle);
            return -ETIMEDOUT;
        }
    }
    pthread_join(thread->handle, NULL);
    return 0;
}
