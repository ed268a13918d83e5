/* What the two engines share: an engine's reads, and the few verbs in which
 * io_uring and pread differ. */
#ifndef STK_IO_ENGINE_H
#define STK_IO_ENGINE_H

#include <stdbool.h>

#include "read/io.h"
#include "read/io_buffer.h"
#include "read/io_calls.h"
#include "read/io_shards.h"

/* One request to the system.  Its buffer and descriptor are the system's from
 * start until its answer has arrived, even when nobody waits any more. */
struct stk_flight {
    struct stk_io_slot *slot; /* NULL: stalled, its read has been given up */
    struct stk_flight *next;  /* of the stalled ones */
    struct stk_io_buffer buffer;
    int fd;
    bool may_wait; /* io_uring: O_NONBLOCK was taken off fd before start */
    struct stk_shard *shard; /* NULL: fd is this flight's own */
    int64_t offset;          /* in the file, of the bytes asked for */
    size_t at, n;            /* bytes asked for: buffer[at] ... n of them */
};

enum stk_io_state {
    STK_IO_FREE,
    STK_IO_DUE,    /* waits for its next try */
    STK_IO_FLYING, /* the engine has it */
    STK_IO_DONE,   /* waits to be reaped */
    STK_IO_REAPED, /* its owner looks at it */
};

struct stk_io_slot {
    struct stk_read read; /* first: its address is the slot's */
    enum stk_io_state state;
    struct stk_part part;
    struct stk_flight *flight;
    struct stk_io_stat stat; /* when it was opened */
    int64_t begin;           /* first byte in the file */
    size_t want, got;        /* bytes of the sample */
    bool to_end;             /* one byte more is asked for: has it grown? */
    uint64_t order;          /* of submit: earlier ones go first */
    /* since: when a reap first saw the request unanswered, 0 before that; moved
     * on by the time that the worker was away. */
    int64_t since_ns, due_ns;
    int64_t retry_until_ns; /* 0: no transient error yet */
};

/* How the system is asked.  Immutable. */
struct stk_io_engine {
    int kind; /* a stoker_io */
    int (*open)(struct stk_io *io, stoker_error *err);
    /* Takes the slot's flight; the answer comes by stk_io_arrived(). */
    void (*start)(struct stk_io *io, struct stk_flight *flight);
    /* Hands over answers that are there; with wait_ns > 0 waits so long for
     * the first. */
    void (*collect)(struct stk_io *io, int64_t wait_ns);
    /* Asks for a flight's answer soon. */
    void (*cancel)(struct stk_io *io, struct stk_flight *flight);
    /* At close: answers what the system never took, and so never owed.  NULL:
     * there is no such thing. */
    void (*forsake)(struct stk_io *io);
    void (*close)(struct stk_io *io);
};

extern const struct stk_io_engine stk_io_uring_engine, stk_io_pread_engine;

struct stk_io {
    const struct stk_io_engine *engine;
    const struct stk_io_calls *calls;
    struct stk_io_options options;
    void *state; /* the engine's */
    struct stk_io_slot slots[STK_IO_MAX_READS];
    struct stk_flight *stalled;
    struct stk_shards shards;
    int32_t n_flying; /* answers that the system owes, stalled ones too */
    uint64_t n_submits;
    int64_t looked_ns; /* the last reap looked for stalls; 0: none did */
    char reason[128];
};

/* Bytes that one request may ask for. */
enum { STK_IO_REQUEST_BYTES = 1 << 30 };

static inline int64_t stk_io_now(const struct stk_io *io)
{
    return io->calls->now_ns(io->calls->self);
}

/* io_steps.c: a slot's way, step by step. */
struct stk_flight *stk_flight_make(const struct stk_io *io);
void stk_io_begin(struct stk_io *io, struct stk_io_slot *slot);
void stk_io_arrived(struct stk_io *io, struct stk_flight *flight,
                    int64_t result);
void stk_io_finish(struct stk_io *io, struct stk_io_slot *slot, int result);
void stk_flight_drop_file(struct stk_io *io, struct stk_flight *flight);

#endif
