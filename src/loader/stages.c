/* One sample's way, stage by stage, with a stopwatch.  Apart from limit.c,
 * which decides what is run how often and what it says. */
#include "loader/stages.h"

#include <errno.h>
#include <string.h>

#include "augment/recipe.h"
#include "base/clock.h"
#include "decode/jpeg_window.h"
#include "plan/dataset.h"

/* A row that was written lately is still near; a batch's rows are not. */
enum { ROWS_BYTES = 16 << 20, MAX_ROWS = 64 };

/* A thread that was off its CPU for less than that part of a run may count. */
enum { AWAY_SHARE = 50 };

/* The least of many, as it is where nothing waits for the clock. */
static int64_t cost_of_clock(void)
{
    int64_t least = INT64_MAX;

    for (int i = 0; i < 16; i++) {
        int64_t start = stk_now_ns(), end = start;
        for (int k = 0; k < 64; k++)
            end = stk_now_ns();
        least = (end - start) / 64 < least ? (end - start) / 64 : least;
    }
    return least;
}

static int begin_placing(struct stk_stager *s,
                         const struct stk_geometry *geometry, stoker_error *err)
{
    uint8_t *row =
        s->rows.data + s->n_run++ % s->n_rows * s->study->program.sample_bytes;
    int64_t start = stk_now_ns();
    int rc = stk_placer_begin(s->placer, geometry, row, err);

    s->weights_ns = stk_now_ns() - start - s->clock_ns;
    s->rows_ns = 0;
    return rc;
}

static int place_all(struct stk_stager *s, struct stk_jpeg_decoder *own,
                     stoker_error *err)
{
    struct stk_strip strip;
    int rc;

    while ((rc = own ? stk_jpeg_decoder_rows(own, &strip)
                     : stk_decoder_rows(s->decoder, &strip, err)) == 1) {
        int64_t start = stk_now_ns();
        stk_placer_rows(s->placer, &strip);
        s->rows_ns += stk_now_ns() - start - s->clock_ns;
    }
    return rc;
}

/* Splits the rows' time between the passes. */
static void end_placing(struct stk_stager *s, struct stk_stages *now)
{
    struct stk_place_times placed;

    stk_placer_times(s->placer, &placed);
    double first = (double)placed.resample_ns;
    double both = first + (double)placed.emit_ns;
    double share = both > 0 ? first / both : 0;
    int64_t across = (int64_t)(share * (double)s->rows_ns);
    now->across = s->weights_ns + across;
    now->down = s->rows_ns - across;
}

/* By our own decoder, stage by stage; 1: not ours. */
static int run_own(struct stk_stager *s, struct stk_span bytes,
                   const struct stk_geometry *geometry, struct stk_stages *now,
                   stoker_error *err)
{
    struct stk_jpeg jpeg;
    struct stk_jpeg_times times = {.clock_ns = s->clock_ns};

    if (stk_jpeg_parse(&jpeg, bytes))
        return 1;
    int64_t start = stk_now_ns();
    int rc = stk_jpeg_decoder_begin(s->own, &jpeg, bytes, &geometry->source);
    if (rc)
        return rc == STK_JPEG_NOT_MINE ? 1 : rc;
    now->probe += stk_now_ns() - start - s->clock_ns; /* its tables */
    rc = begin_placing(s, geometry, err);
    if (rc < 0)
        return rc;
    stk_jpeg_decoder_time(s->own, &times);
    rc = place_all(s, s->own, err);
    stk_jpeg_decoder_time(s->own, NULL);
    end_placing(s, now);
    now->values = times.values_ns;
    now->skip = times.skip_ns;
    now->idct = times.idct_ns;
    now->colour = times.colour_ns;
    return rc == STK_JPEG_NOT_MINE;
}

/* What is not ours: libjpeg, PNG, WebP. */
static int run_other(struct stk_stager *s, const struct stk_geometry *geometry,
                     struct stk_stages *now, stoker_error *err)
{
    int64_t start = stk_now_ns();
    int rc = begin_placing(s, geometry, err);
    if (rc == 0)
        rc = stk_decoder_begin(s->decoder, &geometry->source, err);
    if (rc == 0)
        rc = place_all(s, NULL, err);
    now->fallback = stk_now_ns() - start - s->weights_ns - s->rows_ns;
    end_placing(s, now);
    return rc;
}

static int run_once(struct stk_stager *s, struct stk_span bytes, int64_t id,
                    int64_t epoch, struct stk_stages *now, stoker_error *err)
{
    const struct stk_study *study = s->study;
    struct stk_image image;
    struct stk_geometry geometry;
    int64_t start = stk_now_ns();

    int rc = stk_decoder_probe(s->decoder, bytes, s->job.path, &image, err);
    if (rc < 0)
        return rc;
    const struct stk_key key = {study->opt->seed, (uint64_t)epoch,
                                (uint64_t)id};
    stoker_error why;
    rc = stk_recipe_make(&study->program, key, image.width, image.height,
                         &geometry, &why);
    now->probe = stk_now_ns() - start;
    if (rc < 0)
        return stk_fail(err, rc, "%s: %s", s->job.path, why.text);
    rc = 1;
    if (image.format == STK_FORMAT_JPEG && image.regular &&
        study->limits.decoder == STOKER_DECODER_AUTO)
        rc = run_own(s, bytes, &geometry, now, err);
    if (rc == 1)
        rc = run_other(s, &geometry, now, err);
    return rc;
}

/* Finds the ticket's sample; its name, or its path, is in job.path. */
static int find(struct stk_stager *s, int64_t t, struct stk_part *part,
                stoker_error *err)
{
    const struct stk_study *study = s->study;
    struct stk_job *job = &s->job;

    if (stk_plan_ticket(&study->plan, t, &job->ticket) != 0 ||
        job->ticket.id < 0)
        return stk_fail(err, -ENODATA, "limit: no sample in this rank's share");
    stk_dataset_part(study->dataset, job->ticket.id, job->path,
                     sizeof job->path, part);
    if (part->source == STOKER_SOURCE_MEMORY) { /* errors want a name */
        stk_dataset_name(study->dataset, job->ticket.id, job->path,
                         sizeof job->path);
        part->path = job->path;
    }
    return 0;
}

int64_t stk_stager_run(struct stk_stager *s, int64_t t, struct stk_stages *now,
                       stoker_error *err)
{
    struct stk_read *read = stk_io_read(s->io, 0), *done;
    struct stk_part part;
    bool is_alone = true;

    *now = (struct stk_stages){0};
    int rc = find(s, t, &part, err);
    if (rc < 0)
        return rc;
    int64_t id = s->job.ticket.id;
    int64_t start = stk_now_ns();
    stk_io_submit(s->io, read, &part);
    while (stk_io_reap(s->io, &done, 1, 1000) == 0)
        ;
    now->read = stk_now_ns() - start;
    rc = read->result;
    int64_t n_bytes = (int64_t)read->bytes.n;
    if (rc < 0) {
        *err = read->error;
        stk_fail_at(err, STOKER_STAGE_READ, id, rc);
    } else {
        int64_t cpu = stk_thread_cpu_ns();
        start = stk_now_ns();
        rc = run_once(s, read->bytes, id, s->job.ticket.epoch, now, err);
        int64_t passed = stk_now_ns() - start;
        is_alone = passed - (stk_thread_cpu_ns() - cpu) < passed / AWAY_SHARE;
        if (rc < 0)
            stk_fail_at(err, STOKER_STAGE_DECODE, id, rc);
    }
    stk_decoder_end(s->decoder);
    stk_io_recycle(s->io, read);
    return rc < 0 ? rc : is_alone ? n_bytes : 0;
}

int stk_stager_open(struct stk_stager *s, const struct stk_study *study,
                    stoker_error *err)
{
    const stoker_options *opt = study->opt;
    const struct stk_io_options io = {
        .io = STOKER_IO_PREAD,
        .n_reads = 1,
        .max_file_bytes = opt->max_file_bytes,
        .stall_timeout_ms = opt->stall_timeout_ms,
        .retry_ms = opt->retry_ms,
    };

    s->study = study;
    s->clock_ns = cost_of_clock();
    s->n_rows = ROWS_BYTES / study->program.sample_bytes;
    s->n_rows = s->n_rows < 1 ? 1 : s->n_rows > MAX_ROWS ? MAX_ROWS : s->n_rows;
    int rc = stk_io_open(&s->io, &io, err);
    if (rc == 0)
        rc = stk_decoder_open(&s->decoder, &study->limits, err);
    if (rc == 0 && stk_jpeg_decoder_open(&s->own, study->limits.cpu) < 0)
        rc = stk_fail(err, -ENOMEM, "limit: no memory for a decoder");
    if (rc == 0)
        rc = stk_placer_open(&s->placer, &study->program, study->limits.cpu,
                             err);
    stoker_options own = *opt;
    own.arena = NULL; /* the caller's is the loader's */
    size_t bytes = s->n_rows * study->program.sample_bytes;
    if (rc == 0)
        rc = stk_memory_open(&s->rows, &own, bytes, -1, err);
    if (rc == 0)
        memset(s->rows.data, 0, bytes); /* no first touch while time is taken */
    return rc;
}

void stk_stager_close(struct stk_stager *s)
{
    stk_memory_close(&s->rows);
    stk_placer_close(&s->placer);
    stk_jpeg_decoder_close(&s->own);
    stk_decoder_close(&s->decoder);
    stk_io_close(&s->io);
}
