/* Counters summed, and the verdict in words. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "loader/worker.h"

static void sum_workers(stoker_loader *loader, stoker_stats *out)
{
    for (int32_t i = 0; i < loader->n_workers; i++) {
        struct stk_counters *c = &loader->workers[i].counters;
        out->n_samples += stk_count_get(&c->n_samples);
        out->n_own_decoder += stk_count_get(&c->n_own);
        out->n_retries += stk_count_get(&c->n_retries);
        out->bytes_read += stk_count_get(&c->bytes_read);
        out->read_ns += stk_count_get(&c->read_ns);
        out->probe_ns += stk_count_get(&c->probe_ns);
        out->decode_ns += stk_count_get(&c->decode_ns);
        out->resample_ns += stk_count_get(&c->resample_ns);
        out->emit_ns += stk_count_get(&c->emit_ns);
        out->idle_ns += stk_count_get(&c->idle_ns);
        out->input_ns += stk_count_get(&c->input_ns);
        out->scratch_bytes += stk_count_get(&c->scratch_bytes);
    }
}

/* Workers that got no ring of their own although the machine has them. */
static void add_engine(stoker_loader *loader, stoker_stats *out)
{
    int32_t n = 0, last = 0;

    out->io = loader->io;
    memcpy(out->io_reason, loader->io_reason, sizeof out->io_reason);
    for (int32_t i = 0; i < loader->n_workers; i++)
        /* Acquire: partner is the release in worker.c's open_io. */
        if (atomic_load_explicit(&loader->workers[i].has_fallen_back,
                                 memory_order_acquire)) {
            n++;
            last = i;
        }
    if (n == 0)
        return;
    if (n == loader->n_workers)
        out->io = STOKER_IO_PREAD;
    snprintf(out->io_reason, sizeof out->io_reason, "%d of %d workers: %.100s",
             n, loader->n_workers, loader->workers[last].io_reason);
}

static void add_gpu(stoker_loader *loader, stoker_stats *out)
{
    struct stk_gpu *gpu = loader->home->gpu;

    memcpy(out->pin_reason, loader->gpu_reason, sizeof out->pin_reason);
    if (!gpu)
        return;
    stk_gpu_reason(gpu, out->pin_reason, sizeof out->pin_reason);
    out->pin_init_ns = gpu->cuda.init_ns;
    out->pin_context_ns = gpu->cuda.context_ns;
    out->pin_register_ns = stk_count_get(&gpu->register_ns);
    if (!gpu->has_device)
        return;
    out->copy_ns = stk_count_get(&gpu->copy_ns);
    out->copy_wait_ns = stk_count_get(&gpu->copy_wait_ns);
    int64_t stream_wait_ns = stk_count_get(&gpu->stream_wait_ns);
    out->gpu_wait_ns = out->consumer_ns + stream_wait_ns;
    out->bytes_copied = stk_count_get(&gpu->bytes_copied);
    out->n_copies = stk_count_get(&gpu->n_copies);
    /* At least: a stream waits for what came before it in its queue, too. */
    int64_t hidden = out->copy_ns - stream_wait_ns;
    out->overlap_ns = hidden > 0 ? hidden : 0;
}

void stk_loader_stats(stoker_loader *loader, stoker_stats *out)
{
    stoker_stats full = {.size = out->size};

    sum_workers(loader, &full);
    pthread_mutex_lock(&loader->lock);
    full.n_batches = loader->n_batches;
    full.n_bad = loader->n_bad;
    full.n_refilled = loader->n_refilled;
    full.consumer_ns = loader->consumer_ns;
    full.first_batch_ns = loader->first_batch_ns;
    pthread_mutex_unlock(&loader->lock);
    add_gpu(loader, &full);
    memcpy(full.memory_reason, loader->home->memory.reason,
           sizeof full.memory_reason);
    full.arena_bytes = (int64_t)loader->home->memory.bytes;
    full.n_workers = loader->n_workers;
    full.n_slots = (int32_t)loader->home->ring.n;
    full.cpu = loader->cpu;
    add_engine(loader, &full);
    size_t size = out->size < sizeof full ? out->size : sizeof full;
    memcpy(out, &full, size);
}

static double percent(int64_t part, int64_t all)
{
    return all > 0 ? 100.0 * (double)part / (double)all : 0;
}

/* The stage that took most of the workers' time, and what would help them, who
 * write dtype. */
static const char *heaviest(const stoker_stats *stats, int32_t dtype,
                            double *share)
{
    const char *writing =
        dtype == STOKER_U8
            ? "resampling and writing: more workers (CPUs) would help"
            : "resampling and writing: a smaller dtype or more workers would "
              "help";
    const struct {
        int64_t ns;
        const char *text;
    } stages[] = {
        {stats->read_ns + stats->input_ns,
         "reading: faster storage or more reads_ahead would help"},
        {stats->probe_ns + stats->decode_ns,
         "decoding: more workers (CPUs) or smaller images would help"},
        {stats->resample_ns + stats->emit_ns, writing},
    };
    int64_t all = 0;
    int best = 0;

    for (int i = 0; i < 3; i++) {
        all += stages[i].ns;
        if (stages[i].ns > stages[best].ns)
            best = i;
    }
    *share = percent(stages[best].ns, all);
    return stages[best].text;
}

void stk_loader_report(stoker_loader *loader, char *text, size_t bytes)
{
    stoker_stats stats = {.size = sizeof stats};
    double share;

    stk_loader_stats(loader, &stats);
    if (!bytes)
        return;
    if (stats.n_batches == 0) {
        snprintf(text, bytes, "nothing was delivered yet");
        return;
    }
    int64_t wall = stk_now_ns() - loader->opened_ns;
    double waited = percent(stats.consumer_ns, wall);
    double idle = percent(stats.idle_ns, wall * stats.n_workers);
    const char *what = heaviest(&stats, loader->program.dtype, &share);
    if (waited < 5)
        snprintf(text, bytes,
                 "The consumer is the bottleneck: it waited %.1f %% of the "
                 "time, the workers were idle %.0f %%. stoker keeps up.",
                 waited, idle);
    else
        snprintf(text, bytes,
                 "The loader is the bottleneck: the consumer waited %.1f %% "
                 "of the time. %.0f %% of the work is %s.",
                 waited, share, what);
}
