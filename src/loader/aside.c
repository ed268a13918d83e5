/* The hand-over between a caller and its reader's thread: one word, whose
 * owner in each state may touch the rest. */
#include "loader/aside.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sync/pulse.h"
#include "sync/thread.h"
#include "sync/wait.h"

/* IDLE, DONE: the caller's.  ASKED: the thread's.  QUIT, LEFT: the thread
 * ends; LEFT is set while it still hangs. */
enum { IDLE, ASKED, DONE, QUIT, LEFT };

/* A slice of waiting for reads that are tried again. */
enum { SLICE_MS = 1 };

struct stk_aside {
    struct stk_thread thread;
    atomic_uint turn;
    struct stk_pulse pulse; /* beats as a system call begins */
    int64_t stall_ns;
    pid_t pid;
    struct stk_io *io;
    struct stk_part part;
    bool has_read; /* the thread's: there is a read to recycle */
    char path[STK_PATH_BYTES];
};

/* Each turn of the loop is one request of a file or one slice of a pause. */
static void read_part(struct stk_aside *aside)
{
    struct stk_read *read = stk_io_read(aside->io, 0), *done;

    if (aside->has_read)
        stk_io_recycle(aside->io, read);
    aside->has_read = true;
    stk_io_submit(aside->io, read, &aside->part);
    do
        stk_pulse_beat(&aside->pulse);
    while (stk_io_reap(aside->io, &done, 1, SLICE_MS) == 0);
}

static void *body(void *self)
{
    struct stk_aside *aside = self;

    for (;;) {
        /* Acquire: partner is the store in stk_aside_read(), or in
         * stk_aside_close(); takes part and path. */
        unsigned turn =
            atomic_load_explicit(&aside->turn, memory_order_acquire);
        if (turn == QUIT)
            break;
        if (turn != ASKED) {
            stk_wait(&aside->turn, turn, STK_NEVER);
            continue;
        }
        read_part(aside);
        /* Release: partner is the load of stk_aside_read(); gives the read. */
        if (!atomic_compare_exchange_strong_explicit(&aside->turn, &turn, DONE,
                                                     memory_order_release,
                                                     memory_order_relaxed))
            break; /* LEFT */
        stk_wake(&aside->turn);
    }
    stk_io_close(&aside->io);
    return NULL;
}

int stk_aside_open(struct stk_aside **out, const struct stk_io_options *options,
                   stoker_error *err)
{
    struct stk_aside *aside = stk_calloc(1, sizeof *aside);

    if (!aside)
        return stk_fail(err, -ENOMEM, "reader: no memory");
    aside->pid = getpid();
    aside->stall_ns = (int64_t)options->stall_timeout_ms * 1000000;
    atomic_init(&aside->turn, IDLE);
    int rc = stk_io_open(&aside->io, options, err);
    if (rc == 0) {
        rc = stk_thread_start(&aside->thread, "stoker", body, aside);
        if (rc < 0)
            stk_fail(err, rc, "reader: cannot start a thread: %s",
                     strerror(-rc));
    }
    if (rc < 0) {
        stk_io_close(&aside->io);
        stk_free(aside);
        return rc;
    }
    *out = aside;
    return 0;
}

char *stk_aside_path(struct stk_aside *aside)
{
    return aside->path;
}

int stk_aside_read(struct stk_aside *aside, const struct stk_part *part,
                   struct stk_read **out)
{
    *out = stk_io_read(aside->io, 0); /* while all is ours */
    aside->part = *part;
    stk_pulse_beat(&aside->pulse);
    /* Release: partner is the load in body(). */
    atomic_store_explicit(&aside->turn, ASKED, memory_order_release);
    stk_wake(&aside->turn);
    /* Partner of its acquire: the exchange in body(). */
    return stk_pulse_wait(&aside->pulse, &aside->turn, ASKED, aside->stall_ns);
}

bool stk_aside_is_back(struct stk_aside *aside)
{
    return atomic_load_explicit(&aside->turn, memory_order_acquire) == DONE;
}

bool stk_aside_is_ours(const struct stk_aside *aside)
{
    return aside->pid == getpid();
}

void stk_aside_close(struct stk_aside *aside)
{
    unsigned asked = ASKED;

    if (!aside || !stk_aside_is_ours(aside))
        return;
    /* Relaxed: LEFT passes nothing on; the thread only ends by it. */
    if (atomic_compare_exchange_strong_explicit(&aside->turn, &asked, LEFT,
                                                memory_order_relaxed,
                                                memory_order_relaxed)) {
        stk_thread_join(&aside->thread, 0); /* detaches it */
        return;
    }
    atomic_store_explicit(&aside->turn, QUIT, memory_order_release);
    stk_wake(&aside->turn);
    stk_thread_join(&aside->thread, STK_NEVER);
    stk_free(aside);
}
