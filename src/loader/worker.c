/* The worker's loop: it takes tickets a few samples ahead, keeps their reads
 * in flight, finishes whichever has arrived and may be placed, and waits for
 * an empty place only when nothing else is left to do. */
#include "loader/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "plan/dataset.h"
#include "sync/wait.h"

enum { SPIN_NS = 50000, SLICE_NS = 100000000 };

static bool is_stopped(const struct stk_worker *worker)
{
    return stk_ring_is_stopped(&worker->loader->home->ring);
}

/* Says to the consumer's watch that a call that may hang begins or ended. */
static void watch(struct stk_worker *worker, int64_t since_ns, int64_t id)
{
    atomic_store_explicit(&worker->stuck_id, id, memory_order_relaxed);
    atomic_store_explicit(&worker->stuck_since_ns, since_ns,
                          memory_order_relaxed);
}

static void watch_job(void *worker, void *job)
{
    atomic_store_explicit(&((struct stk_worker *)worker)->stuck_id,
                          ((struct stk_job *)job)->id, memory_order_relaxed);
}

static void submit(struct stk_worker *worker, struct stk_job *job)
{
    const stoker_loader *loader = worker->loader;
    struct stk_part part;
    int64_t start = stk_now_ns();

    job->state = STK_JOB_READING;
    job->order = worker->n_submits++;
    stk_dataset_part(loader->dataset, job->id, job->path, sizeof job->path,
                     &part);
    if (part.source == STOKER_SOURCE_MEMORY) { /* errors want a name */
        stk_dataset_name(loader->dataset, job->id, job->path, sizeof job->path);
        part.path = job->path;
    }
    watch(worker, start, job->id);
    stk_io_submit(worker->io, job->read, &part);
    watch(worker, 0, -1);
    stk_count(&worker->counters.read_ns, stk_now_ns() - start);
}

/* Padding may be written only into an empty place, like any row. */
static bool pad_now(struct stk_worker *worker, struct stk_job *job)
{
    const stoker_loader *loader = worker->loader;
    uint64_t seq = loader->first_seq + (uint64_t)job->ticket.seq;

    if (!stk_ring_is_empty(&loader->home->ring, seq))
        return false;
    stk_sample_pad(worker, &job->ticket);
    return true;
}

/* Takes a ticket for a free job.  false: the run has no more. */
static bool take_ticket(struct stk_worker *worker, struct stk_job *job)
{
    stoker_loader *loader = worker->loader;
    /* Relaxed: a ticket is a number; what it leads to is handed over by the
     * places' turns. */
    int64_t t = atomic_fetch_add_explicit(&loader->next_ticket, 1,
                                          memory_order_relaxed);

    if (stk_plan_ticket(&loader->plan, t, &job->ticket) != 0)
        return false;
    job->number = t;
    job->id = job->ticket.id;
    job->attempt = 0;
    job->faults = NULL;
    job->faults_end = &job->faults;
    if (job->id < 0)
        job->state = STK_JOB_READY; /* padding: nothing to read */
    else
        submit(worker, job);
    return true;
}

static void top_up(struct stk_worker *worker)
{
    for (int32_t i = 0; i < worker->n_jobs && !worker->is_out_of_tickets; i++)
        if (worker->jobs[i].state == STK_JOB_FREE)
            worker->is_out_of_tickets = !take_ticket(worker, &worker->jobs[i]);
}

/* Takes finished reads in; with wait, sleeps for the first of them.  Also a
 * look may hang: it closes files and opens those whose first try failed; then
 * watch_job() says which. */
static void reap(struct stk_worker *worker, bool wait)
{
    struct stk_read *done[STK_MAX_JOBS];
    int64_t start = stk_now_ns();
    const struct stk_job *oldest = NULL;

    for (int32_t i = 0; i < worker->n_jobs; i++)
        if (worker->jobs[i].state == STK_JOB_READING &&
            (!oldest || worker->jobs[i].order < oldest->order))
            oldest = &worker->jobs[i];
    watch(worker, start, oldest ? oldest->id : -1);
    int n = stk_io_reap(worker->io, done, STK_MAX_JOBS,
                        wait ? SLICE_NS / 1000000 : 0);
    watch(worker, 0, -1);
    for (int i = 0; i < n; i++) {
        ((struct stk_job *)done[i]->tag)->state = STK_JOB_READY;
        stk_count(&worker->counters.n_retries, done[i]->n_retries);
    }
    stk_count(wait ? &worker->counters.input_ns : &worker->counters.read_ns,
              stk_now_ns() - start);
}

/* The first in order of those in a state; placeable: its place is empty. */
static struct stk_job *first_job(struct stk_worker *worker,
                                 enum stk_job_state state, bool placeable)
{
    const stoker_loader *loader = worker->loader;
    struct stk_job *first = NULL;

    for (int32_t i = 0; i < worker->n_jobs; i++) {
        struct stk_job *job = &worker->jobs[i];
        if (job->state != state || (first && first->number < job->number))
            continue;
        if (!placeable ||
            stk_ring_is_empty(&loader->home->ring,
                              loader->first_seq + (uint64_t)job->ticket.seq))
            first = job;
    }
    return first;
}

/* Sleeps until the place of the job's batch is empty, or stop. */
static void wait_for_place(struct stk_worker *worker, struct stk_job *job)
{
    const stoker_loader *loader = worker->loader;
    struct stk_ring *ring = &loader->home->ring;
    uint64_t seq = loader->first_seq + (uint64_t)job->ticket.seq;
    atomic_uint *turn = &stk_ring_place(ring, seq)->turn;
    int64_t start = stk_now_ns();
    unsigned seen = atomic_load_explicit(turn, memory_order_relaxed);

    if (!stk_ring_is_empty(ring, seq) && !(seen & STK_TURN_STOP) &&
        !stk_spin(turn, seen, SPIN_NS))
        stk_wait(turn, seen, stk_now_ns() + SLICE_NS);
    stk_count(&worker->counters.idle_ns, stk_now_ns() - start);
}

static void finish(struct stk_worker *worker, struct stk_job *job)
{
    if (job->id < 0) {
        if (pad_now(worker, job))
            job->state = STK_JOB_FREE;
        return;
    }
    bool is_done = stk_sample_finish(worker, job);
    stk_io_recycle(worker->io, job->read);
    if (is_done)
        job->state = STK_JOB_FREE;
    else
        submit(worker, job);
}

/* One turn of the loop; false when the run is over. */
static bool step(struct stk_worker *worker)
{
    top_up(worker);
    reap(worker, false);
    struct stk_job *job = first_job(worker, STK_JOB_READY, true);
    if (job) {
        finish(worker, job);
        return true;
    }
    if (first_job(worker, STK_JOB_READING, false)) {
        reap(worker, true);
        return true;
    }
    job = first_job(worker, STK_JOB_READY, false);
    if (job)
        wait_for_place(worker, job);
    return job != NULL;
}

static void forget_jobs(struct stk_worker *worker)
{
    for (int32_t i = 0; i < worker->n_jobs; i++) {
        stk_faults_free(worker->jobs[i].faults);
        worker->jobs[i].faults = NULL;
        worker->jobs[i].state = STK_JOB_FREE;
    }
}

static int open_io(struct stk_worker *worker)
{
    const stoker_loader *loader = worker->loader;
    struct stk_io_options io = {
        /* auto may still find that this thread gets no ring of its own */
        .io = loader->io == STOKER_IO_PREAD ? loader->io : loader->opt.io,
        .n_reads = worker->n_jobs,
        .max_file_bytes = loader->opt.max_file_bytes,
        .stall_timeout_ms = loader->opt.stall_timeout_ms,
        .retry_ms = loader->opt.retry_ms,
        .seed = (uint64_t)worker->index,
        .watch = watch_job,
        .watcher = worker,
    };
    int rc = stk_io_open(&worker->io, &io, &worker->error);
    if (rc < 0)
        return rc;
    /* Written once: stats may read it while a seek's next life begins. */
    if (stk_io_kind(worker->io) != loader->io &&
        !atomic_load_explicit(&worker->has_fallen_back, memory_order_relaxed)) {
        snprintf(worker->io_reason, sizeof worker->io_reason, "%s",
                 stk_io_reason(worker->io));
        /* Release: partner is the acquire in stats.c; passes the text. */
        atomic_store_explicit(&worker->has_fallen_back, 1,
                              memory_order_release);
    }
    for (int32_t i = 0; i < worker->n_jobs; i++) {
        worker->jobs[i].read = stk_io_read(worker->io, i);
        worker->jobs[i].read->tag = &worker->jobs[i];
    }
    return 0;
}

static void *body(void *self)
{
    struct stk_worker *worker = self;
    stoker_loader *loader = worker->loader;

    /* The ring of io_uring belongs to the thread that made it. */
    if (open_io(worker) < 0) {
        atomic_store_explicit(&loader->failed_worker, worker->index + 1,
                              memory_order_release);
        return NULL;
    }
    while (!is_stopped(worker) && step(worker))
        ;
    watch(worker, stk_now_ns(), -1);
    worker->left_behind = stk_io_close(&worker->io);
    watch(worker, 0, -1);
    forget_jobs(worker);
    return NULL;
}

int stk_worker_open(struct stk_worker *worker, stoker_loader *loader,
                    int32_t index, stoker_error *err)
{
    worker->loader = loader;
    worker->index = index;
    worker->n_jobs = loader->opt.reads_ahead;
    worker->jobs = stk_calloc((size_t)worker->n_jobs, sizeof *worker->jobs);
    if (!worker->jobs)
        return stk_fail(err, -ENOMEM, "worker: no memory");
    int rc = stk_decoder_open(&worker->decoder, &loader->limits, err);
    if (rc < 0)
        return rc;
    return stk_placer_open(&worker->placer, &loader->program, loader->cpu, err);
}

int stk_worker_start(struct stk_worker *worker, stoker_error *err)
{
    char name[16];

    worker->is_out_of_tickets = false;
    worker->left_behind = 0;
    memcpy(name, "stoker", 7);
    int rc = stk_thread_start(&worker->thread, name, body, worker);
    if (rc < 0)
        return stk_fail(err, rc, "worker %d: cannot start a thread: %s",
                        worker->index, strerror(-rc));
    return 0;
}

int stk_worker_join(struct stk_worker *worker, int64_t deadline_ns)
{
    return stk_thread_join(&worker->thread, deadline_ns);
}

void stk_worker_close(struct stk_worker *worker)
{
    stk_placer_close(&worker->placer);
    stk_decoder_close(&worker->decoder);
    stk_free(worker->jobs);
    worker->jobs = NULL;
}
