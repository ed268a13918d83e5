/* The loader's own structs: what is immutable while workers run, what they
 * share, and what belongs to the consumer. */
#ifndef STK_LOADER_H
#define STK_LOADER_H

#include <pthread.h>

#include "augment/program.h"
#include "decode/decode.h"
#include "loader/batch.h"
#include "loader/faults.h"
#include "plan/plan.h"

struct stk_worker;
struct stk_feed;

struct stoker_loader {
    /* immutable from open to close */
    stoker_options opt;
    struct stk_program output;  /* what batches are */
    struct stk_program program; /* what workers write: the same, or bytes that
                                   the device turns into it */
    struct stk_decode_limits limits;
    stoker_dataset *dataset;
    int64_t n_items, n_rows; /* of the data set; of a full batch */
    int32_t cpu, io;         /* resolved */
    char io_reason[128];
    int64_t opened_ns;
    char gpu_reason[128];
    size_t buffer_bytes, label_at, valid_at; /* of a host buffer */
    struct stk_home *home;
    struct stk_feed *feed;    /* NULL: batches stay in host memory */
    struct stk_columns *rows; /* one a place, in one block: */
    void *rows_memory;
    int32_t n_workers;
    struct stk_worker *workers;

    /* immutable while workers run: changed by seek between two lives */
    struct stk_plan plan;
    uint64_t first_seq; /* of the plan's batch 0 */

    /* shared */
    _Alignas(64) atomic_llong next_ticket;
    _Alignas(64) atomic_int is_closing;
    atomic_int failed_worker; /* index + 1 of a worker that could not start */

    pthread_mutex_t turnstile; /* one thread at a time in next or seek */
    pthread_cond_t left;       /* the last caller has, for close */
    atomic_int n_callers;      /* in next or seek, or waiting for their turn */

    /* touched in the turnstile only */
    bool is_running;
    bool has_lost_thread; /* one hangs, abandoned: nothing starts or is freed */
    bool end_is_due;      /* next returns STOKER_END before anything else */
    int64_t n_out;        /* batches of this plan that were handed out */
    stoker_error sticky;

    /* of who takes from the ring: the consumer in the turnstile or, while it
     * runs, the feed */
    uint64_t seq;     /* of the next batch to be taken */
    int64_t awake_ns; /* its program, stopped while it waited, went on */

    /* the consumer's: written in the turnstile and under the lock, read with
     * either of them */
    pthread_mutex_t lock;
    int64_t epoch, consumed; /* behind the last batch handed out */
    struct stk_book book;
    stoker_digest digest;
    int64_t digest_epoch, digest_from;
    int64_t n_batches, n_bad, n_refilled;
    int64_t consumer_ns, first_batch_ns;
};

int stk_loader_open(stoker_loader **out, stoker_dataset *ds,
                    const stoker_options *opt, stoker_error *err);
/* 0, or -ETIMEDOUT when a worker that hangs in a read was abandoned. */
int stk_loader_close(stoker_loader *loader);
/* The turnstile's way in and out.  -ECANCELED: not in, the loader is being
 * closed. */
int stk_loader_enter(stoker_loader *loader, stoker_error *err);
void stk_loader_leave(stoker_loader *loader);
/* In the turnstile: workers and, with CUDA, their companions. */
int stk_loader_start(stoker_loader *loader, stoker_error *err);
int stk_loader_seek(stoker_loader *loader, const stoker_cursor *to,
                    stoker_error *err);
void stk_loader_cursor(stoker_loader *loader, stoker_cursor *out);

/* take.c: the next full batch out of the ring; the lease is the caller's. */
int stk_loader_take(stoker_loader *loader, stoker_batch **out, int timeout_ms,
                    stoker_error *err);

/* consume.c */
int stk_loader_next(stoker_loader *loader, stoker_batch **out, int timeout_ms,
                    stoker_error *err);

/* stats.c */
void stk_loader_stats(stoker_loader *loader, stoker_stats *out);
void stk_loader_report(stoker_loader *loader, char *text, size_t bytes);

/* options.c */
void stk_options_init(stoker_options *opt, size_t size);
/* The caller's options, whatever its version's size, with defaults behind;
 * NULL: all defaults.  Returns 0 or -EINVAL. */
int stk_options_read(stoker_options *full, const stoker_options *opt,
                     stoker_error *err);
/* The options' transforms compiled; the default list where there is none. */
int stk_program_from(struct stk_program *program, const stoker_options *opt,
                     stoker_error *err);
/* As many of a worker's reads as leave half of the descriptors that this
 * process may have to the program; at least 1. */
int32_t stk_reads_fit(int32_t reads_ahead, int n_workers);
void stk_limits_set(struct stk_decode_limits *limits, const stoker_options *opt,
                    int cpu);

#endif
