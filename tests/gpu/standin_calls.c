/* What each call checks before it does anything, what tests switch, and the
 * report at the end. */
#include "standin_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_NAMES = 64 };

struct standin si = {.lock = PTHREAD_MUTEX_INITIALIZER,
                     .changed = PTHREAD_COND_INITIALIZER,
                     .pace_seed = 1,
                     .pace_us = 200};
__thread struct standin_thread mine;

static struct {
    char name[64];
    int n, code, for_ever;
} failing;
static struct {
    char name[48];
    int64_t n, n_failed;
} calls[MAX_NAMES];     /* how often each entry point was called */
static int64_t n_calls; /* of all */
static struct {
    char name[64];
    int n;
    bool is_held; /* somebody stands there */
} holding;
static pthread_key_t thread_end;

void violation(const char *text)
{
    si.counts.violations++;
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
    pthread_cond_broadcast(&si.changed);
    while (holding.is_held)
        pthread_cond_wait(&si.changed, &si.lock);
}

/* Under the lock: what every call checks.  Nonzero: the call fails with it. */
int enter(const char *name, bool needs_context)
{
    if (!si.owner)
        si.owner = getpid();
    if (si.owner != getpid())
        violation("called in a forked child");
    if (mine.is_spared)
        return OK;
    if (si.is_shut_down)
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
    if (needs_context && mine.depth == 0) {
        violation(name);
        fprintf(stderr, "standin: ... without a current context\n");
        return NO_CONTEXT;
    }
    return OK;
}

/* At the end of each thread that had a context. */
static void check_thread(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&si.lock);
    if (mine.depth != 0 && !si.counts.forgives_depth)
        violation("a thread ended with a context pushed");
    pthread_mutex_unlock(&si.lock);
}

void watch_thread(void)
{
    /* Any value but NULL. */
    pthread_setspecific(thread_end, &si);
}

void unsafe_call(const char *name)
{
    if (si.is_capturing && !mine.relaxed) {
        si.capture_is_broken = true;
        violation(name);
        fprintf(stderr, "standin: ... would invalidate a graph capture\n");
    }
}

API void standin_counts(struct standin_counts *out)
{
    pthread_mutex_lock(&si.lock);
    *out = si.counts;
    out->depth = mine.depth;
    pthread_mutex_unlock(&si.lock);
}

API int64_t standin_calls(const char *name, int failed)
{
    int64_t n = name ? 0 : n_calls;

    pthread_mutex_lock(&si.lock);
    for (int i = 0; i < MAX_NAMES; i++)
        if (name && strcmp(calls[i].name, name) == 0)
            n = failed ? calls[i].n_failed : calls[i].n;
    pthread_mutex_unlock(&si.lock);
    return n;
}

API int64_t standin_waits(void *stream)
{
    pthread_mutex_lock(&si.lock);
    int64_t n = stream_of(stream)->n_waits;
    pthread_mutex_unlock(&si.lock);
    return n;
}

API void standin_hold(const char *name, int n)
{
    pthread_mutex_lock(&si.lock);
    snprintf(holding.name, sizeof holding.name, "%s", name ? name : "");
    holding.n = n;
    holding.is_held = false;
    pthread_cond_broadcast(&si.changed);
    pthread_mutex_unlock(&si.lock);
}

API void standin_wait_held(void)
{
    pthread_mutex_lock(&si.lock);
    while (!holding.is_held)
        pthread_cond_wait(&si.changed, &si.lock);
    pthread_mutex_unlock(&si.lock);
}

API void standin_spare(int on)
{
    mine.is_spared = on;
}

API void standin_shut_down(void)
{
    pthread_mutex_lock(&si.lock);
    si.is_shut_down = true;
    for (int i = 0; i < si.n_streams; i++)
        while (si.streams[i]->n_queued)
            pthread_cond_wait(&si.changed, &si.lock);
    si.counts.live_objects = 0;
    pthread_mutex_unlock(&si.lock);
}

API void standin_forgive_depth(void)
{
    pthread_mutex_lock(&si.lock);
    si.counts.forgives_depth = 1;
    pthread_mutex_unlock(&si.lock);
}

API void standin_fail(const char *name, int n, int code, int for_ever)
{
    pthread_mutex_lock(&si.lock);
    snprintf(failing.name, sizeof failing.name, "%s", name ? name : "");
    failing.n = n;
    failing.code = code;
    failing.for_ever = for_ever;
    pthread_mutex_unlock(&si.lock);
}

API void standin_pace(uint64_t seed, int max_us, double bandwidth)
{
    pthread_mutex_lock(&si.lock);
    si.pace_seed = seed;
    si.pace_us = max_us;
    si.pace_bandwidth = bandwidth;
    pthread_mutex_unlock(&si.lock);
}

API void standin_capture(int on)
{
    pthread_mutex_lock(&si.lock);
    si.is_capturing = on;
    pthread_mutex_unlock(&si.lock);
}

API void standin_capture_stream(void *stream)
{
    pthread_mutex_lock(&si.lock);
    si.captured = stream;
    pthread_mutex_unlock(&si.lock);
}

/* A child may ask for the counts: the lock must not be held at the fork. */
static void hold(void)
{
    pthread_mutex_lock(&si.lock);
}

static void let_go(void)
{
    pthread_mutex_unlock(&si.lock);
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
    if (si.owner != getpid())
        return;
    if (getenv("STANDIN_LEAKS") && si.counts.live_objects)
        violation("objects are left at the end");
    if (si.counts.violations)
        fprintf(stderr, "standin: %lld violations, %lld objects left\n",
                (long long)si.counts.violations,
                (long long)si.counts.live_objects);
}
