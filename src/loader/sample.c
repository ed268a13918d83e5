/* One sample, downhill: probe, recipe, decode window, place; then its row is
 * counted.  An error is cargo: it marks the row and goes down the same way. */
#include <errno.h>
#include <string.h>

#include "augment/recipe.h"
#include "base/clock.h"
#include "base/hash.h"
#include "loader/worker.h"
#include "plan/dataset.h"
#include "plan/digest.h"
#include "sync/wait.h"

static const char *job_name(const struct stk_worker *worker,
                            struct stk_job *job)
{
    stk_dataset_name(worker->loader->dataset, job->id, job->path,
                     sizeof job->path);
    return job->path;
}

/* The row's first byte in its batch's buffer. */
static uint8_t *row_image(const stoker_loader *loader,
                          const struct stk_ticket *at)
{
    const struct stk_home *home = loader->home;
    const struct stk_place *place = stk_ring_place(
        (struct stk_ring *)&home->ring, loader->first_seq + (uint64_t)at->seq);
    return stk_arena_buffer(&home->arena, place->buffer) +
           loader->program.sample_bytes * (size_t)at->row;
}

static struct stk_columns *rows_of(const stoker_loader *loader,
                                   const struct stk_ticket *at)
{
    uint64_t seq = loader->first_seq + (uint64_t)at->seq;
    return &loader->rows[seq % loader->home->ring.n];
}

static void count_row(const stoker_loader *loader, const struct stk_ticket *at)
{
    struct stk_ring *ring = &loader->home->ring;
    uint64_t seq = loader->first_seq + (uint64_t)at->seq;

    if (stk_ring_row_done(ring, seq, (uint32_t)at->n_rows))
        stk_wake(&stk_ring_place(ring, seq)->turn);
}

/* Rows of the window flow from decoder to placer, a strip at a time. */
static int flow_rows(struct stk_worker *worker, stoker_error *err)
{
    struct stk_strip strip;
    int rc;

    while ((rc = stk_decoder_rows(worker->decoder, &strip, err)) > 0)
        stk_placer_rows(worker->placer, &strip);
    if (rc < 0)
        return stk_fail_at(err, STOKER_STAGE_DECODE, -1, rc);
    if (!stk_placer_done(worker->placer))
        return stk_fail_at(err, STOKER_STAGE_DECODE, -1,
                           stk_fail(err, -EIO, "rows are missing"));
    return 0;
}

/* The placer times one strip of an image for all of them.  What took long only
 * there, as a page's first touch or another process, must not count for more
 * time than passed. */
static void bound_times(struct stk_place_times *times, int64_t all)
{
    int64_t placed = times->resample_ns + times->emit_ns;

    if (placed <= all)
        return;
    times->resample_ns =
        (int64_t)((double)times->resample_ns / (double)placed * (double)all);
    times->emit_ns = all - times->resample_ns;
}

/* The way of one sample from its bytes to its pixels. */
static int run(struct stk_worker *worker, struct stk_job *job,
               struct stk_span bytes, struct stk_geometry *geometry,
               stoker_error *err)
{
    const stoker_loader *loader = worker->loader;
    struct stk_counters *counters = &worker->counters;
    struct stk_image image;
    int64_t start = stk_now_ns();

    int rc = stk_decoder_probe(worker->decoder, bytes, job_name(worker, job),
                               &image, err);
    int64_t probed = stk_now_ns();
    stk_count(&counters->probe_ns, probed - start);
    if (rc < 0)
        return stk_fail_at(err, STOKER_STAGE_PROBE, job->id, rc);

    const struct stk_key key = {loader->opt.seed, (uint64_t)job->ticket.epoch,
                                (uint64_t)job->id};
    stoker_error why;
    rc = stk_recipe_make(&loader->program, key, image.width, image.height,
                         geometry, &why);
    if (rc < 0)
        return stk_fail_at(err, STOKER_STAGE_AUGMENT, job->id,
                           stk_fail(err, rc, "%s: %s", job->path, why.text));

    rc = stk_placer_begin(worker->placer, geometry,
                          row_image(loader, &job->ticket), err);
    if (rc < 0)
        return stk_fail_at(err, STOKER_STAGE_AUGMENT, job->id, rc);
    rc = stk_decoder_begin(worker->decoder, &geometry->source, err);
    if (rc == 0)
        rc = flow_rows(worker, err);
    if (rc < 0)
        return stk_fail_at(err, STOKER_STAGE_DECODE, job->id, rc);

    struct stk_place_times times;
    stk_placer_times(worker->placer, &times);
    int64_t all = stk_now_ns() - probed;
    bound_times(&times, all);
    stk_count(&counters->decode_ns, all - times.resample_ns - times.emit_ns);
    stk_count(&counters->resample_ns, times.resample_ns);
    stk_count(&counters->emit_ns, times.emit_ns);
    stk_count(&counters->n_own, stk_decoder_was_own(worker->decoder));
    return 0;
}

static void fill_good(struct stk_worker *worker, struct stk_job *job,
                      const struct stk_geometry *geometry)
{
    struct stk_columns *rows = rows_of(worker->loader, &job->ticket);
    const int64_t row = job->ticket.row;
    const struct stk_window *window = &geometry->report;

    rows->label[row] = stk_dataset_label(worker->loader->dataset, job->id);
    rows->id[row] = job->id;
    rows->valid[row] = 1;
    rows->flip[row] =
        (uint8_t)(geometry->flip_horizontal | geometry->flip_vertical << 1);
    memcpy(
        rows->window[row],
        (int32_t[]){window->top, window->left, window->height, window->width},
        sizeof rows->window[row]);
    rows->code[row] = 0;
    rows->attempt[row] = job->attempt;
    rows->planned_id[row] = job->ticket.id;
    rows->faults[row] = job->faults;
    memset(rows->pixels[row], 0, sizeof rows->pixels[row]);
    if (worker->loader->opt.digest_pixels)
        stk_digest_image(rows->pixels[row], job->id,
                         row_image(worker->loader, &job->ticket),
                         worker->loader->program.sample_bytes);
}

/* A row without pixels: zeros; id -1 is padding. */
static void fill_empty(stoker_loader *loader, const struct stk_ticket *at,
                       int64_t id, int32_t code, struct stk_fault *faults)
{
    struct stk_columns *rows = rows_of(loader, at);
    const int64_t row = at->row;

    memset(row_image(loader, at), 0, loader->program.sample_bytes);
    rows->label[row] = -100;
    rows->id[row] = id;
    rows->valid[row] = 0;
    rows->flip[row] = 0;
    memset(rows->window[row], 0, sizeof rows->window[row]);
    memset(rows->pixels[row], 0, sizeof rows->pixels[row]);
    rows->code[row] = code;
    rows->attempt[row] = 0;
    rows->planned_id[row] = id;
    rows->faults[row] = faults;
}

void stk_sample_pad(struct stk_worker *worker, const struct stk_ticket *at)
{
    fill_empty(worker->loader, at, -1, 0, NULL);
    count_row(worker->loader, at);
}

/* Enough for a data set of which a tenth is bad; few enough that a mount that
 * fails after long retries ends the run soon. */
enum { MAX_SUBSTITUTES = 8 };

/* Books a failed attempt; true when a substitute is to be tried. */
static bool book_failure(struct stk_worker *worker, struct stk_job *job,
                         struct stk_span bytes, stoker_error *err)
{
    stoker_loader *loader = worker->loader;
    struct stk_fault *fault = stk_fault_make(
        err, job->ticket.epoch, job->ticket.position, job->attempt);

    if (!fault) { /* a bad sample that cannot be listed ends the run */
        err->code = -ENOMEM;
        return false;
    }
    if (bytes.n)
        stk_hash128(bytes.data, bytes.n, fault->bad.hash);
    fault->bad.id = job->id;
    *job->faults_end = fault;
    job->faults_end = &fault->next;
    if (loader->opt.on_error != STOKER_REFILL ||
        stk_fault_is_environment(err->code) || job->attempt >= MAX_SUBSTITUTES)
        return false;
    job->attempt++;
    job->id = stk_order_substitute(loader->opt.seed, job->ticket.epoch,
                                   loader->n_items, job->ticket.position,
                                   job->attempt);
    return true;
}

bool stk_sample_finish(struct stk_worker *worker, struct stk_job *job)
{
    stoker_loader *loader = worker->loader;
    struct stk_geometry geometry;
    struct stk_span bytes = {0};
    stoker_error err;

    stk_error_clear(&err);
    int rc = job->read->result;
    if (rc < 0) {
        err = job->read->error;
        stk_fail_at(&err, STOKER_STAGE_READ, job->id, rc);
    } else {
        bytes = job->read->bytes;
        stk_count(&worker->counters.bytes_read, (int64_t)bytes.n);
        rc = run(worker, job, bytes, &geometry, &err);
        stk_decoder_end(worker->decoder);
        stk_count_set(&worker->counters.scratch_bytes,
                      (int64_t)(stk_decoder_scratch_bytes(worker->decoder) +
                                stk_placer_scratch_bytes(worker->placer)));
    }
    if (rc == 0) {
        fill_good(worker, job, &geometry);
    } else {
        if (book_failure(worker, job, bytes, &err))
            return false;
        fill_empty(loader, &job->ticket, job->ticket.id, err.code, job->faults);
    }
    job->faults = NULL; /* the row has them now */
    stk_count(&worker->counters.n_samples, 1);
    count_row(loader, &job->ticket);
    return true;
}
