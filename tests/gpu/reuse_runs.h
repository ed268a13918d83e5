/* Consumers of many batches whose readers come late, and what they find: used
 * by the soaks (nothing may be found) and by the mutants (something must). */
#ifndef REUSE_RUNS_H
#define REUSE_RUNS_H

#include "gpu_rig.h"

#if !defined(STK_WATCHES_THREADS)
#define STK_WATCHES_THREADS 0 /* 1: built for the thread sanitizer */
#endif

/* One consumer and what it, or the loader, leaves out. */
struct reuse_run {
    int guard;
    void (*mutate)(stoker_loader *loader); /* before the first batch */
    /* host mode */
    bool frees_at_once; /* the deleter gives the slot back itself */
    bool marks_early;   /* records before the copy instead of behind it */
    bool forgets_mark;
    bool uses_second_stream, forgets_record;
    /* device mode */
    bool is_float; /* the kernel makes f32 of bytes */
    bool forgets_acquire, forgets_release;
    bool uses_mark; /* releases plainly and marks before each next */
};

/* The early reuses that were seen in n batches of host mode: an asynchronous
 * copy from each, whose view dies before the copy runs. */
int64_t reuse_run_host(int n, struct reuse_run run);

/* Device mode: late copies back on the consumer's stream must find the
 * batch's own pixels; early reuses, and batches that were wrong. */
int64_t reuse_run_device(int n, struct reuse_run run);

/* Several threads, a stream each, take turns in next; device -1: host mode. */
int64_t reuse_run_threads(int n, int device);

#endif
