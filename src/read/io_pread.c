/* Reading without io_uring: submit opens the file and tells the kernel to
 * read ahead, reap copies it out, oldest first.  A pread that hangs hangs its
 * thread: only the loader can leave that behind. */
#include <errno.h>

#include "read/io_engine.h"

static int open_pread(struct stk_io *io, stoker_error *err)
{
    (void)io;
    (void)err;
    return 0;
}

static void start(struct stk_io *io, struct stk_flight *flight)
{
    /* Only the first request: the rest of the file is on its way then. */
    if (flight->at == 0)
        io->calls->advise(io->calls->self, flight->fd, flight->offset,
                          (int64_t)flight->n);
}

static struct stk_flight *oldest(struct stk_io *io)
{
    struct stk_io_slot *first = NULL;

    for (int32_t i = 0; i < io->options.n_reads; i++) {
        struct stk_io_slot *slot = &io->slots[i];
        if (slot->state == STK_IO_FLYING &&
            (!first || slot->order < first->order))
            first = slot;
    }
    return first ? first->flight : NULL;
}

/* Only a caller that waits pays for a copy: a look finds decoding to do. */
static void collect(struct stk_io *io, int64_t wait_ns)
{
    if (wait_ns <= 0)
        return;
    struct stk_flight *flight = oldest(io);
    if (!flight) {
        if (io->stalled)
            stk_io_arrived(io, io->stalled, -ECANCELED);
        else
            io->calls->sleep_ns(io->calls->self, wait_ns);
        return;
    }
    int64_t result = io->calls->read(io->calls->self, flight->fd,
                                     flight->buffer.data + flight->at,
                                     flight->n, flight->offset);
    stk_io_arrived(io, flight, result);
}

static void cancel(struct stk_io *io, struct stk_flight *flight)
{
    (void)io;
    (void)flight;
}

static void close_pread(struct stk_io *io)
{
    (void)io;
}

const struct stk_io_engine stk_io_pread_engine = {
    .kind = STOKER_IO_PREAD,
    .open = open_pread,
    .start = start,
    .collect = collect,
    .cancel = cancel,
    .close = close_pread,
};
