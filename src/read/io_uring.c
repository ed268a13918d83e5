/* Reading through io_uring, one ring a worker, set up and used by its thread
 * alone.  Files are opened by plain open(): cold opens are handed to kernel
 * threads anyhow, so that linking them saves nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "read/io_engine.h"

#if STK_HAVE_URING
#include <liburing.h>

/* A kernel that takes no entries is asked again after so long. */
enum { REFUSED_NS = 1000000 };

static const char *reason_of(int code)
{
    switch (code) {
    case -ENOSYS:
        return "this kernel has no io_uring (or a seccomp filter hides it)";
    case -EPERM:
    case -EACCES:
        return "the system forbids io_uring (container seccomp profile, or "
               "sysctl kernel.io_uring_disabled)";
    case -ENOMEM:
        return "not enough lockable memory for a ring (ulimit -l)";
    case -EOPNOTSUPP:
        return "this kernel's io_uring cannot read yet (before 5.6)";
    default:
        return strerror(-code);
    }
}

/* Newest flags first; a kernel that does not know them says EINVAL. */
static int set_up(struct io_uring *ring, unsigned entries)
{
    static const unsigned flags[] = {
        /* 6.1: completions run when this thread asks, without interrupts */
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
            IORING_SETUP_TASKRUN_FLAG,
        /* 5.19 */
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
        0,
    };
    int rc = -EINVAL;

    for (int i = 0; i < 3 && rc == -EINVAL; i++)
        rc = io_uring_queue_init(entries, ring, flags[i]);
    if (rc < 0)
        return rc;
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool can_read = probe && io_uring_opcode_supported(probe, IORING_OP_READ) &&
                    io_uring_opcode_supported(probe, IORING_OP_ASYNC_CANCEL);
    if (probe)
        io_uring_free_probe(probe);
    if (!can_read) {
        io_uring_queue_exit(ring);
        return -EOPNOTSUPP;
    }
    return 0;
}

/* An engine's state: the ring first, so that its address is the state's. */
struct counted_ring {
    struct io_uring ring;
    uint64_t n_entries, n_answers; /* made, and seen */
    /* Kernels 5.8 to 5.14 answer EAGAIN where a file that is O_NONBLOCK would
     * wait for its disk.  Such a kernel is known by its first answer, and the
     * flag, which serves the open alone, is taken off from then on. */
    bool needs_waiting_files;
};

static int open_uring(struct stk_io *io, stoker_error *err)
{
    struct counted_ring *ring = stk_calloc(1, sizeof *ring);

    if (!ring)
        return stk_fail(err, -ENOMEM, "no memory");
    int rc = set_up(&ring->ring, 2 * (unsigned)io->options.n_reads);
    if (rc < 0) {
        stk_free(ring);
        return stk_fail(err, rc, "%s", reason_of(rc));
    }
    io->state = ring;
    return 0;
}

/* A free entry; the queue is handed to the kernel when it is full. */
static struct io_uring_sqe *next_entry(struct counted_ring *state)
{
    struct io_uring *ring = &state->ring;
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    if (!sqe) {
        io_uring_submit(ring);
        sqe = io_uring_get_sqe(ring);
    }
    state->n_entries += sqe != NULL;
    return sqe;
}

static void start(struct stk_io *io, struct stk_flight *flight)
{
    struct counted_ring *state = io->state;
    struct io_uring_sqe *sqe = next_entry(state);

    flight->may_wait = state->needs_waiting_files;
    if (flight->may_wait)
        fcntl(flight->fd, F_SETFL, O_RDONLY);
    if (!sqe) { /* the kernel takes nothing now: a transient error */
        stk_io_arrived(io, flight, -EBUSY);
        return;
    }
    io_uring_prep_read(sqe, flight->fd, flight->buffer.data + flight->at,
                       (unsigned)flight->n, (uint64_t)flight->offset);
    io_uring_sqe_set_data(sqe, flight);
}

/* true: an EAGAIN may be about O_NONBLOCK, and the read is asked for again,
 * once. */
static bool ask_waiting(struct stk_io *io, struct stk_flight *flight)
{
    if (!flight->slot || flight->may_wait)
        return false;
    ((struct counted_ring *)io->state)->needs_waiting_files = true;
    start(io, flight);
    return true;
}

static void take_answers(struct stk_io *io, struct io_uring *ring)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(ring, &cqe) == 0) {
        struct stk_flight *flight = io_uring_cqe_get_data(cqe);
        int64_t result = cqe->res;
        io_uring_cqe_seen(ring, cqe);
        ((struct counted_ring *)io->state)->n_answers++;
        if (!flight)
            continue; /* the answer to a cancel */
        if (io->calls->answer)
            result = io->calls->answer(io->calls->self, flight->fd,
                                       flight->offset, result);
        if (result == -EAGAIN && ask_waiting(io, flight))
            continue;
        stk_io_arrived(io, flight, result);
    }
}

static void collect(struct stk_io *io, int64_t wait_ns)
{
    struct io_uring *ring = io->state;
    struct io_uring_cqe *cqe;

    if (wait_ns > 0 && io->n_flying > 0) {
        struct __kernel_timespec t = {wait_ns / 1000000000,
                                      wait_ns % 1000000000};
        /* EINTR, ETIME and EBUSY are all: look what there is. */
        int rc = io_uring_submit_and_wait_timeout(ring, &cqe, 1, &t, NULL);
        if (rc < 0 && rc != -ETIME && rc != -EINTR)
            io->calls->sleep_ns(io->calls->self, REFUSED_NS);
    } else if (wait_ns > 0) {
        io->calls->sleep_ns(io->calls->self, wait_ns);
    } else if (io_uring_sq_ready(ring)) {
        io_uring_submit(ring);
    }
    take_answers(io, ring);
    /* Short reads were asked again. */
    if (io_uring_sq_ready(ring))
        io_uring_submit(ring);
}

static void cancel(struct stk_io *io, struct stk_flight *flight)
{
    struct io_uring_sqe *sqe = next_entry(io->state);

    if (!sqe)
        return;
    io_uring_prep_cancel(sqe, flight, 0);
    io_uring_sqe_set_data(sqe, NULL);
    io_uring_submit(io->state);
}

/* The kernel owes an answer for each entry that it took from the queue. */
static void forsake(struct stk_io *io)
{
    struct counted_ring *state = io->state;
    uint64_t n_taken = state->n_entries - io_uring_sq_ready(&state->ring);

    while (n_taken == state->n_answers && io->stalled)
        stk_io_arrived(io, io->stalled, -ECANCELED);
}

static void close_uring(struct stk_io *io)
{
    io_uring_queue_exit(io->state);
    stk_free(io->state);
}

static int send_nop(struct io_uring *ring)
{
    struct io_uring_cqe *cqe;
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    io_uring_prep_nop(sqe);
    int rc = io_uring_submit_and_wait(ring, 1);
    if (rc >= 0)
        rc = io_uring_peek_cqe(ring, &cqe);
    if (rc < 0)
        return rc;
    rc = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return rc;
}

int stk_io_probe(char *reason, size_t bytes)
{
    struct io_uring ring;

    snprintf(reason, bytes, "%s", "");
    int rc = set_up(&ring, 2);
    if (rc == 0) {
        rc = send_nop(&ring);
        io_uring_queue_exit(&ring);
    }
    if (rc < 0)
        snprintf(reason, bytes, "%s", reason_of(rc));
    return rc < 0 ? rc : 0;
}

#else

static int open_uring(struct stk_io *io, stoker_error *err)
{
    (void)io;
    return stk_fail(err, -ENOSYS, "this build has no liburing");
}

static void start(struct stk_io *io, struct stk_flight *flight)
{
    (void)io;
    (void)flight;
}

static void collect(struct stk_io *io, int64_t wait_ns)
{
    (void)io;
    (void)wait_ns;
}

static void cancel(struct stk_io *io, struct stk_flight *flight)
{
    (void)io;
    (void)flight;
}

static void forsake(struct stk_io *io)
{
    (void)io;
}

static void close_uring(struct stk_io *io)
{
    (void)io;
}

int stk_io_probe(char *reason, size_t bytes)
{
    snprintf(reason, bytes, "this build has no liburing");
    return -ENOSYS;
}

#endif

const struct stk_io_engine stk_io_uring_engine = {
    .kind = STOKER_IO_URING,
    .open = open_uring,
    .start = start,
    .collect = collect,
    .cancel = cancel,
    .forsake = forsake,
    .close = close_uring,
};
