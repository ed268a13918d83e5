/* Counters that one thread writes and any thread reads: no lock prefix. */
#ifndef STK_COUNTERS_H
#define STK_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

struct stk_counters {
    _Alignas(64) atomic_llong n_samples, n_own, n_retries, bytes_read;
    atomic_llong read_ns, probe_ns, decode_ns, resample_ns, emit_ns;
    atomic_llong idle_ns, input_ns, scratch_bytes;
};

/* Relaxed: the sum is a report, nothing is read by it. */
static inline void stk_count(atomic_llong *counter, int64_t more)
{
    long long now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + more, memory_order_relaxed);
}

static inline void stk_count_set(atomic_llong *counter, int64_t value)
{
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

static inline int64_t stk_count_get(atomic_llong *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
