/* Streams: FIFOs, each with a thread that plays what was enqueued, late. */
#include "standin_state.h"

#include <stdlib.h>
#include <string.h>

uint64_t checksum(const void *data, size_t bytes)
{
    const uint8_t *p = data;
    uint64_t sum = 1469598103934665603u;
    /* Every 61st byte, and the ends: enough to see another batch. */
    for (size_t i = 0; i < bytes; i += 61)
        sum = (sum ^ p[i]) * 1099511628211u;
    return bytes ? (sum ^ p[bytes - 1]) * 1099511628211u : sum;
}

/* Under the lock: does a queued operation touch this memory? */
bool in_use(const void *data, size_t bytes)
{
    const uint8_t *low = data, *high = low + bytes;
    for (int i = 0; i < si.n_streams; i++)
        for (struct op *op = si.streams[i]->first; op; op = op->next) {
            const uint8_t *a = op->kind == COPY ? op->from : op->in;
            const uint8_t *b = op->kind == COPY ? op->to : op->out;
            size_t n = op->kind == COPY ? op->bytes : op->n;
            if ((op->kind == COPY || op->kind == KERNEL) &&
                ((a + n > low && a < high) || (b + n > low && b < high)))
                return true;
        }
    return false;
}

static void sleep_ns(double ns)
{
    struct timespec t = {(time_t)(ns / 1e9), (long)((int64_t)ns % 1000000000)};
    nanosleep(&t, NULL);
}

static void run_kernel(const struct op *op)
{
    for (uint64_t i = 0; i < op->n; i++) {
        uint32_t v = op->table[i / op->plane % 3 * 256 + op->in[i]];
        memcpy((uint8_t *)op->out + i * op->element_bytes, &v,
               op->element_bytes);
    }
}

/* Outside the lock. */
static void execute(struct op *op, double delay_us, double bandwidth)
{
    double ns = delay_us * 1e3;
    if (op->kind == COPY && bandwidth > 0)
        ns += 1e9 * (double)op->bytes / bandwidth;
    if (op->kind == SPIN)
        ns += (double)op->n;
    if (ns > 0)
        sleep_ns(ns);
    if (op->kind == KERNEL)
        run_kernel(op);
    if (op->kind != COPY)
        return;
    if (op->is_checked && checksum(op->from, op->bytes) != op->sum) {
        pthread_mutex_lock(&si.lock);
        si.counts.early_reuses++;
        violation("the source of a copy changed before the copy ran");
        pthread_mutex_unlock(&si.lock);
    }
    memcpy(op->to, op->from, op->bytes);
}

static void *stream_body(void *self)
{
    struct stream *s = self;

    pthread_mutex_lock(&si.lock);
    for (;;) {
        while (!s->first && !s->is_ending)
            pthread_cond_wait(&si.changed, &si.lock);
        struct op *op = s->first;
        if (!op)
            break;
        if (op->kind == WAIT)
            while (op->event->done < op->generation)
                pthread_cond_wait(&si.changed, &si.lock);
        si.pace_seed =
            si.pace_seed * 6364136223846793005u + 1442695040888963407u;
        double us =
            op->kind == COPY || op->kind == KERNEL
                ? (double)(si.pace_seed >> 33) / 2147483648.0 * si.pace_us
                : 0;
        double bandwidth = si.pace_bandwidth;
        pthread_mutex_unlock(&si.lock);
        execute(op, us, bandwidth);
        pthread_mutex_lock(&si.lock);
        if (op->kind == RECORD && --*op->parts_left == 0) {
            if (op->event->done < op->generation)
                op->event->done = op->generation;
            clock_gettime(CLOCK_MONOTONIC, &op->event->at);
            free(op->parts_left);
        }
        s->first = op->next;
        if (!s->first)
            s->last = &s->first;
        s->n_queued--;
        free(op);
        pthread_cond_broadcast(&si.changed);
    }
    pthread_mutex_unlock(&si.lock);
    return NULL;
}

/* Under the lock. */
struct stream *stream_new(void)
{
    struct stream *s = calloc(1, sizeof *s);
    s->last = &s->first;
    s->is_live = true;
    if (si.n_streams == MAX_REGIONS)
        abort();
    si.streams[si.n_streams++] = s;
    pthread_create(&s->thread, NULL, stream_body, s);
    return s;
}

/* NULL and 1: the legacy default stream; 2: the per-thread one, here one for
 * all threads. */
struct stream *stream_of(void *stream)
{
    uintptr_t number = (uintptr_t)stream;

    if (number > 2)
        return stream;
    struct stream **at = number == 2 ? &si.per_thread : &si.legacy;
    if (!*at)
        *at = stream_new();
    return *at;
}

struct op *enqueue(void *stream, int kind)
{
    struct stream *s = stream_of(stream);
    struct op *op = calloc(1, sizeof *op);
    if (!s->is_live)
        violation("work given to a destroyed stream");
    op->kind = kind;
    *s->last = op;
    s->last = &op->next;
    s->n_queued++;
    pthread_cond_broadcast(&si.changed);
    return op;
}
