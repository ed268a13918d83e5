/* What tests ask the stand-in libcuda.so.1 besides the driver API.  Found by
 * dlsym on the library that was loaded as libcuda.so.1. */
#ifndef STANDIN_H
#define STANDIN_H

#include <stdint.h>

struct standin_counts {
    int64_t violations;   /* of any kind; each is printed to stderr */
    int64_t early_reuses; /* a copy's source changed before it ran */
    int64_t unpinned_copies;
    int64_t copies, kernels, events, live_objects, registered_bytes;
    int64_t broken_captures; /* by a cuCtxRecordEvent */
    int64_t depth;           /* of the calling thread's context stack */
    int64_t forgives_depth;  /* a pop may have been made to fail */
};

/* Any thread. */
typedef void standin_counts_fn(struct standin_counts *out);
/* The n-th next call (1: the next one) of a function, "*" of any, returns
 * code; from then on all, if for_ever.  name NULL: nothing fails any more. */
typedef void standin_fail_fn(const char *name, int n, int code, int for_ever);
/* Delays before each operation: uniform up to max_us, seeded; copies take
 * bytes / bandwidth (bytes a second, 0: none) besides. */
typedef void standin_pace_fn(uint64_t seed, int max_us, double bandwidth);
/* 1: a graph is being captured; unsafe calls of a thread whose capture mode
 * is not relaxed are violations. */
typedef void standin_capture_fn(int on);
/* The stream that is being captured into a graph; NULL: none. */
typedef void standin_capture_stream_fn(void *stream);

/* Calls of a function so far, or those of them that were made to fail; NULL:
 * of all functions together. */
typedef int64_t standin_calls_fn(const char *name, int failed);
/* Events that a stream was made to wait for. */
typedef int64_t standin_waits_fn(void *stream);
/* The n-th next call of a function stands still until the next hold; wait_held
 * comes back when it does.  name NULL: lets go. */
typedef void standin_hold_fn(const char *name, int n);
typedef void standin_wait_held_fn(void);
/* 1: this thread's calls are the test's own: neither counted nor failed. */
typedef void standin_spare_fn(int on);
/* As at the process's exit: nothing runs any more, every call is refused. */
typedef void standin_shut_down_fn(void);
/* Threads that end with a context pushed are no violation: a pop failed. */
typedef void standin_forgive_depth_fn(void);

#endif
