/* The states of guarded buffers; guard.h has the picture. */
#include "loader/guard.h"

#include <errno.h>
#include <time.h>

#include "base/mem.h"

int stk_guard_open(struct stk_guard *guard, const struct stk_cuda *cuda,
                   uint32_t n, bool uses_context, stoker_error *err)
{
    pthread_condattr_t attr;

    guard->slots = stk_calloc(n, sizeof *guard->slots);
    if (!guard->slots)
        return stk_fail(err, -ENOMEM, "guard: no memory");
    guard->cuda = cuda;
    guard->n = n;
    guard->uses_context = uses_context;
    pthread_mutex_init(&guard->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&guard->changed, &attr);
    pthread_condattr_destroy(&attr);
    return 0;
}

void stk_guard_forget(struct stk_guard *guard)
{
    if (!guard->slots)
        return;
    pthread_cond_destroy(&guard->changed);
    pthread_mutex_destroy(&guard->lock);
    stk_free(guard->slots);
    guard->slots = NULL;
}

void stk_guard_close(struct stk_guard *guard)
{
    for (uint32_t i = 0; guard->slots && i < guard->n; i++)
        for (int k = 0; k <= STK_GUARD_STREAMS; k++)
            if (guard->slots[i].events[k])
                guard->cuda->cuEventDestroy(guard->slots[i].events[k]);
    stk_guard_forget(guard);
}

static void set_state(struct stk_guard *guard, uint32_t slot,
                      enum stk_guard_state state)
{
    guard->slots[slot].state = state;
    /* Nobody waits for a lease, and for the dead only while a consumer sleeps:
     * a thread woken for nothing costs more than all else here. */
    if (state == STK_GUARD_FREE || state == STK_GUARD_MARKED ||
        (state == STK_GUARD_DEAD && guard->n_waiting))
        pthread_cond_broadcast(&guard->changed);
}

/* Under the lock: the slot of a state that was marked first, or -1. */
static int64_t oldest(const struct stk_guard *guard, enum stk_guard_state state)
{
    int64_t best = -1;

    for (uint32_t i = 0; i < guard->n; i++)
        if (guard->slots[i].state == state &&
            (best < 0 ||
             guard->slots[i].marked_at < guard->slots[best].marked_at))
            best = i;
    return best;
}

static void begin_lease(struct stk_guard *guard, uint32_t slot)
{
    guard->slots[slot].n_streams = 0;
    set_state(guard, slot, STK_GUARD_LEASED);
}

void stk_guard_lease(struct stk_guard *guard, uint32_t slot)
{
    pthread_mutex_lock(&guard->lock);
    begin_lease(guard, slot);
    guard->slots[slot].n_events = 0;
    pthread_mutex_unlock(&guard->lock);
}

void stk_guard_unlease(struct stk_guard *guard, uint32_t slot)
{
    pthread_mutex_lock(&guard->lock);
    guard->slots[slot].n_events = 0;
    set_state(guard, slot, STK_GUARD_FREE);
    pthread_mutex_unlock(&guard->lock);
}

/* Under the lock.  false: there is no room for another stream. */
static bool remember(struct stk_guarded *s, CUstream stream)
{
    int i = 0;

    while (i < s->n_streams && s->streams[i] != stream)
        i++;
    if (i == STK_GUARD_STREAMS)
        return false;
    if (i == s->n_streams)
        s->streams[s->n_streams++] = stream;
    return true;
}

int stk_guard_add_stream(struct stk_guard *guard, uint32_t slot,
                         CUstream stream, stoker_error *err)
{
    int rc = 0;

    pthread_mutex_lock(&guard->lock);
    if (!remember(&guard->slots[slot], stream))
        rc = stk_fail(err, -ENOSPC, "a batch is read by over %d streams",
                      STK_GUARD_STREAMS);
    pthread_mutex_unlock(&guard->lock);
    return rc;
}

void stk_guard_die(struct stk_guard *guard, uint32_t slot)
{
    pthread_mutex_lock(&guard->lock);
    set_state(guard, slot, STK_GUARD_DEAD);
    pthread_mutex_unlock(&guard->lock);
}

/* Who marks: the consumer's thread that names a stream, the same thread
 * without one, or a thread of ours while the consumer sleeps. */
enum who { CONSUMER_SAYS, CONSUMER, OURS };

/* 0, an error, or STOKER_TIMEOUT: not while a graph is being captured. */
static int record(struct stk_guard *guard, struct stk_guarded *s,
                  CUstream stream, stoker_error *err)
{
    const struct stk_cuda *cuda = guard->cuda;
    CUevent *event = &s->events[s->n_events];
    int rc = 0;

    if (!*event)
        rc = stk_cuda_check(
            cuda,
            cuda->cuEventCreate(event, CU_EVENT_DISABLE_TIMING |
                                           CU_EVENT_BLOCKING_SYNC),
            "cuEventCreate", err);
    if (rc < 0)
        return rc;
    if (guard->uses_context) {
        CUresult code = cuda->cuCtxRecordEvent(cuda->context, *event);
        if (code == CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)
            return STOKER_TIMEOUT;
        rc = stk_cuda_check(cuda, code, "cuCtxRecordEvent", err);
    } else
        rc = stk_cuda_check(cuda, cuda->cuEventRecord(*event, stream),
                            "cuEventRecord", err);
    if (rc == 0)
        s->n_events++;
    return rc;
}

static int record_all(struct stk_guard *guard, struct stk_guarded *s,
                      CUstream stream, bool use_stream, stoker_error *err)
{
    int rc = 0;

    s->n_events = 0;
    if (guard->uses_context)
        return record(guard, s, NULL, err);
    for (int i = 0; rc == 0 && i < s->n_streams; i++)
        if (!use_stream || s->streams[i] != stream)
            rc = record(guard, s, s->streams[i], err);
    if (rc == 0 && (use_stream || s->n_streams == 0))
        rc = record(guard, s, stream, err);
    return rc;
}

/* The per-thread default stream means another one on a thread of ours.
 * An implicit capture (NULL while a blocking stream is captured) is the one
 * error that the driver's answer has; it leaves the capture whole. */
static bool is_unfit(const struct stk_guard *guard, CUstream stream,
                     bool is_consumer)
{
    int status = 0;

    if (!is_consumer && (uintptr_t)stream == CU_STREAM_PER_THREAD)
        return true;
    return guard->cuda->cuStreamIsCapturing(stream, &status) != CUDA_SUCCESS ||
           status != 0;
}

static bool any_is_unfit(const struct stk_guard *guard,
                         const struct stk_guarded *s, CUstream stream,
                         enum who who)
{
    bool uses_stream =
        who == CONSUMER_SAYS || s->n_streams == 0 || guard->uses_context;
    bool found = uses_stream && is_unfit(guard, stream, who != OURS);

    for (int i = 0; !found && i < s->n_streams; i++)
        found = is_unfit(guard, s->streams[i], who != OURS);
    return found;
}

/* Under the lock, context current.  A slot whose events cannot be recorded
 * stays dead: better lost than overwritten. */
static int mark_slot(struct stk_guard *guard, uint32_t slot, CUstream stream,
                     enum who who, stoker_error *err)
{
    struct stk_guarded *s = &guard->slots[slot];

    if (any_is_unfit(guard, s, stream, who))
        return 0;
    int rc = record_all(guard, s, stream, who == CONSUMER_SAYS, err);
    if (rc == 0) {
        s->marked_at = guard->n_marks++;
        set_state(guard, slot, STK_GUARD_MARKED);
    }
    return rc < 0 ? rc : 0;
}

/* Under the lock, context current. */
static int mark_dead(struct stk_guard *guard, enum who who, stoker_error *err)
{
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < guard->n; i++)
        if (guard->slots[i].state == STK_GUARD_DEAD)
            rc = mark_slot(guard, i, guard->last_stream, who, err);
    return rc;
}

int stk_guard_mark(struct stk_guard *guard, CUstream stream, bool use_stream,
                   stoker_error *err)
{
    struct stk_cuda_visit visit;

    int rc = stk_guard_check(guard, err);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&guard->lock);
    /* Kept also when nothing is dead yet: what dies before next looks again
     * died on this stream. */
    if (use_stream)
        guard->last_stream = stream;
    pthread_mutex_unlock(&guard->lock);
    if (stk_guard_count(guard, STK_GUARD_DEAD) == 0)
        return 0;
    rc = stk_cuda_enter(guard->cuda, &visit, err);
    if (rc < 0)
        return rc;
    pthread_mutex_lock(&guard->lock);
    rc = mark_dead(guard, use_stream ? CONSUMER_SAYS : CONSUMER, err);
    pthread_mutex_unlock(&guard->lock);
    stk_cuda_leave(guard->cuda, &visit);
    return rc;
}

void stk_guard_begin_wait(struct stk_guard *guard)
{
    pthread_mutex_lock(&guard->lock);
    guard->n_waiting++;
    if (oldest(guard, STK_GUARD_DEAD) >= 0)
        pthread_cond_broadcast(&guard->changed);
    pthread_mutex_unlock(&guard->lock);
}

void stk_guard_end_wait(struct stk_guard *guard)
{
    pthread_mutex_lock(&guard->lock);
    guard->n_waiting--;
    pthread_mutex_unlock(&guard->lock);
}

void stk_guard_fail(struct stk_guard *guard, const stoker_error *err)
{
    pthread_mutex_lock(&guard->lock);
    if (!guard->failure.code)
        guard->failure = *err;
    pthread_mutex_unlock(&guard->lock);
}

int stk_guard_check(struct stk_guard *guard, stoker_error *err)
{
    int rc;

    pthread_mutex_lock(&guard->lock);
    rc = guard->failure.code;
    if (rc)
        *err = guard->failure;
    pthread_mutex_unlock(&guard->lock);
    return rc;
}

int stk_guard_die_on(struct stk_guard *guard, uint32_t slot, CUstream stream,
                     stoker_error *err)
{
    struct stk_cuda_visit visit;

    int rc = stk_cuda_enter(guard->cuda, &visit, err);
    pthread_mutex_lock(&guard->lock);
    bool is_noted = remember(&guard->slots[slot], stream);
    set_state(guard, slot, STK_GUARD_DEAD);
    if (rc == 0) {
        rc = mark_slot(guard, slot, stream, CONSUMER_SAYS, err);
        stk_cuda_leave(guard->cuda, &visit);
    }
    /* Dead, and nobody would wait for this stream: leased for ever. */
    if (!is_noted && guard->slots[slot].state == STK_GUARD_DEAD)
        set_state(guard, slot, STK_GUARD_LEASED);
    pthread_mutex_unlock(&guard->lock);
    return rc;
}

/* Under the lock; false: the deadline has come. */
static bool wait_change(struct stk_guard *guard, int64_t deadline_ns)
{
    struct timespec at = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                          .tv_nsec = (long)(deadline_ns % 1000000000)};
    return pthread_cond_timedwait(&guard->changed, &guard->lock, &at) !=
           ETIMEDOUT;
}

static int take(struct stk_guard *guard, int64_t deadline_ns, bool any,
                uint32_t *slot)
{
    int64_t found = -1;
    bool in_time = true;
    int rc;

    pthread_mutex_lock(&guard->lock);
    while (!guard->is_stopped) {
        /* An error is told by the consumer's own mark. */
        if (guard->n_waiting)
            mark_dead(guard, OURS, NULL);
        if (any)
            found = oldest(guard, STK_GUARD_FREE);
        if (found < 0)
            found = oldest(guard, STK_GUARD_MARKED);
        if (found >= 0 || !in_time)
            break;
        in_time = wait_change(guard, deadline_ns);
    }
    rc = guard->is_stopped ? STOKER_END : found < 0 ? STOKER_TIMEOUT : 0;
    if (rc == 0) {
        if (guard->slots[found].state == STK_GUARD_FREE)
            guard->slots[found].n_events = 0;
        begin_lease(guard, (uint32_t)found);
        *slot = (uint32_t)found;
    }
    pthread_mutex_unlock(&guard->lock);
    return rc;
}

int stk_guard_take_marked(struct stk_guard *guard, int64_t deadline_ns,
                          uint32_t *slot)
{
    return take(guard, deadline_ns, false, slot);
}

int stk_guard_take_any(struct stk_guard *guard, int64_t deadline_ns,
                       uint32_t *slot)
{
    return take(guard, deadline_ns, true, slot);
}

void stk_guard_free(struct stk_guard *guard, uint32_t slot)
{
    stk_guard_unlease(guard, slot);
}

uint32_t stk_guard_count(struct stk_guard *guard, enum stk_guard_state state)
{
    uint32_t n = 0;

    pthread_mutex_lock(&guard->lock);
    for (uint32_t i = 0; i < guard->n; i++)
        n += guard->slots[i].state == state;
    pthread_mutex_unlock(&guard->lock);
    return n;
}

void stk_guard_stop(struct stk_guard *guard)
{
    pthread_mutex_lock(&guard->lock);
    guard->is_stopped = true;
    pthread_cond_broadcast(&guard->changed);
    pthread_mutex_unlock(&guard->lock);
}

void stk_guard_go(struct stk_guard *guard)
{
    pthread_mutex_lock(&guard->lock);
    guard->is_stopped = false;
    pthread_mutex_unlock(&guard->lock);
}
