/* What the stand-in's files share: its state, under one lock, and what every
 * entry point begins and ends with. */
#ifndef STANDIN_STATE_H
#define STANDIN_STATE_H

#include "standin.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define API __attribute__((visibility("default")))

enum {
    OK = 0,
    INVALID = 1,
    NO_MEMORY = 2,
    DEINITIALIZED = 4,
    NO_CONTEXT = 201,
    NOT_READY = 600,
    ALREADY_REGISTERED = 712,
    CAPTURE_UNSUPPORTED = 900,
};
enum { MAX_REGIONS = 4096 };

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

struct standin {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct standin_counts counts;
    struct region registered[MAX_REGIONS], allocated[MAX_REGIONS];
    struct stream *streams[MAX_REGIONS];
    int n_streams;
    struct stream *legacy, *per_thread; /* the driver's own */
    pid_t owner;
    int n_retained, is_capturing;
    void *captured; /* the stream that is being captured */
    bool capture_is_broken, is_shut_down;
    uint64_t pace_seed;
    int pace_us;
    double pace_bandwidth;
};
extern struct standin si;

/* The calling thread's. */
struct standin_thread {
    int depth, relaxed, is_spared;
};
extern __thread struct standin_thread mine;

#define BEGIN(name, needs_context)                                             \
    pthread_mutex_lock(&si.lock);                                              \
    int rc = enter(name, needs_context);                                       \
    if (rc) {                                                                  \
        pthread_mutex_unlock(&si.lock);                                        \
        return rc;                                                             \
    }
#define END(code)                                                              \
    do {                                                                       \
        int code_ = (code);                                                    \
        pthread_mutex_unlock(&si.lock);                                        \
        return code_;                                                          \
    } while (0)

/* All of these under the lock. */
void violation(const char *text);
/* What every call checks.  Nonzero: the call fails with it. */
int enter(const char *name, bool needs_context);
/* A call that would invalidate a capture. */
void unsafe_call(const char *name);
/* The calling thread's end will look at what it left. */
void watch_thread(void);
bool covers(const struct region *list, const void *data, size_t bytes);
/* Does a queued operation touch this memory? */
bool in_use(const void *data, size_t bytes);
struct stream *stream_new(void);
/* NULL and 1: the legacy default stream; 2: the per-thread one, here one for
 * all threads. */
struct stream *stream_of(void *stream);
struct op *enqueue(void *stream, int kind);

uint64_t checksum(const void *data, size_t bytes);

#endif
