/* Reading: one engine a worker, four verbs (open, submit, reap, close), two
 * kinds (io_uring, pread) that give the same bytes and the same errors.
 *
 * A read's life: free -> submit -> in flight -> reap -> done -> recycle ->
 * free.  Its buffer is the engine's: address space for the largest file that
 * is allowed, filled only as far as files reach, so that nothing is allocated
 * per sample and a file may grow up to the limit. */
#ifndef STK_IO_H
#define STK_IO_H

#include "base/error.h"
#include "base/span.h"
#include "flow/part.h"

struct stk_io;
struct stk_io_calls; /* read/io_calls.h: what tests put under an engine */

enum { STK_IO_MAX_READS = 64, STK_IO_PAD = 64 };

struct stk_io_options {
    int32_t io;      /* a stoker_io; AUTO: io_uring, else pread */
    int32_t n_reads; /* 1 ... STK_IO_MAX_READS */
    int64_t max_file_bytes;
    int32_t stall_timeout_ms; /* a read older than this is -ETIMEDOUT */
    int32_t retry_ms;         /* how long transient errors are retried */
    uint64_t seed;            /* of the back-off's jitter; decides no pixel */
    /* Told the tag of the read that the next system call, which may hang, is
     * for; NULL: nobody is. */
    void (*watch)(void *watcher, void *tag);
    void *watcher;
    const struct stk_io_calls *calls; /* NULL: the system's */
};

/* One read; the engine's, for its owner to look at between reap and recycle.
 * bytes is zeros for STK_IO_PAD bytes behind its end, except for MEMORY
 * parts, whose bytes are the caller's own and are not copied. */
struct stk_read {
    void *tag;         /* the owner's; the engine never touches it */
    int32_t result;    /* 0, or the sample's code as in stoker.h */
    int32_t n_retries; /* of this read */
    struct stk_span bytes;
    stoker_error error; /* "PATH: reason", where result < 0 */
};

/* Opens an engine for the calling thread, which alone may use it.
 * Returns 0; -ENOMEM, -EINVAL; for a named io_uring -ENOSYS, -EPERM, -ENOMEM
 * with the reason. */
int stk_io_open(struct stk_io **out, const struct stk_io_options *options,
                stoker_error *err);

/* The index-th of the engine's reads, 0 ... n_reads-1; valid until close. */
struct stk_read *stk_io_read(struct stk_io *io, int32_t index);

/* Starts a free read.  part->path is borrowed until the read is reaped.  All
 * errors arrive by reap.  The file is opened here: on a dead network mount
 * this call can hang as open() does. */
void stk_io_submit(struct stk_io *io, struct stk_read *read,
                   const struct stk_part *part);

/* Takes up to max finished reads, in any order.  timeout_ms 0 only looks, -1
 * waits as long as it takes; returns early when nothing is in flight.
 * Returns how many. */
int stk_io_reap(struct stk_io *io, struct stk_read **done, int max,
                int timeout_ms);

/* Makes a reaped read free again; its bytes are gone. */
void stk_io_recycle(struct stk_io *io, struct stk_read *read);

/* Cancels what is in flight and gives everything back; *io becomes NULL.
 * Returns 0, or -ETIMEDOUT when the kernel still held reads after a second:
 * their buffers and the ring are left to it, for ever, rather than hang.  (A
 * pread that hangs cannot be left by its own thread: then it is this thread
 * that its loader has to abandon.) */
int stk_io_close(struct stk_io **io);

/* The stoker_io that AUTO became, and why it is not io_uring, or "". */
int stk_io_kind(const struct stk_io *io);
const char *stk_io_reason(const struct stk_io *io);

/* Can io_uring be used here?  Sets a ring up and sends a no-op through it.
 * Returns 0, or the code, with the reason in text.  Any thread. */
int stk_io_probe(char *reason, size_t bytes);

#endif
