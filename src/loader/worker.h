/* The one kind of thread that does the work. */
#ifndef STK_WORKER_H
#define STK_WORKER_H

#include "augment/place.h"
#include "loader/counters.h"
#include "loader/loader.h"
#include "read/io.h"
#include "sync/thread.h"

enum { STK_MAX_JOBS = 64, STK_PATH_BYTES = 4352 };

enum stk_job_state { STK_JOB_FREE, STK_JOB_READING, STK_JOB_READY };

/* One sample on its way; worker only. */
struct stk_job {
    enum stk_job_state state;
    int64_t number; /* of the ticket: earlier ones go first */
    int64_t order;  /* of the submit: what pread reads first */
    struct stk_ticket ticket;
    int64_t id;      /* the ticket's, or a substitute's */
    int32_t attempt; /* of refill */
    struct stk_fault *faults, **faults_end;
    struct stk_read *read;
    char path[STK_PATH_BYTES];
};

struct stk_worker {
    struct stk_thread thread;
    stoker_loader *loader;
    int32_t index;
    struct stk_io *io;
    struct stk_decoder *decoder;
    struct stk_placer *placer;
    struct stk_job *jobs;
    int32_t n_jobs;
    bool is_out_of_tickets;
    int64_t n_submits;
    stoker_error error;  /* of start; read after failed_worker */
    int32_t left_behind; /* -ETIMEDOUT: its reader left reads to the kernel;
                            read after join */
    char io_reason[128]; /* why not io_uring; read after has_fallen_back */
    atomic_int has_fallen_back;
    struct stk_counters counters;
    /* For the consumer's watch: since when this thread is in a system call
     * that may hang, 0: it is not; and on which sample. */
    _Alignas(64) atomic_llong stuck_since_ns;
    atomic_llong stuck_id;
};

int stk_worker_open(struct stk_worker *worker, stoker_loader *loader,
                    int32_t index, stoker_error *err);
int stk_worker_start(struct stk_worker *worker, stoker_error *err);
/* The loader has stopped the ring.  -ETIMEDOUT: it hangs and is abandoned, for
 * ever: nothing that it can reach may be freed or used again. */
int stk_worker_join(struct stk_worker *worker, int64_t deadline_ns);
void stk_worker_close(struct stk_worker *worker);

/* sample.c: a read job from bytes to a finished, counted row.  true: the row
 * is done; false: the job goes on with a substitute that is to be read. */
bool stk_sample_finish(struct stk_worker *worker, struct stk_job *job);
/* A padding row. */
void stk_sample_pad(struct stk_worker *worker, const struct stk_ticket *at);

#endif
