/* A reader in a thread of its own, for callers that must not hang with the
 * storage: one file at a time, and a reader that hangs is left behind. */
#ifndef STK_ASIDE_H
#define STK_ASIDE_H

#include "flow/part.h"
#include "loader/worker.h"
#include "read/io.h"

struct stk_aside;

/* options->io must be STOKER_IO_PREAD: an io_uring is its own thread's. */
int stk_aside_open(struct stk_aside **out, const struct stk_io_options *options,
                   stoker_error *err);

/* STK_PATH_BYTES for the next read's path, which a hanging read goes on to
 * use. */
char *stk_aside_path(struct stk_aside *aside);

/* Reads; part->path is stk_aside_path().
 * Owns: *out is the reader's, until the next read or close.
 * Returns 0, with the read's own outcome in (*out)->result; -ETIMEDOUT when no
 * system call has come back for stall_timeout_ms: then the reader may only be
 * asked whether it is back, and closed. */
int stk_aside_read(struct stk_aside *aside, const struct stk_part *part,
                   struct stk_read **out);

/* After -ETIMEDOUT: true when the storage has answered after all. */
bool stk_aside_is_back(struct stk_aside *aside);

/* true in the process that opened it; in a forked child it has no thread. */
bool stk_aside_is_ours(const struct stk_aside *aside);

/* Ends the thread.  One that hangs is left to itself with its memory, for
 * ever; NULL is nothing. */
void stk_aside_close(struct stk_aside *aside);

#endif
