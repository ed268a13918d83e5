/* Entry points that enqueue: copies, streams, events, kernels. */
#include "standin_state.h"

#include <stdlib.h>
#include <string.h>

static struct event *all_events; /* that were ever made */
static struct stream *dead_streams;
static char spin_module; /* that of scripts/gpu: a kernel that only waits */

static int copy(const char *name, void *to, const void *from, size_t bytes,
                void *stream, bool is_checked)
{
    /* Before the lock: as long as it lasts, nobody else's call may wait. */
    uint64_t sum = is_checked ? checksum(from, bytes) : 0;

    BEGIN(name, true);
    if (is_checked && !covers(si.registered, from, bytes)) {
        si.counts.unpinned_copies++;
        violation("asynchronous copy from memory that is not registered");
    }
    struct op *op = enqueue(stream, COPY);
    op->to = to;
    op->from = from;
    op->bytes = bytes;
    op->is_checked = is_checked;
    op->sum = sum;
    si.counts.copies++;
    END(OK);
}

API int cuMemcpyHtoDAsync_v2(unsigned long long to, const void *from,
                             size_t bytes, void *stream)
{
    return copy("cuMemcpyHtoDAsync", (void *)(uintptr_t)to, from, bytes, stream,
                true);
}

/* For tests' own consumers: a "kernel" that reads device memory late. */
API int cuMemcpyDtoHAsync_v2(void *to, unsigned long long from, size_t bytes,
                             void *stream)
{
    return copy("cuMemcpyDtoHAsync", to, (const void *)(uintptr_t)from, bytes,
                stream, false);
}

API int cuStreamCreate(void **out, unsigned flags)
{
    (void)flags;
    BEGIN("cuStreamCreate", true);
    *out = stream_new();
    si.counts.live_objects++;
    END(OK);
}

API int cuStreamDestroy_v2(void *stream)
{
    struct stream *s = stream;
    BEGIN("cuStreamDestroy", true);
    if (!s->is_live)
        violation("stream destroyed twice");
    s->is_live = false;
    s->is_ending = true;
    si.counts.live_objects--;
    pthread_cond_broadcast(&si.changed);
    pthread_mutex_unlock(&si.lock);
    pthread_join(s->thread, NULL);
    pthread_mutex_lock(&si.lock);
    for (int i = 0; i < si.n_streams; i++)
        if (si.streams[i] == s)
            si.streams[i--] = si.streams[--si.n_streams];
    s->next = dead_streams; /* kept: somebody may destroy it again */
    dead_streams = s;
    END(OK);
}

API int cuStreamSynchronize(void *stream)
{
    BEGIN("cuStreamSynchronize", true);
    unsafe_call("cuStreamSynchronize");
    struct stream *s = stream_of(stream);
    while (s->n_queued)
        pthread_cond_wait(&si.changed, &si.lock);
    END(OK);
}

API int cuCtxSynchronize(void)
{
    BEGIN("cuCtxSynchronize", true);
    for (int i = 0; i < si.n_streams; i++)
        while (si.streams[i]->n_queued)
            pthread_cond_wait(&si.changed, &si.lock);
    END(OK);
}

API int cuStreamWaitEvent(void *stream, void *event, unsigned flags)
{
    struct event *e = event;
    (void)flags;
    BEGIN("cuStreamWaitEvent", true);
    if (!e->is_live)
        violation("waits for a destroyed event");
    if (si.captured && stream == si.captured) {
        violation("a captured stream waits for what is outside of the graph");
        si.capture_is_broken = true;
        END(905); /* CUDA_ERROR_STREAM_CAPTURE_ISOLATION */
    }
    struct op *op = enqueue(stream, WAIT);
    stream_of(stream)->n_waits++;
    op->event = e;
    op->generation = e->recorded;
    END(OK);
}

API int cuEventCreate(void **out, unsigned flags)
{
    (void)flags;
    BEGIN("cuEventCreate", true);
    struct event *e = calloc(1, sizeof *e);
    e->is_live = true;
    e->next = all_events;
    all_events = e;
    si.counts.live_objects++;
    si.counts.events++;
    *out = e;
    END(OK);
}

API int cuEventDestroy_v2(void *event)
{
    struct event *e = event;
    BEGIN("cuEventDestroy", true);
    if (!e->is_live)
        violation("event destroyed twice");
    e->is_live = false; /* kept: streams may still look at it */
    si.counts.live_objects--;
    END(OK);
}

/* Under the lock. */
static void record_part(struct event *e, void *stream, int *parts_left)
{
    struct op *op = enqueue(stream, RECORD);
    op->event = e;
    op->generation = e->recorded;
    op->parts_left = parts_left;
}

static int *parts_new(int n)
{
    int *parts = malloc(sizeof *parts);
    *parts = n;
    return parts;
}

API int cuEventRecord(void *event, void *stream)
{
    struct event *e = event;
    BEGIN("cuEventRecord", true);
    if (!e->is_live)
        violation("records a destroyed event");
    if (si.captured && stream == si.captured)
        violation("an event of ours became a part of a graph");
    e->recorded++;
    record_part(e, stream, parts_new(1));
    END(OK);
}

/* Every stream that there is takes a part in it. */
API int cuCtxRecordEvent(void *context, void *event)
{
    struct event *e = event;
    int n = 0;
    BEGIN("cuCtxRecordEvent", false);
    if (context != &si.counts || !e->is_live)
        violation("records a destroyed event, or none of this context");
    if (si.captured || si.is_capturing) {
        si.counts.broken_captures++;
        si.capture_is_broken = true;
        END(CAPTURE_UNSUPPORTED);
    }
    for (int i = 0; i < si.n_streams; i++)
        n += si.streams[i]->is_live;
    e->recorded++;
    int *parts = n ? parts_new(n) : NULL;
    for (int i = 0; i < si.n_streams; i++)
        if (si.streams[i]->is_live)
            record_part(e, si.streams[i], parts);
    if (n == 0)
        e->done = e->recorded;
    END(OK);
}

API int cuEventQuery(void *event)
{
    struct event *e = event;
    BEGIN("cuEventQuery", true);
    unsafe_call("cuEventQuery");
    END(e->done >= e->recorded ? OK : NOT_READY);
}

API int cuEventSynchronize(void *event)
{
    struct event *e = event;
    BEGIN("cuEventSynchronize", true);
    unsafe_call("cuEventSynchronize");
    int64_t generation = e->recorded;
    while (e->done < generation)
        pthread_cond_wait(&si.changed, &si.lock);
    END(OK);
}

API int cuEventElapsedTime(float *ms, void *from, void *to)
{
    struct event *a = from, *b = to;
    BEGIN("cuEventElapsedTime", true);
    *ms = (float)((double)(b->at.tv_sec - a->at.tv_sec) * 1e3 +
                  (double)(b->at.tv_nsec - a->at.tv_nsec) / 1e6);
    END(OK);
}

API int cuModuleLoadData(void **out, const void *image)
{
    BEGIN("cuModuleLoadData", true);
    bool spins = strstr(image, ".entry stk_spin(");
    if (!spins && !strstr(image, ".entry stk_gather("))
        END(INVALID);
    si.counts.live_objects++;
    *out = spins ? (void *)&spin_module : (void *)&si.registered;
    END(OK);
}

API int cuModuleUnload(void *module)
{
    (void)module;
    BEGIN("cuModuleUnload", true);
    si.counts.live_objects--;
    END(OK);
}

API int cuModuleGetFunction(void **out, void *module, const char *name)
{
    BEGIN("cuModuleGetFunction", true);
    const char *has = module == &spin_module ? "stk_spin" : "stk_gather";
    *out = module;
    END(strcmp(name, has) == 0 ? OK : 500);
}

API int cuLaunchKernel(void *f, unsigned gx, unsigned gy, unsigned gz,
                       unsigned bx, unsigned by, unsigned bz, unsigned shared,
                       void *stream, void **arguments, void **extra)
{
    (void)gy, (void)gz, (void)by, (void)bz, (void)shared, (void)extra;
    BEGIN("cuLaunchKernel", true);
    if (si.captured && stream == si.captured)
        END(OK); /* a node of the graph, which is never run */
    struct op *op = enqueue(stream, f == &spin_module ? SPIN : KERNEL);
    if (f == &spin_module) {
        op->n = *(uint64_t *)arguments[0];
        END(OK);
    }
    op->in = (const uint8_t *)(uintptr_t) * (unsigned long long *)arguments[0];
    op->out = (void *)(uintptr_t) * (unsigned long long *)arguments[1];
    op->table =
        (const uint32_t *)(uintptr_t) * (unsigned long long *)arguments[2];
    op->n = *(uint64_t *)arguments[3];
    op->plane = *(uint32_t *)arguments[4];
    op->element_bytes = *(uint32_t *)arguments[5];
    if ((uint64_t)gx * bx < op->n)
        violation("kernel launched over too few threads");
    if (!covers(si.allocated, op->in, op->n) ||
        !covers(si.allocated, op->out, op->n * op->element_bytes))
        violation("kernel works outside of device memory");
    si.counts.kernels++;
    END(OK);
}
