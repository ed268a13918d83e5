/* What one core needs for each stage over exactly these files and windows,
 * with nothing between the stages, on as many cores at once as the loader
 * has workers: clocks, caches and memory are then those of the real run.
 *
 * Each sample runs N_ROUNDS times and each of its stages counts with the
 * median: the least would add up moments of luck that no sample has together.
 * A run in which another thread had the CPU does not count.  Between two runs
 * of a sample lie the others of its chunk, megabytes of them: run again at
 * once, a file's branches are still known to the processor and its bytes lie in
 * the nearest cache, a gain that a stream of samples never sees. */
#include "loader/limit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "loader/stages.h"
#include "plan/dataset.h"
#include "sync/wait.h"

enum { N_ROUNDS = 3, N_TRIES = 12, CHUNK = 64, COPY_BYTES = 64 << 20 };

/* One thread's share of the samples. */
struct share {
    struct stk_thread thread;
    const struct stk_study *study;
    int32_t index;
    struct stk_stager stager;
    struct stk_stages rounds[CHUNK][N_ROUNDS];
    double sum_ns[STK_N_STAGES]; /* in the order of struct stk_stages */
    int64_t n_samples, n_bytes, copy_ns;
    int rc; /* < 0: nothing could be measured */
    stoker_error error;
    stoker_error bad; /* the first bad sample's; code 0: none was bad */
};

static int64_t median_of(int64_t a, int64_t b, int64_t c)
{
    int64_t low = a < b ? a : b, high = a < b ? b : a;

    return c < low ? low : c < high ? c : high;
}

/* Adds a sample's stages to the thread's sums. */
static void add(struct share *p, const struct stk_stages rounds[N_ROUNDS])
{
    const int64_t *a = &rounds[0].read, *b = &rounds[1].read,
                  *c = &rounds[2].read;

    p->n_samples++;
    for (int i = 0; i < STK_N_STAGES; i++)
        p->sum_ns[i] += (double)median_of(a[i], b[i], c[i]);
}

/* A chunk of the thread's samples over and over, until each has N_ROUNDS
 * good runs; one that gets none in so many tries counts for nothing, as a bad
 * one does. */
static void study_chunk(struct share *p, int64_t first)
{
    const struct stk_study *study = p->study;
    int64_t n_bytes[CHUNK] = {0}, n = 0;
    int n_good[CHUNK] = {0};
    stoker_error err;

    for (int try = 0; try < N_TRIES; try++)
        for (int i = 0; i < CHUNK; i++) {
            int64_t t = first + (int64_t)i * study->n_threads;
            if (t >= study->n_samples || n_good[i] == N_ROUNDS ||
                n_bytes[i] < 0)
                continue;
            n = stk_stager_run(&p->stager, t, &p->rounds[i][n_good[i]], &err);
            if (n < 0 && !p->bad.code)
                p->bad = err;
            n_good[i] += n > 0;
            n_bytes[i] = n ? n : n_bytes[i];
        }
    for (int i = 0; i < CHUNK; i++)
        if (n_good[i] == N_ROUNDS) {
            add(p, p->rounds[i]);
            p->n_bytes += n_bytes[i];
        }
}

/* Memory bandwidth with all threads at it: bytes that a copy reads and
 * writes. */
static void study_memory(struct share *p)
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
    struct share *p = self;
    const struct stk_study *study = p->study;

    p->rc = stk_stager_open(&p->stager, study, &p->error);
    for (int64_t t = p->index; p->rc == 0 && t < study->n_samples;
         t += (int64_t)study->n_threads * CHUNK)
        study_chunk(p, t);
    stk_stager_close(&p->stager);
    study_memory(p);
    return NULL;
}

/* Sums of all threads into the means of a sample; returns the CPU's, reading
 * included. */
static double mean_stages(const double sum_ns[STK_N_STAGES], double n,
                          stoker_limit *out)
{
    double *const to[STK_N_STAGES] = {
        &out->read_ns,       &out->probe_ns,    &out->values_ns,
        &out->skip_ns,       &out->idct_ns,     &out->colour_ns,
        &out->horizontal_ns, &out->vertical_ns, &out->fallback_ns};
    double cpu = 0;

    for (int k = 0; k < STK_N_STAGES; k++) {
        *to[k] = sum_ns[k] / n;
        cpu += *to[k];
    }
    return cpu;
}

/* Means a sample, bandwidths, and which term binds. */
static void conclude(const struct stk_study *study, const struct share *shares,
                     stoker_limit *out)
{
    double sum_ns[STK_N_STAGES] = {0}, copied = 0, bytes = 0;

    for (int32_t i = 0; i < study->n_threads; i++) {
        const struct share *p = &shares[i];
        for (int k = 0; k < STK_N_STAGES; k++)
            sum_ns[k] += p->sum_ns[k];
        out->n_samples += p->n_samples;
        bytes += (double)p->n_bytes;
        if (p->copy_ns)
            copied += 8.0 * COPY_BYTES * 1e9 / (double)p->copy_ns;
    }
    double n = out->n_samples ? (double)out->n_samples : 1;
    double cpu = mean_stages(sum_ns, n, out);
    out->memory_bytes_s = copied;
    out->sample_file_bytes = bytes / n;
    out->read_bytes_s =
        out->read_ns > 0
            ? out->sample_file_bytes * study->n_threads * 1e9 / out->read_ns
            : 0;
    /* File: into the page cache, read, written to the buffer, read again;
     * sample: fetched, written, and read by whoever takes it. */
    out->sample_memory_bytes =
        3 * out->sample_file_bytes + 3 * (double)study->program.sample_bytes;
    double by_cpu = cpu > 0 ? 1e9 * study->n_threads / cpu : 0;
    /* Without memory to measure it with, the bandwidth binds nothing. */
    double by_memory = copied > 0 ? copied / out->sample_memory_bytes : by_cpu;
    double entropy = out->values_ns + out->skip_ns;
    out->limit_img_s = by_memory < by_cpu ? by_memory : by_cpu;
    snprintf(out->binding, sizeof out->binding, "%s",
             by_memory < by_cpu             ? "memory"
             : 2 * out->read_ns > cpu       ? "reading"
             : entropy > 0.4 * cpu          ? "entropy decoding"
             : out->fallback_ns > 0.4 * cpu ? "other decoders"
                                            : "CPU");
}

/* What the threads ended with: an error where nothing could be measured. */
static int verdict(const struct stk_study *study, const struct share *shares,
                   stoker_error *err)
{
    const struct share *bad = NULL;
    int64_t n = 0;

    for (int32_t i = 0; i < study->n_threads; i++) {
        const struct share *p = &shares[i];
        if (p->rc < 0) {
            *err = p->error;
            return p->rc;
        }
        if (p->bad.code && !bad)
            bad = p;
        n += p->n_samples;
    }
    if (n > 0)
        return 0;
    if (!bad)
        return stk_fail(err, -EAGAIN,
                        "limit: the machine is too busy: other threads had "
                        "the CPU in every run");
    *err = bad->bad;
    return err->code;
}

int stk_limit_measure(stoker_dataset *ds, const stoker_options *opt,
                      int64_t n_samples, stoker_limit *out, stoker_error *err)
{
    struct stk_study study = {
        .dataset = ds, .opt = opt, .n_samples = n_samples};
    int cpu = stk_cpu_resolve(opt->cpu);

    if (cpu < 0)
        return stk_fail(err, -ENOTSUP, "cpu: this machine does not run %s",
                        stk_cpu_name(opt->cpu));
    int rc = stk_program_from(&study.program, opt, err);
    if (rc == 0)
        rc = stk_plan_init(&study.plan, opt, stk_dataset_n(ds), 0, 0, err);
    if (rc < 0)
        return rc;
    int64_t n_tickets = stk_plan_n_tickets(&study.plan);
    if (study.n_samples > n_tickets)
        study.n_samples = n_tickets;
    stk_limits_set(&study.limits, opt, cpu);
    study.n_threads = opt->n_workers ? opt->n_workers : stk_cpu_usable();
    struct share *shares =
        stk_calloc_aligned((size_t)study.n_threads, sizeof *shares);
    if (!shares)
        return stk_fail(err, -ENOMEM, "limit: no memory");
    for (int32_t i = 0; i < study.n_threads && rc == 0; i++) {
        shares[i].study = &study;
        shares[i].index = i;
        rc = stk_thread_start(&shares[i].thread, "stoker-limit", body,
                              &shares[i]);
        if (rc < 0)
            stk_fail(err, rc, "limit: cannot start a thread");
    }
    for (int32_t i = 0; i < study.n_threads; i++)
        stk_thread_join(&shares[i].thread, STK_NEVER);
    if (rc == 0)
        rc = verdict(&study, shares, err);
    if (rc == 0)
        conclude(&study, shares, out);
    stk_free(shares);
    return rc;
}
