/* Lists on a thread of its own and watches its pulse: a mount that hangs must
 * not hang the program that opens it. */
#include "loader/listing.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "plan/dataset.h"
#include "sync/pulse.h"
#include "sync/thread.h"
#include "sync/wait.h"

/* BUSY: all but the pulse is the thread's.  DONE: the caller's.  LEFT: the
 * thread takes what it finds down, and its listing stays, for ever. */
enum { BUSY, DONE, LEFT };

struct listing {
    struct stk_thread thread;
    atomic_uint turn;
    struct stk_pulse pulse;
    stoker_folder_options opt;
    stoker_dataset *dataset;
    stoker_error error;
    int rc;
    char root[];
};

static void *body(void *self)
{
    struct listing *l = self;
    unsigned busy = BUSY;

    l->rc = stk_dataset_from_folder(&l->dataset, l->root, &l->opt, &l->pulse,
                                    &l->error);
    /* Release: partner is the load in wait_done(); gives data set and error. */
    if (atomic_compare_exchange_strong_explicit(
            &l->turn, &busy, DONE, memory_order_release, memory_order_relaxed))
        stk_wake(&l->turn);
    else
        stk_dataset_free(l->dataset);
    return NULL;
}

static int wait_done(struct listing *l)
{
    const int64_t limit = (int64_t)l->opt.stall_timeout_ms * 1000000;
    struct stk_watch watch = {0};
    int64_t next;

    for (;;) {
        /* Acquire: partner is the exchange in body(). */
        if (atomic_load_explicit(&l->turn, memory_order_acquire) == DONE)
            return 0;
        if (stk_watch_look(&watch, &l->pulse, stk_now_ns(), limit, &next))
            return -ETIMEDOUT;
        stk_wait(&l->turn, BUSY, next);
    }
}

/* true: the thread is left behind, and all that is its own with it. */
static bool leave(struct listing *l)
{
    unsigned busy = BUSY;

    /* Acquire where it is done after all: partner is the exchange in body(). */
    return atomic_compare_exchange_strong_explicit(
        &l->turn, &busy, LEFT, memory_order_acquire, memory_order_acquire);
}

int stk_listing_run(stoker_dataset **out, const char *root,
                    const stoker_folder_options *opt, stoker_error *err)
{
    size_t n = strlen(root) + 1;
    struct listing *l = stk_calloc(1, sizeof *l + n);

    if (!l)
        return stk_fail(err, -ENOMEM, "%s: no memory to list it", root);
    memcpy(l->root, root, n);
    l->opt = *opt;
    atomic_init(&l->turn, BUSY);
    stk_pulse_beat(&l->pulse);
    if (stk_thread_start(&l->thread, "stoker", body, l) < 0) {
        /* Without a thread it may hang, and else is the same. */
        stk_free(l);
        return stk_dataset_from_folder(out, root, opt, NULL, err);
    }
    if (wait_done(l) < 0 && leave(l)) {
        stk_thread_join(&l->thread, 0); /* detaches it */
        return stk_fail(err, -ETIMEDOUT,
                        "%s: stalled: its storage has not answered for %d ms "
                        "while it was listed",
                        root, opt->stall_timeout_ms);
    }
    stk_thread_join(&l->thread, STK_NEVER);
    int rc = l->rc;
    if (rc == 0)
        *out = l->dataset;
    else if (err)
        *err = l->error;
    stk_free(l);
    return rc;
}
