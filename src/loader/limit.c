/* What one core needs for each stage over exactly these files and windows,
 * with nothing between the stages, on as many cores at once as the loader
 * has workers: clocks, caches and memory are then those of the real run. */
#include "loader/limit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "augment/place.h"
#include "augment/recipe.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "decode/jpeg_window.h"
#include "loader/worker.h"
#include "plan/dataset.h"
#include "sync/wait.h"

enum { N_ROUNDS = 3, COPY_BYTES = 64 << 20 };

/* One thread's share of the samples. */
struct probe {
    struct stk_thread thread;
    const struct study *study;
    int32_t index;
    struct stk_io *io;
    struct stk_decoder *decoder;
    struct stk_jpeg_decoder *own;
    struct stk_placer *placer;
    struct stk_scratch sample;
    struct stk_job job;
    stoker_limit sum; /* its n_samples is the thread's own count */
    int64_t n_bytes, read_wall_ns, copy_ns;
    int rc;
    stoker_error error;
};

struct study {
    stoker_dataset *dataset;
    const stoker_options *opt;
    struct stk_program program;
    struct stk_plan plan;
    struct stk_decode_limits limits;
    int32_t n_threads;
    int64_t n_samples;
};

/* The stages of one sample, timed; the least of each over the rounds. */
struct stages {
    int64_t probe, values, skip, idct, colour, across, down, fallback;
};

static void keep_least(struct stages *least, const struct stages *now)
{
    int64_t *a = &least->probe;
    const int64_t *b = &now->probe;
    for (size_t i = 0; i < sizeof *least / sizeof *a; i++)
        a[i] = a[i] && a[i] < b[i] ? a[i] : b[i];
}

static int place_all(struct probe *p, struct stk_jpeg_decoder *own,
                     stoker_error *err)
{
    struct stk_strip strip;
    int rc;

    while ((rc = own ? stk_jpeg_decoder_rows(own, &strip)
                     : stk_decoder_rows(p->decoder, &strip, err)) == 1)
        stk_placer_rows(p->placer, &strip);
    return rc;
}

/* By our own decoder, stage by stage; 1: not ours. */
static int run_own(struct probe *p, struct stk_span bytes,
                   const struct stk_geometry *geometry, struct stages *now,
                   stoker_error *err)
{
    struct stk_jpeg jpeg;
    struct stk_jpeg_times times = {0};
    struct stk_place_times placed;

    if (stk_jpeg_parse(&jpeg, bytes))
        return 1;
    int64_t start = stk_now_ns();
    int rc = stk_jpeg_decoder_begin(p->own, &jpeg, bytes, &geometry->source);
    if (rc)
        return rc == STK_JPEG_NOT_MINE ? 1 : rc;
    now->probe += stk_now_ns() - start; /* its tables */
    rc = stk_placer_begin(p->placer, geometry, p->sample.data, err);
    if (rc < 0)
        return rc;
    stk_jpeg_decoder_time(p->own, &times);
    rc = place_all(p, p->own, err);
    stk_jpeg_decoder_time(p->own, NULL);
    stk_placer_times(p->placer, &placed);
    now->values = times.values_ns;
    now->skip = times.skip_ns;
    now->idct = times.idct_ns;
    now->colour = times.colour_ns;
    now->across = placed.resample_ns;
    now->down = placed.emit_ns;
    return rc == STK_JPEG_NOT_MINE;
}

/* What is not ours: libjpeg, PNG, WebP. */
static int run_other(struct probe *p, const struct stk_geometry *geometry,
                     struct stages *now, stoker_error *err)
{
    struct stk_place_times placed;
    int64_t start = stk_now_ns();

    int rc = stk_placer_begin(p->placer, geometry, p->sample.data, err);
    if (rc == 0)
        rc = stk_decoder_begin(p->decoder, &geometry->source, err);
    if (rc == 0)
        rc = place_all(p, NULL, err);
    stk_placer_times(p->placer, &placed);
    now->across = placed.resample_ns;
    now->down = placed.emit_ns;
    now->fallback = stk_now_ns() - start - placed.resample_ns - placed.emit_ns;
    return rc;
}

static int run_once(struct probe *p, struct stk_span bytes, int64_t id,
                    int64_t epoch, struct stages *now, stoker_error *err)
{
    const struct study *study = p->study;
    struct stk_image image;
    struct stk_geometry geometry;
    int64_t start = stk_now_ns();

    int rc = stk_decoder_probe(p->decoder, bytes, p->job.path, &image, err);
    if (rc < 0)
        return rc;
    const struct stk_key key = {study->opt->seed, (uint64_t)epoch,
                                (uint64_t)id};
    rc = stk_recipe_make(&study->program, key, image.width, image.height,
                         &geometry, err);
    now->probe = stk_now_ns() - start;
    if (rc < 0)
        return rc;
    rc = 1;
    if (image.format == STK_FORMAT_JPEG && image.regular &&
        study->limits.decoder == STOKER_DECODER_AUTO)
        rc = run_own(p, bytes, &geometry, now, err);
    if (rc == 1)
        rc = run_other(p, &geometry, now, err);
    return rc;
}

static void add(stoker_limit *sum, const struct stages *least)
{
    sum->n_samples++;
    sum->probe_ns += (double)least->probe;
    sum->values_ns += (double)least->values;
    sum->skip_ns += (double)least->skip;
    sum->idct_ns += (double)least->idct;
    sum->colour_ns += (double)least->colour;
    sum->horizontal_ns += (double)least->across;
    sum->vertical_ns += (double)least->down;
    sum->fallback_ns += (double)least->fallback;
}

/* Reads one sample and runs it through; a bad one counts for nothing. */
static void study_sample(struct probe *p, int64_t t)
{
    const struct study *study = p->study;
    struct stk_read *read = stk_io_read(p->io, 0), *done;
    struct stk_part part;
    struct stages least = {0};
    stoker_error err;

    if (stk_plan_ticket(&study->plan, t, &p->job.ticket) != 0 ||
        p->job.ticket.id < 0 ||
        stk_dataset_part(study->dataset, p->job.ticket.id, p->job.path,
                         sizeof p->job.path, &part) < 0)
        return;
    int64_t start = stk_now_ns();
    stk_io_submit(p->io, read, &part);
    while (stk_io_reap(p->io, &done, 1, 1000) == 0)
        ;
    p->read_wall_ns += stk_now_ns() - start;
    int rc = read->result;
    for (int i = 0; i < N_ROUNDS && rc == 0; i++) {
        struct stages now = {0};
        rc = run_once(p, read->bytes, p->job.ticket.id, p->job.ticket.epoch,
                      &now, &err);
        keep_least(&least, &now);
        stk_decoder_end(p->decoder);
    }
    p->n_bytes += rc == 0 ? (int64_t)read->bytes.n : 0;
    if (rc == 0)
        add(&p->sum, &least);
    stk_io_recycle(p->io, read);
}

/* Memory bandwidth with all threads at it: bytes that a copy reads and
 * writes. */
static void study_memory(struct probe *p)
{
    uint8_t *block = stk_calloc_aligned(2, COPY_BYTES);
    if (!block)
        return;
    memset(block, 1, 2 * (size_t)COPY_BYTES);
    int64_t start = stk_now_ns();
    for (int i = 0; i < 4; i++)
        memcpy(block + (size_t)(i & 1) * COPY_BYTES,
               block + (size_t)(~i & 1) * COPY_BYTES, COPY_BYTES);
    p->copy_ns = stk_now_ns() - start;
    stk_free(block);
}

static void *body(void *self)
{
    struct probe *p = self;
    const struct study *study = p->study;
    const stoker_options *opt = study->opt;
    struct stk_io_options io = {
        .io = STOKER_IO_PREAD,
        .n_reads = 1,
        .max_file_bytes = opt->max_file_bytes,
        .stall_timeout_ms = opt->stall_timeout_ms,
        .retry_ms = opt->retry_ms,
    };

    p->rc = stk_io_open(&p->io, &io, &p->error);
    if (p->rc == 0)
        p->rc = stk_decoder_open(&p->decoder, &study->limits, &p->error);
    if (p->rc == 0)
        p->rc = stk_jpeg_decoder_open(&p->own, study->limits.cpu);
    if (p->rc == 0)
        p->rc = stk_placer_open(&p->placer, &study->program, study->limits.cpu,
                                &p->error);
    if (p->rc == 0)
        p->rc = stk_scratch_reserve(&p->sample, study->program.sample_bytes);
    for (int64_t t = p->index; p->rc == 0 && t < study->n_samples;
         t += study->n_threads)
        study_sample(p, t);
    study_memory(p);
    stk_scratch_fini(&p->sample);
    stk_placer_close(&p->placer);
    stk_jpeg_decoder_close(&p->own);
    stk_decoder_close(&p->decoder);
    if (p->io)
        stk_io_close(&p->io);
    return NULL;
}

/* Means a sample, bandwidths, and which term binds. */
static void conclude(const struct study *study, const struct probe *probes,
                     stoker_limit *out)
{
    double read_ns = 0, copied = 0, bytes = 0;

    for (int32_t i = 0; i < study->n_threads; i++) {
        const struct probe *p = &probes[i];
        double *to = &out->probe_ns;
        const double *from = &p->sum.probe_ns;
        /* probe_ns ... fallback_ns stand side by side. */
        for (int k = 0; k < 8; k++)
            to[k] += from[k];
        out->n_samples += p->sum.n_samples;
        read_ns += (double)p->read_wall_ns;
        bytes += (double)p->n_bytes;
        if (p->copy_ns)
            copied += 8.0 * COPY_BYTES * 1e9 / (double)p->copy_ns;
    }
    double n = out->n_samples ? (double)out->n_samples : 1, cpu = 0;
    double *to = &out->probe_ns;
    for (int k = 0; k < 8; k++) {
        to[k] /= n;
        cpu += to[k];
    }
    out->read_ns = read_ns / n;
    out->memory_bytes_s = copied;
    out->read_bytes_s =
        read_ns > 0 ? bytes * study->n_threads * 1e9 / read_ns : 0;
    out->sample_file_bytes = bytes / n;
    /* File: into the page cache, read, written to the buffer, read again;
     * sample: fetched, written, and read by whoever takes it. */
    out->sample_memory_bytes =
        3 * out->sample_file_bytes + 3 * (double)study->program.sample_bytes;
    double by_cpu = 1e9 * study->n_threads / (cpu + out->read_ns);
    double by_memory = copied / out->sample_memory_bytes;
    out->limit_img_s = by_memory < by_cpu ? by_memory : by_cpu;
    snprintf(out->binding, sizeof out->binding, "%s",
             by_memory < by_cpu                          ? "memory"
             : out->read_ns > cpu                        ? "reading"
             : out->values_ns + out->skip_ns > 0.4 * cpu ? "entropy decoding"
             : out->fallback_ns > 0.4 * cpu              ? "other decoders"
                                                         : "CPU");
}

int stk_limit_measure(stoker_dataset *ds, const stoker_options *opt,
                      int64_t n_samples, stoker_limit *out, stoker_error *err)
{
    struct study study = {.dataset = ds, .opt = opt, .n_samples = n_samples};
    int cpu = stk_cpu_resolve(opt->cpu);

    if (cpu < 0)
        return stk_fail(err, -ENOTSUP, "cpu: this machine does not run %s",
                        stk_cpu_name(opt->cpu));
    int rc = stk_program_from(&study.program, opt, err);
    if (rc == 0)
        rc = stk_plan_init(&study.plan, opt, stoker_dataset_count(ds), 0, 0,
                           err);
    if (rc < 0)
        return rc;
    stk_limits_set(&study.limits, opt, cpu);
    study.n_threads = opt->n_workers ? opt->n_workers : stk_cpu_usable();
    struct probe *probes =
        stk_calloc_aligned((size_t)study.n_threads, sizeof *probes);
    if (!probes)
        return stk_fail(err, -ENOMEM, "limit: no memory");
    for (int32_t i = 0; i < study.n_threads && rc == 0; i++) {
        probes[i].study = &study;
        probes[i].index = i;
        rc = stk_thread_start(&probes[i].thread, "stoker-limit", body,
                              &probes[i]);
        if (rc < 0)
            stk_fail(err, rc, "limit: cannot start a thread");
    }
    for (int32_t i = 0; i < study.n_threads; i++) {
        stk_thread_join(&probes[i].thread, STK_NEVER);
        if (rc == 0 && probes[i].rc < 0) {
            rc = probes[i].rc;
            *err = probes[i].error;
        }
    }
    if (rc == 0)
        conclude(&study, probes, out);
    stk_free(probes);
    return rc;
}
