/* A strict stand-in for libcuda.so.1: streams are FIFOs with random delays,
 * device memory is host memory, and what a driver would forgive is counted.
 * Each copy checksums its source when enqueued and again when executed: a
 * difference means that a slot was written too early. */
#include "standin.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

enum {
    OK = 0,
    INVALID = 1,
    NO_MEMORY = 2,
    DEINITIALIZED = 4,
    NO_CONTEXT = 201,
    NOT_READY = 600,
    ALREADY_REGISTERED = 712,
};
enum { MAX_REGIONS = 4096, MAX_NAMES = 64 };
enum { CAPTURE_UNSUPPORTED = 900 };

struct event {
    int64_t recorded, done; /* generations: enqueued, executed */
    struct timespec at;
    bool is_live;
    struct event *next; /* of all that were ever made */
};

struct op {
    enum { COPY, RECORD, WAIT, KERNEL, SPIN } kind;
    struct event *event;
    int64_t generation;
    int *parts_left; /* streams that have not passed the record yet */
    void *to;
    const void *from;
    size_t bytes;
    uint64_t sum;
    bool is_checked;
    /* kernel */
    const uint8_t *in;
    void *out;
    const uint32_t *table;
    uint64_t n; /* elements; of SPIN: nanoseconds */
    uint32_t plane, element_bytes;
    struct op *next;
};

struct stream {
    pthread_t thread;
    struct op *first, **last;
    int64_t n_queued; /* not yet executed */
    int64_t n_waits;  /* for events, ever */
    bool is_ending, is_live;
    struct stream *next; /* of those destroyed */
};

struct region {
    const uint8_t *data;
    size_t bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct standin_counts counts;
static struct region registered[MAX_REGIONS], allocated[MAX_REGIONS];
static struct stream *streams[MAX_REGIONS];
static int n_streams;
static struct stream *dead_streams;
static struct stream *legacy, *per_thread; /* the driver's own */
static struct event *all_events;
static pid_t owner;
static int n_retained, is_capturing;
static void *captured; /* the stream that is being captured */
static bool capture_is_broken;
static char spin_module; /* that of scripts/gpu: a kernel that only waits */
static uint64_t pace_seed = 1;
static int pace_us = 200;
static double pace_bandwidth;
static struct {
    char name[64];
    int n, code, for_ever;
} failing;
static struct {
    char name[48];
    int64_t n, n_failed;
} calls[MAX_NAMES];     /* how often each entry point was called */
static int64_t n_calls; /* of all */
static bool is_shut_down;
static struct {
    char name[64];
    int n;
    bool is_held; /* somebody stands there */
} holding;
static __thread int depth, relaxed, is_spared;
static pthread_key_t thread_end;

static void violation(const char *text)
{
    counts.violations++;
    fprintf(stderr, "standin: VIOLATION: %s\n", text);
}

static int count_call(const char *name)
{
    int i = 0;

    while (calls[i].name[0] && strcmp(calls[i].name, name) != 0)
        i++;
    if (!calls[i].name[0])
        snprintf(calls[i].name, sizeof calls[i].name, "%s", name);
    calls[i].n++;
    return i;
}

/* Under the lock: stands still until the test lets it go. */
static void wait_held(const char *name)
{
    if (strcmp(holding.name, name) != 0 || --holding.n != 0)
        return;
    holding.is_held = true;
    pthread_cond_broadcast(&changed);
    while (holding.is_held)
        pthread_cond_wait(&changed, &lock);
}

/* Under the lock: what every call checks.  Nonzero: the call fails with it. */
static int enter(const char *name, bool needs_context)
{
    if (!owner)
        owner = getpid();
    if (owner != getpid())
        violation("called in a forked child");
    if (is_spared)
        return OK;
    if (is_shut_down)
        return DEINITIALIZED;
    int which = count_call(name);
    n_calls++;
    wait_held(name);
    if ((strcmp(failing.name, name) == 0 || failing.name[0] == '*') &&
        --failing.n <= 0) {
        int code = failing.code;
        calls[which].n_failed++;
        if (!failing.for_ever)
            failing.name[0] = '\0';
        return code;
    }
    if (needs_context && depth == 0) {
        violation(name);
        fprintf(stderr, "standin: ... without a current context\n");
        return NO_CONTEXT;
    }
    return OK;
}

#define BEGIN(name, needs_context)                                             \
    pthread_mutex_lock(&lock);                                                 \
    int rc = enter(name, needs_context);                                       \
    if (rc) {                                                                  \
        pthread_mutex_unlock(&lock);                                           \
        return rc;                                                             \
    }
#define END(code)                                                              \
    do {                                                                       \
        int code_ = (code);                                                    \
        pthread_mutex_unlock(&lock);                                           \
        return code_;                                                          \
    } while (0)

static uint64_t checksum(const void *data, size_t bytes)
{
    const uint8_t *p = data;
    uint64_t sum = 1469598103934665603u;
    /* Every 61st byte, and the ends: enough to see another batch. */
    for (size_t i = 0; i < bytes; i += 61)
        sum = (sum ^ p[i]) * 1099511628211u;
    return bytes ? (sum ^ p[bytes - 1]) * 1099511628211u : sum;
}

static bool covers(const struct region *list, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    for (int i = 0; i < MAX_REGIONS; i++)
        if (list[i].data && p >= list[i].data &&
            p + bytes <= list[i].data + list[i].bytes)
            return true;
    return false;
}

static int add(struct region *list, const void *data, size_t bytes)
{
    for (int i = 0; i < MAX_REGIONS; i++)
        if (!list[i].data) {
            list[i] = (struct region){data, bytes};
            counts.live_objects++;
            return OK;
        }
    return NO_MEMORY;
}

static size_t size_of(const struct region *list, const void *data)
{
    for (int i = 0; i < MAX_REGIONS; i++)
        if (list[i].data == data)
            return list[i].bytes;
    return 0;
}

static bool drop(struct region *list, const void *data)
{
    for (int i = 0; i < MAX_REGIONS; i++)
        if (list[i].data == data) {
            list[i].data = NULL;
            counts.live_objects--;
            return true;
        }
    return false;
}

/* Under the lock: does a queued operation touch this memory? */
static bool in_use(const void *data, size_t bytes)
{
    const uint8_t *low = data, *high = low + bytes;
    for (int i = 0; i < n_streams; i++)
        for (struct op *op = streams[i]->first; op; op = op->next) {
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
        pthread_mutex_lock(&lock);
        counts.early_reuses++;
        violation("the source of a copy changed before the copy ran");
        pthread_mutex_unlock(&lock);
    }
    memcpy(op->to, op->from, op->bytes);
}

static void *stream_body(void *self)
{
    struct stream *s = self;

    pthread_mutex_lock(&lock);
    for (;;) {
        while (!s->first && !s->is_ending)
            pthread_cond_wait(&changed, &lock);
        struct op *op = s->first;
        if (!op)
            break;
        if (op->kind == WAIT)
            while (op->event->done < op->generation)
                pthread_cond_wait(&changed, &lock);
        pace_seed = pace_seed * 6364136223846793005u + 1442695040888963407u;
        double us = op->kind == COPY || op->kind == KERNEL
                        ? (double)(pace_seed >> 33) / 2147483648.0 * pace_us
                        : 0;
        double bandwidth = pace_bandwidth;
        pthread_mutex_unlock(&lock);
        execute(op, us, bandwidth);
        pthread_mutex_lock(&lock);
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
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Under the lock. */
static struct stream *stream_new(void)
{
    struct stream *s = calloc(1, sizeof *s);
    s->last = &s->first;
    s->is_live = true;
    if (n_streams == MAX_REGIONS)
        abort();
    streams[n_streams++] = s;
    pthread_create(&s->thread, NULL, stream_body, s);
    return s;
}

/* NULL and 1: the legacy default stream; 2: the per-thread one, here one for
 * all threads. */
static struct stream *stream_of(void *stream)
{
    uintptr_t number = (uintptr_t)stream;

    if (number > 2)
        return stream;
    struct stream **at = number == 2 ? &per_thread : &legacy;
    if (!*at)
        *at = stream_new();
    return *at;
}

static struct op *enqueue(void *stream, int kind)
{
    struct stream *s = stream_of(stream);
    struct op *op = calloc(1, sizeof *op);
    if (!s->is_live)
        violation("work given to a destroyed stream");
    op->kind = kind;
    *s->last = op;
    s->last = &op->next;
    s->n_queued++;
    pthread_cond_broadcast(&changed);
    return op;
}

/* At the end of each thread that had a context. */
static void check_thread(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    if (depth != 0 && !counts.forgives_depth)
        violation("a thread ended with a context pushed");
    pthread_mutex_unlock(&lock);
}

static void unsafe_call(const char *name)
{
    if (is_capturing && !relaxed) {
        capture_is_broken = true;
        violation(name);
        fprintf(stderr, "standin: ... would invalidate a graph capture\n");
    }
}

API int cuInit(unsigned flags)
{
    (void)flags;
    BEGIN("cuInit", false);
    END(OK);
}

API int cuDriverGetVersion(int *version)
{
    BEGIN("cuDriverGetVersion", false);
    const char *old = getenv("STANDIN_DRIVER");
    *version = old ? atoi(old) : 12050;
    END(OK);
}

API int cuGetErrorName(int code, const char **name)
{
    BEGIN("cuGetErrorName", false);
    *name = code == NO_MEMORY   ? "CUDA_ERROR_OUT_OF_MEMORY"
            : code == 100       ? "CUDA_ERROR_NO_DEVICE"
            : code == NOT_READY ? "CUDA_ERROR_NOT_READY"
            : code == 719       ? "CUDA_ERROR_LAUNCH_FAILED"
            : code == 4         ? "CUDA_ERROR_DEINITIALIZED"
                                : "CUDA_ERROR_UNKNOWN";
    END(OK);
}

API int cuDeviceGetCount(int *n)
{
    BEGIN("cuDeviceGetCount", false);
    *n = 1;
    END(OK);
}

API int cuDeviceGet(int *out, int ordinal)
{
    BEGIN("cuDeviceGet", false);
    *out = ordinal;
    END(OK);
}

API int cuDeviceGetName(char *name, int n, int device)
{
    (void)device;
    BEGIN("cuDeviceGetName", false);
    snprintf(name, (size_t)n, "stand-in");
    END(OK);
}

API int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    (void)device;
    BEGIN("cuDeviceGetAttribute", false);
    /* "domain bus device", hexadecimal: attributes 50, 33, 34. */
    int id[3] = {0, 0, 0};
    const char *place = getenv("STANDIN_PCI");
    if (place)
        sscanf(place, "%x:%x:%x", &id[0], &id[1], &id[2]);
    *value = attribute == 50   ? id[0]
             : attribute == 33 ? id[1]
             : attribute == 34 ? id[2]
                               : 0;
    END(OK);
}

API int cuDevicePrimaryCtxRetain(void **out, int device)
{
    (void)device;
    BEGIN("cuDevicePrimaryCtxRetain", false);
    n_retained++;
    counts.live_objects++;
    *out = &counts;
    END(OK);
}

API int cuDevicePrimaryCtxRelease_v2(int device)
{
    (void)device;
    BEGIN("cuDevicePrimaryCtxRelease", false);
    if (n_retained-- == 0)
        violation("primary context released too often");
    counts.live_objects--;
    END(OK);
}

API int cuCtxPushCurrent_v2(void *context)
{
    BEGIN("cuCtxPushCurrent", false);
    if (context != &counts || n_retained == 0)
        violation("pushed a context that is none");
    /* Any value but NULL: the thread's end looks at what it left. */
    pthread_setspecific(thread_end, &counts);
    depth++;
    END(OK);
}

API int cuCtxPopCurrent_v2(void **context)
{
    BEGIN("cuCtxPopCurrent", true);
    *context = &counts;
    depth--;
    END(OK);
}

API int cuCtxGetCurrent(void **context)
{
    BEGIN("cuCtxGetCurrent", false);
    *context = depth ? &counts : NULL;
    END(OK);
}

API int cuCtxGetDevice(int *device)
{
    BEGIN("cuCtxGetDevice", true);
    *device = 0;
    END(OK);
}

API int cuMemHostRegister_v2(void *data, size_t bytes, unsigned flags)
{
    (void)flags;
    BEGIN("cuMemHostRegister", true);
    if (covers(registered, data, 1))
        END(ALREADY_REGISTERED);
    counts.registered_bytes += (int64_t)bytes;
    int code = add(registered, data, bytes);
    pthread_mutex_unlock(&lock);
    /* Registering faults every page in; where the kernel has no such advice,
     * whoever writes first pays. */
    if (!getenv("STANDIN_LAZY"))
        madvise(data, bytes, 23 /* MADV_POPULATE_WRITE */);
    return code;
}

API int cuMemHostUnregister(void *data)
{
    BEGIN("cuMemHostUnregister", true);
    if (in_use(data, size_of(registered, data)))
        violation("memory unregistered while a copy reads it");
    if (!drop(registered, data))
        violation("memory unregistered that was not registered");
    END(OK);
}

/* Asked for the kind of memory only (2): 1 host, 2 device. */
API int cuPointerGetAttribute(void *out, int attribute, unsigned long long data)
{
    void *p = (void *)(uintptr_t)data;
    BEGIN("cuPointerGetAttribute", true);
    int kind = covers(registered, p, 1) ? 1 : covers(allocated, p, 1) ? 2 : 0;
    if (attribute != 2 || !kind)
        END(INVALID);
    memcpy(out, &kind, sizeof kind);
    END(OK);
}

API int cuMemAlloc_v2(unsigned long long *out, size_t bytes)
{
    BEGIN("cuMemAlloc", true);
    void *data = aligned_alloc(256, (bytes + 255) / 256 * 256 + 256);
    memset(data, 0xA5, bytes);
    *out = (unsigned long long)(uintptr_t)data;
    END(add(allocated, data, bytes));
}

API int cuMemFree_v2(unsigned long long data)
{
    void *p = (void *)(uintptr_t)data;
    BEGIN("cuMemFree", true);
    if (in_use(p, size_of(allocated, p)))
        violation("device memory freed while in use");
    if (!drop(allocated, p))
        violation("device memory freed twice");
    else
        free(p);
    END(OK);
}

API int cuMemcpyHtoD_v2(unsigned long long to, const void *from, size_t bytes)
{
    BEGIN("cuMemcpyHtoD", true);
    memcpy((void *)(uintptr_t)to, from, bytes);
    END(OK);
}

static int copy(const char *name, void *to, const void *from, size_t bytes,
                void *stream, bool is_checked)
{
    /* Before the lock: as long as it lasts, nobody else's call may wait. */
    uint64_t sum = is_checked ? checksum(from, bytes) : 0;

    BEGIN(name, true);
    if (is_checked && !covers(registered, from, bytes)) {
        counts.unpinned_copies++;
        violation("asynchronous copy from memory that is not registered");
    }
    struct op *op = enqueue(stream, COPY);
    op->to = to;
    op->from = from;
    op->bytes = bytes;
    op->is_checked = is_checked;
    op->sum = sum;
    counts.copies++;
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
    counts.live_objects++;
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
    counts.live_objects--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(s->thread, NULL);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n_streams; i++)
        if (streams[i] == s)
            streams[i--] = streams[--n_streams];
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
        pthread_cond_wait(&changed, &lock);
    END(OK);
}

API int cuCtxSynchronize(void)
{
    BEGIN("cuCtxSynchronize", true);
    for (int i = 0; i < n_streams; i++)
        while (streams[i]->n_queued)
            pthread_cond_wait(&changed, &lock);
    END(OK);
}

API int cuStreamIsCapturing(void *stream, int *status)
{
    BEGIN("cuStreamIsCapturing", true);
    *status = captured && stream == captured;
    END(OK);
}

API int cuStreamWaitEvent(void *stream, void *event, unsigned flags)
{
    struct event *e = event;
    (void)flags;
    BEGIN("cuStreamWaitEvent", true);
    if (!e->is_live)
        violation("waits for a destroyed event");
    if (captured && stream == captured) {
        violation("a captured stream waits for what is outside of the graph");
        capture_is_broken = true;
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
    counts.live_objects++;
    counts.events++;
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
    counts.live_objects--;
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
    if (captured && stream == captured)
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
    if (context != &counts || !e->is_live)
        violation("records a destroyed event, or none of this context");
    if (captured || is_capturing) {
        counts.broken_captures++;
        capture_is_broken = true;
        END(CAPTURE_UNSUPPORTED);
    }
    for (int i = 0; i < n_streams; i++)
        n += streams[i]->is_live;
    e->recorded++;
    int *parts = n ? parts_new(n) : NULL;
    for (int i = 0; i < n_streams; i++)
        if (streams[i]->is_live)
            record_part(e, streams[i], parts);
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
        pthread_cond_wait(&changed, &lock);
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

API int cuThreadExchangeStreamCaptureMode(int *mode)
{
    BEGIN("cuThreadExchangeStreamCaptureMode", false);
    int old = relaxed ? 2 : 0;
    relaxed = *mode == 2;
    *mode = old;
    END(OK);
}

API int cuModuleLoadData(void **out, const void *image)
{
    BEGIN("cuModuleLoadData", true);
    bool spins = strstr(image, ".entry stk_spin(");
    if (!spins && !strstr(image, ".entry stk_gather("))
        END(INVALID);
    counts.live_objects++;
    *out = spins ? (void *)&spin_module : (void *)&registered;
    END(OK);
}

API int cuModuleUnload(void *module)
{
    (void)module;
    BEGIN("cuModuleUnload", true);
    counts.live_objects--;
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
    if (captured && stream == captured)
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
    if (!covers(allocated, op->in, op->n) ||
        !covers(allocated, op->out, op->n * op->element_bytes))
        violation("kernel works outside of device memory");
    counts.kernels++;
    END(OK);
}

API int cuStreamBeginCapture_v2(void *stream, int mode)
{
    BEGIN("cuStreamBeginCapture", true);
    if (captured || is_capturing)
        END(INVALID);
    captured = stream;
    is_capturing = mode == 0; /* global: other threads are looked at, too */
    capture_is_broken = false;
    END(OK);
}

API int cuStreamEndCapture(void *stream, void **graph)
{
    BEGIN("cuStreamEndCapture", true);
    if (captured != stream)
        END(INVALID);
    captured = NULL;
    is_capturing = 0;
    *graph = capture_is_broken ? NULL : &captured;
    END(capture_is_broken ? 901 /* CUDA_ERROR_STREAM_CAPTURE_INVALIDATED */
                          : OK);
}

API int cuGraphDestroy(void *graph)
{
    BEGIN("cuGraphDestroy", true);
    END(graph == &captured ? OK : INVALID);
}

API void standin_counts(struct standin_counts *out)
{
    pthread_mutex_lock(&lock);
    *out = counts;
    out->depth = depth;
    pthread_mutex_unlock(&lock);
}

API int64_t standin_calls(const char *name, int failed)
{
    int64_t n = name ? 0 : n_calls;

    pthread_mutex_lock(&lock);
    for (int i = 0; i < MAX_NAMES; i++)
        if (name && strcmp(calls[i].name, name) == 0)
            n = failed ? calls[i].n_failed : calls[i].n;
    pthread_mutex_unlock(&lock);
    return n;
}

API int64_t standin_waits(void *stream)
{
    pthread_mutex_lock(&lock);
    int64_t n = stream_of(stream)->n_waits;
    pthread_mutex_unlock(&lock);
    return n;
}

API void standin_hold(const char *name, int n)
{
    pthread_mutex_lock(&lock);
    snprintf(holding.name, sizeof holding.name, "%s", name ? name : "");
    holding.n = n;
    holding.is_held = false;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

API void standin_wait_held(void)
{
    pthread_mutex_lock(&lock);
    while (!holding.is_held)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

API void standin_spare(int on)
{
    is_spared = on;
}

API void standin_shut_down(void)
{
    pthread_mutex_lock(&lock);
    is_shut_down = true;
    for (int i = 0; i < n_streams; i++)
        while (streams[i]->n_queued)
            pthread_cond_wait(&changed, &lock);
    counts.live_objects = 0;
    pthread_mutex_unlock(&lock);
}

API void standin_forgive_depth(void)
{
    pthread_mutex_lock(&lock);
    counts.forgives_depth = 1;
    pthread_mutex_unlock(&lock);
}

API void standin_fail(const char *name, int n, int code, int for_ever)
{
    pthread_mutex_lock(&lock);
    snprintf(failing.name, sizeof failing.name, "%s", name ? name : "");
    failing.n = n;
    failing.code = code;
    failing.for_ever = for_ever;
    pthread_mutex_unlock(&lock);
}

API void standin_pace(uint64_t seed, int max_us, double bandwidth)
{
    pthread_mutex_lock(&lock);
    pace_seed = seed;
    pace_us = max_us;
    pace_bandwidth = bandwidth;
    pthread_mutex_unlock(&lock);
}

API void standin_capture(int on)
{
    pthread_mutex_lock(&lock);
    is_capturing = on;
    pthread_mutex_unlock(&lock);
}

API void standin_capture_stream(void *stream)
{
    pthread_mutex_lock(&lock);
    captured = stream;
    pthread_mutex_unlock(&lock);
}

/* A child may ask for the counts: the lock must not be held at the fork. */
static void hold(void)
{
    pthread_mutex_lock(&lock);
}

static void let_go(void)
{
    pthread_mutex_unlock(&lock);
}

__attribute__((constructor)) static void begin(void)
{
    pthread_key_create(&thread_end, check_thread);
    pthread_atfork(hold, let_go, let_go);
}

/* A process that ends with violations or leaks says so; leaks are violations
 * only where STANDIN_LEAKS says that all should be gone by now. */
__attribute__((destructor)) static void report(void)
{
    if (owner != getpid())
        return;
    if (getenv("STANDIN_LEAKS") && counts.live_objects)
        violation("objects are left at the end");
    if (counts.violations)
        fprintf(stderr, "standin: %lld violations, %lld objects left\n",
                (long long)counts.violations, (long long)counts.live_objects);
}
