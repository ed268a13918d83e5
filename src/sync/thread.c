/* pthreads behind two verbs. */
#include "sync/thread.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

int stk_thread_start(struct stk_thread *thread, const char *name,
                     void *(*body)(void *), void *self)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&thread->handle, NULL, body, self);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0)
        return -rc;
    thread->running = true;
    pthread_setname_np(thread->handle, name);
    return 0;
}

int stk_thread_join(struct stk_thread *thread, int64_t deadline_ns)
{
    if (!thread->running)
        return 0;
    thread->running = false;
    if (deadline_ns < 0) {
        pthread_join(thread->handle, NULL);
        return 0;
    }
    struct timespec at = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                          .tv_nsec = (long)(deadline_ns % 1000000000)};
    int rc = pthread_clockjoin_np(thread->handle, NULL, CLOCK_MONOTONIC, &at);
    if (rc != ETIMEDOUT)
        return 0;
    pthread_detach(thread->handle);
    return -ETIMEDOUT;
}
