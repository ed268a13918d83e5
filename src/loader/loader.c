/* Builds, starts, stops and takes down a loader; it holds no loop over
 * samples: that is worker.c. */
#include "loader/loader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "loader/feed.h"
#include "loader/worker.h"
#include "plan/cursor.h"
#include "plan/dataset.h"
#include "sync/wait.h"

static int open_rows(stoker_loader *loader, stoker_error *err)
{
    size_t n = (size_t)loader->n_rows, n_places = loader->home->ring.n;

    loader->rows = stk_calloc(n_places, sizeof *loader->rows);
    loader->rows_memory = stk_calloc_aligned(n_places, stk_columns_bytes(n));
    if (!loader->rows || !loader->rows_memory)
        return stk_fail(err, -ENOMEM, "loader: no memory");
    for (size_t i = 0; i < n_places; i++)
        stk_columns_lay(
            &loader->rows[i],
            (uint8_t *)loader->rows_memory + i * stk_columns_bytes(n), n);
    return 0;
}

static void forget_rows(stoker_loader *loader)
{
    if (loader->rows && loader->rows_memory)
        for (size_t i = 0; i < loader->home->ring.n; i++)
            stk_columns_forget(&loader->rows[i], (size_t)loader->n_rows);
}

static int open_workers(stoker_loader *loader, stoker_error *err)
{
    int n = loader->opt.n_workers ? loader->opt.n_workers : stk_cpu_usable();

    loader->workers = stk_calloc_aligned((size_t)n, sizeof *loader->workers);
    if (!loader->workers)
        return stk_fail(err, -ENOMEM, "loader: no memory");
    loader->opt.reads_ahead = stk_reads_fit(loader->opt.reads_ahead, n);
    for (int i = 0; i < n; i++) {
        loader->n_workers = i + 1;
        int rc = stk_worker_open(&loader->workers[i], loader, i, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int resolve(stoker_loader *loader, stoker_error *err)
{
    const stoker_options *opt = &loader->opt;

    loader->cpu = stk_cpu_resolve(opt->cpu);
    if (loader->cpu < 0)
        return stk_fail(err, -ENOTSUP, "cpu: this machine does not run %s",
                        stk_cpu_name(opt->cpu));
    loader->io = opt->io;
    if (opt->io == STOKER_IO_PREAD)
        return 0;
    bool has_uring =
        stk_io_probe(loader->io_reason, sizeof loader->io_reason) == 0;
    if (!has_uring && opt->io == STOKER_IO_URING)
        return stk_fail(err, -EPERM, "io: io_uring was asked for, but %s",
                        loader->io_reason);
    loader->io = has_uring ? STOKER_IO_URING : STOKER_IO_PREAD;
    return 0;
}

/* With a kernel on the device the workers write bytes. */
static void split_program(stoker_loader *loader, const struct stk_gpu *gpu)
{
    struct stk_program *program = &loader->program;

    *program = loader->output;
    if (!gpu || !gpu->device.has_kernel)
        return;
    size_t n = 3 * (size_t)program->out_height * (size_t)program->out_width;
    program->dtype = STOKER_U8;
    program->has_normalize = false;
    program->sample_bytes = n;
    for (int c = 0; c < 3; c++)
        for (uint32_t v = 0; v < 256; v++)
            program->table[c][v] = v;
}

static int build_home(stoker_loader *loader, stoker_error *err)
{
    const stoker_options *opt = &loader->opt;
    const size_t n = (size_t)loader->plan.rows;
    struct stk_gpu *gpu;
    size_t image_bytes, out_bytes = 0;

    int rc = stk_gpu_open(&gpu, opt, &loader->output, loader->gpu_reason,
                          sizeof loader->gpu_reason, err);
    if (rc < 0)
        return rc;
    split_program(loader, gpu);
    if (stk_mul_overflows(loader->program.sample_bytes, n, &image_bytes) ||
        stk_mul_overflows(loader->output.sample_bytes, n, &out_bytes) ||
        image_bytes > SIZE_MAX / 4)
        image_bytes = SIZE_MAX / 2; /* refused below */
    loader->buffer_bytes = stk_feed_buffer_bytes(
        image_bytes, n, &loader->label_at, &loader->valid_at);
    loader->home = stk_home_open(opt, loader->buffer_bytes, gpu, err);
    if (!loader->home)
        return err->code;
    if (gpu)
        rc = stk_gpu_open_buffers(gpu, opt, loader->buffer_bytes, out_bytes,
                                  err);
    if (rc == 0 && gpu && gpu->has_device)
        rc = stk_feed_open(&loader->feed, loader, err);
    return rc;
}

/* What the caller's pointers lead to is copied or used up here. */
static int build(stoker_loader *loader, stoker_error *err)
{
    stoker_options *opt = &loader->opt;

    int rc = stk_program_from(&loader->output, opt, err);
    opt->transforms = NULL;
    if (rc == 0)
        rc = resolve(loader, err);
    if (rc == 0)
        rc = stk_plan_init(&loader->plan, opt, loader->n_items, 0, 0, err);
    if (rc == 0)
        rc = stk_book_open(&loader->book, opt, loader->n_items, err);
    opt->ledger_path = NULL;
    if (rc < 0)
        return rc;
    stk_limits_set(&loader->limits, opt, loader->cpu);
    loader->n_rows = loader->plan.rows;
    rc = build_home(loader, err);
    if (rc == 0)
        rc = open_rows(loader, err);
    return rc < 0 ? rc : open_workers(loader, err);
}

static void loader_free(stoker_loader *loader)
{
    for (int32_t i = 0; i < loader->n_workers; i++)
        stk_worker_close(&loader->workers[i]);
    stk_free(loader->workers);
    stk_book_close(&loader->book);
    stk_feed_close(loader->feed);
    if (loader->home) {
        forget_rows(loader);
        stk_home_release(loader->home);
    }
    stk_free(loader->rows);
    stk_free(loader->rows_memory);
    stk_dataset_free(loader->dataset);
    pthread_cond_destroy(&loader->left);
    pthread_mutex_destroy(&loader->turnstile);
    pthread_mutex_destroy(&loader->lock);
    stk_free(loader);
}

int stk_loader_open(stoker_loader **out, stoker_dataset *ds,
                    const stoker_options *opt, stoker_error *err)
{
    stoker_loader *loader = stk_calloc_aligned(1, sizeof *loader);

    if (!loader)
        return stk_fail(err, -ENOMEM, "loader: no memory");
    pthread_mutex_init(&loader->turnstile, NULL);
    pthread_cond_init(&loader->left, NULL);
    pthread_mutex_init(&loader->lock, NULL);
    loader->opened_ns = stk_now_ns();
    loader->opt = *opt;
    loader->book.ledger.fd = -1;
    stk_dataset_retain(ds);
    loader->dataset = ds;
    loader->n_items = stk_dataset_n(ds);
    int rc = build(loader, err);
    if (rc < 0) {
        loader_free(loader);
        return rc;
    }
    *out = loader;
    return 0;
}

static void wake_all(stoker_loader *loader)
{
    struct stk_ring *ring = &loader->home->ring;
    for (uint32_t i = 0; i < ring->n; i++)
        stk_wake(&ring->places[i].turn);
}

int stk_loader_start(stoker_loader *loader, stoker_error *err)
{
    struct stk_gpu *gpu = loader->home->gpu;
    int rc = 0;

    /* From here on there is something to stop, whatever fails. */
    loader->is_running = true;
    /* Relaxed: no worker runs. */
    atomic_store_explicit(&loader->failed_worker, 0, memory_order_relaxed);
    if (gpu)
        rc = stk_gpu_start(gpu, loader->home, err);
    for (int32_t i = 0; rc == 0 && i < loader->n_workers; i++) {
        rc = stk_worker_start(&loader->workers[i], err);
        if (rc < 0 && i > 0) { /* those that run do the work */
            stk_error_clear(err);
            rc = 0;
            break;
        }
    }
    if (rc == 0 && loader->feed)
        rc = stk_feed_start(loader->feed, err);
    return rc;
}

/* A reader's close waits a second for what it cancelled: that worker is not
 * lost. */
#define SETTLE_NS INT64_C(1500000000)

/* Stops and joins; -ETIMEDOUT when one hung in a read and was abandoned, or
 * left reads that the kernel never answered.  has_lost_thread tells apart. */
static int stop(stoker_loader *loader)
{
    struct stk_gpu *gpu = loader->home->gpu;
    int64_t deadline = stk_now_ns() + SETTLE_NS +
                       (int64_t)loader->opt.stall_timeout_ms * 1000000;
    int rc = 0;

    if (!loader->is_running)
        return loader->has_lost_thread ? -ETIMEDOUT : 0;
    stk_ring_stop(&loader->home->ring);
    wake_all(loader);
    bool is_lost = loader->feed && stk_feed_stop(loader->feed, deadline) < 0;
    for (int32_t i = 0; i < loader->n_workers; i++) {
        struct stk_worker *worker = &loader->workers[i];
        if (stk_worker_join(worker, deadline) < 0)
            is_lost = true; /* and still writes what is its own */
        else if (worker->left_behind)
            rc = -ETIMEDOUT;
    }
    if (gpu && stk_gpu_stop(gpu, deadline) < 0)
        is_lost = true;
    loader->has_lost_thread = is_lost;
    loader->is_running = false;
    return is_lost ? -ETIMEDOUT : rc;
}

void stk_loader_leave(stoker_loader *loader)
{
    /* In the turnstile, as close looks: its wait misses no signal. */
    if (atomic_fetch_sub(&loader->n_callers, 1) == 1)
        pthread_cond_signal(&loader->left);
    pthread_mutex_unlock(&loader->turnstile);
}

int stk_loader_enter(stoker_loader *loader, stoker_error *err)
{
    atomic_fetch_add(&loader->n_callers, 1);
    pthread_mutex_lock(&loader->turnstile);
    if (!atomic_load(&loader->is_closing))
        return 0;
    stk_loader_leave(loader);
    return stk_fail(err, -ECANCELED, "the loader is being closed");
}

int stk_loader_close(stoker_loader *loader)
{
    if (!stk_home_is_ours(loader->home))
        return 0; /* the parent's threads and memory: nothing here is ours */
    /* Seq_cst: a thread in next sees it at its next slice at the latest. */
    atomic_store(&loader->is_closing, 1);
    wake_all(loader);
    pthread_mutex_lock(&loader->turnstile);
    while (atomic_load(&loader->n_callers))
        pthread_cond_wait(&loader->left, &loader->turnstile);
    int rc = stop(loader);
    pthread_mutex_unlock(&loader->turnstile);
    /* An abandoned worker may come back one day: its loader stays. */
    if (!loader->has_lost_thread)
        loader_free(loader);
    return rc;
}

void stk_loader_cursor(stoker_loader *loader, stoker_cursor *out)
{
    const stoker_options *opt = &loader->opt;
    stoker_cursor full = {
        .size = sizeof full,
        .n_items = loader->n_items,
        .seed = opt->seed,
        .transforms_hash = loader->program.hash,
        .shuffle = opt->shuffle,
        .planner_version = STOKER_PLANNER_VERSION,
        .pixels = opt->pixels,
        .on_error = opt->on_error,
    };

    stk_dataset_fingerprint(loader->dataset, full.fingerprint);
    snprintf(full.decoder, sizeof full.decoder, "%s", stk_decoder_version());
    pthread_mutex_lock(&loader->lock);
    full.epoch = loader->epoch;
    full.consumed = loader->consumed;
    pthread_mutex_unlock(&loader->lock);
    *out = full;
}

/* The plan from a place on.  An epoch that has nothing left there begins with
 * its end, and then comes the next. */
static int plan_from(const stoker_loader *loader, const stoker_cursor *to,
                     struct stk_plan *plan, bool *is_spent, stoker_error *err)
{
    *is_spent = to->consumed > 0 &&
                stk_plan_steps_from(&loader->plan, to->consumed) == 0;
    return stk_plan_init(plan, &loader->opt, loader->n_items,
                         *is_spent ? to->epoch + 1 : to->epoch,
                         *is_spent ? 0 : to->consumed, err);
}

/* Makes the ring and the rows as if nothing had been read ahead. */
static void forget_ahead(stoker_loader *loader)
{
    struct stk_ring *ring = &loader->home->ring;

    stk_ring_rewind(ring, loader->seq);
    stk_ring_go(ring);
    forget_rows(loader);
    loader->first_seq = loader->seq;
    loader->n_out = 0;
    /* Relaxed: no worker runs; starting one hands this over. */
    atomic_store_explicit(&loader->next_ticket, 0, memory_order_relaxed);
}

/* In the turnstile. */
static int move(stoker_loader *loader, const stoker_cursor *to,
                stoker_error *err)
{
    struct stk_plan plan;
    bool is_spent;

    int rc = plan_from(loader, to, &plan, &is_spent, err);
    if (rc < 0)
        return rc;
    rc = stop(loader);
    if (loader->has_lost_thread)
        return stk_fail(err, rc,
                        "seek: a worker hangs in a read; close this loader "
                        "and open another");
    pthread_mutex_lock(&loader->lock);
    forget_ahead(loader);
    loader->plan = plan;
    loader->end_is_due = is_spent;
    loader->sticky.code = 0;
    loader->epoch = to->epoch;
    loader->consumed = to->consumed;
    memset(&loader->digest, 0, sizeof loader->digest);
    loader->digest_epoch = to->epoch;
    loader->digest_from = to->consumed;
    stk_book_begin(&loader->book);
    pthread_mutex_unlock(&loader->lock);
    return 0;
}

int stk_loader_seek(stoker_loader *loader, const stoker_cursor *to,
                    stoker_error *err)
{
    stoker_cursor own;
    char warning[sizeof err->text];

    if (!stk_home_is_ours(loader->home))
        return stk_fail(err, -EOWNERDEAD, "loader: opened before a fork");
    stk_loader_cursor(loader, &own);
    int rc = stk_cursor_check(to, &own, warning, sizeof warning, err);
    if (rc < 0)
        return rc;
    rc = stk_loader_enter(loader, err);
    if (rc < 0)
        return rc;
    rc = move(loader, to, err);
    stk_loader_leave(loader);
    if (rc == 0)
        memcpy(err->text, warning, sizeof warning);
    return rc;
}
