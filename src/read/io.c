/* The four verbs, over either engine: which slot is due, what has stalled,
 * what may be handed out. */
#include "read/io.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "read/io_engine.h"

/* Close waits so long for answers to what it cancelled. */
enum { CLOSE_WAIT_MS = 1000, SLICE_NS = 100000000, MIN_WAIT_NS = 100000 };

/* A thread that has not looked for so long was away, or its program stopped,
 * and with it those of the kernel's that read for it. */
enum { AWAY_NS = 1000000000 };

static int check(const struct stk_io_options *options, stoker_error *err)
{
    if (options->n_reads < 1 || options->n_reads > STK_IO_MAX_READS)
        return stk_fail(err, -EINVAL, "reads_ahead %d is not in 1 ... %d",
                        options->n_reads, STK_IO_MAX_READS);
    if (options->max_file_bytes < 1 || options->max_file_bytes > INT64_MAX / 4)
        return stk_fail(err, -EINVAL, "max_file_bytes %lld is no limit",
                        (long long)options->max_file_bytes);
    if (options->stall_timeout_ms < 1 || options->retry_ms < 0)
        return stk_fail(err, -EINVAL,
                        "stall_timeout_ms %d, retry_ms %d: no "
                        "times to wait",
                        options->stall_timeout_ms, options->retry_ms);
    return 0;
}

static int open_engine(struct stk_io *io, stoker_error *err)
{
    stoker_error why;

    io->engine = io->calls->engine;
    if (io->engine)
        return io->engine->open(io, err);
    if (io->options.io != STOKER_IO_PREAD) {
        io->engine = &stk_io_uring_engine;
        int rc = io->engine->open(io, &why);
        if (rc == 0)
            return 0;
        if (io->options.io == STOKER_IO_URING)
            return stk_fail(err, rc, "io_uring: %s", why.text);
        snprintf(io->reason, sizeof io->reason, "%.*s",
                 (int)sizeof io->reason - 1, why.text);
    }
    io->engine = &stk_io_pread_engine;
    return io->engine->open(io, err);
}

static void free_slots(struct stk_io *io)
{
    for (int32_t i = 0; i < io->options.n_reads; i++)
        if (io->slots[i].flight) {
            stk_io_buffer_fini(&io->slots[i].flight->buffer);
            stk_free(io->slots[i].flight);
        }
}

int stk_io_open(struct stk_io **out, const struct stk_io_options *options,
                stoker_error *err)
{
    int rc = check(options, err);
    if (rc < 0)
        return rc;
    struct stk_io *io = stk_calloc(1, sizeof *io);
    if (!io)
        return stk_fail(err, -ENOMEM, "reading: no memory");
    io->options = *options;
    io->calls = options->calls ? options->calls : &stk_io_system;
    for (int32_t i = 0; i < options->n_reads && rc == 0; i++) {
        io->slots[i].flight = stk_flight_make(io);
        if (!io->slots[i].flight)
            rc = stk_fail(err, -ENOMEM, "reading: no memory");
    }
    if (rc == 0)
        rc = open_engine(io, err);
    if (rc < 0) {
        free_slots(io);
        stk_free(io);
        return rc;
    }
    *out = io;
    return 0;
}

struct stk_read *stk_io_read(struct stk_io *io, int32_t index)
{
    return &io->slots[index].read;
}

void stk_io_submit(struct stk_io *io, struct stk_read *read,
                   const struct stk_part *part)
{
    struct stk_io_slot *slot = (struct stk_io_slot *)read;

    slot->part = *part;
    slot->order = io->n_submits++;
    slot->retry_until_ns = 0;
    read->n_retries = 0;
    read->result = 0;
    read->bytes = (struct stk_span){0};
    stk_error_clear(&read->error);
    stk_io_begin(io, slot);
}

/* Gives a read up whose answer does not come.  Its buffer stays with the
 * system until the answer arrives; the slot gets a new one. */
static void give_up(struct stk_io *io, struct stk_io_slot *slot)
{
    struct stk_flight *lost = slot->flight;
    struct stk_flight *fresh = stk_flight_make(io);

    if (!fresh)
        return; /* looked at again next time */
    io->engine->cancel(io, lost);
    lost->slot = NULL;
    lost->next = io->stalled;
    io->stalled = lost;
    slot->flight = fresh;
    stk_fail(&slot->read.error, -ETIMEDOUT, "%s: stalled: no answer in %d ms",
             slot->part.path, io->options.stall_timeout_ms);
    stk_io_finish(io, slot, -ETIMEDOUT);
}

static int64_t stalls_at(const struct stk_io *io,
                         const struct stk_io_slot *slot)
{
    return slot->since_ns +
           (int64_t)io->options.stall_timeout_ms * INT64_C(1000000);
}

/* Starts what is due, gives up what has stalled; returns when to look again,
 * at the latest at `end`. */
static int64_t look_around(struct stk_io *io, int64_t now, int64_t end)
{
    int64_t passed = now - io->looked_ns;
    int64_t away = io->looked_ns && passed > AWAY_NS ? passed : 0;

    io->looked_ns = now;
    for (int32_t i = 0; i < io->options.n_reads; i++) {
        struct stk_io_slot *slot = &io->slots[i];
        if (slot->state == STK_IO_DUE && slot->due_ns <= now)
            stk_io_begin(io, slot);
        if (slot->state == STK_IO_DUE && slot->due_ns < end)
            end = slot->due_ns;
        /* A pread that this thread has not asked for cannot stall. */
        if (slot->state != STK_IO_FLYING || io->engine->kind != STOKER_IO_URING)
            continue;
        slot->since_ns = slot->since_ns ? slot->since_ns + away : now;
        if (stalls_at(io, slot) <= now)
            give_up(io, slot);
        else if (stalls_at(io, slot) < end)
            end = stalls_at(io, slot);
    }
    return end;
}

static int take_done(struct stk_io *io, struct stk_read **done, int max)
{
    int n = 0;

    for (int32_t i = 0; i < io->options.n_reads && n < max; i++)
        if (io->slots[i].state == STK_IO_DONE) {
            io->slots[i].state = STK_IO_REAPED;
            done[n++] = &io->slots[i].read;
        }
    return n;
}

static bool is_pending(const struct stk_io *io)
{
    for (int32_t i = 0; i < io->options.n_reads; i++)
        if (io->slots[i].state == STK_IO_DUE ||
            io->slots[i].state == STK_IO_FLYING)
            return true;
    return false;
}

/* In slices: the end of time is no wait for a system call, and none at all
 * would spin. */
static int64_t clamp_wait(int64_t ns)
{
    if (ns < MIN_WAIT_NS)
        return MIN_WAIT_NS;
    return ns > SLICE_NS ? SLICE_NS : ns;
}

int stk_io_reap(struct stk_io *io, struct stk_read **done, int max,
                int timeout_ms)
{
    int64_t now = stk_io_now(io);
    int64_t end = timeout_ms < 0 ? INT64_MAX
                                 : now + (int64_t)timeout_ms * INT64_C(1000000);

    for (;;) {
        /* Answers first: those that waited for this thread did not stall. */
        io->engine->collect(io, 0);
        int64_t look = look_around(io, now, end);
        int n = take_done(io, done, max);
        if (n || now >= end || !is_pending(io))
            return n;
        io->engine->collect(io, clamp_wait(look - now));
        now = stk_io_now(io);
        n = take_done(io, done, max);
        if (n)
            return n;
    }
}

void stk_io_recycle(struct stk_io *io, struct stk_read *read)
{
    struct stk_io_slot *slot = (struct stk_io_slot *)read;

    (void)io;
    read->bytes = (struct stk_span){0};
    stk_io_buffer_trim(&slot->flight->buffer);
    slot->state = STK_IO_FREE;
}

/* Cancels and waits for a second; true when nothing is owed any more. */
static bool settle(struct stk_io *io)
{
    int64_t end = stk_io_now(io) + (int64_t)CLOSE_WAIT_MS * INT64_C(1000000);

    for (int32_t i = 0; i < io->options.n_reads; i++) {
        struct stk_io_slot *slot = &io->slots[i];
        if (slot->state != STK_IO_FLYING)
            continue;
        io->engine->cancel(io, slot->flight);
        slot->flight->slot = NULL;
        slot->flight->next = io->stalled;
        io->stalled = slot->flight;
        slot->flight = NULL;
    }
    while (io->n_flying > 0 && stk_io_now(io) < end)
        io->engine->collect(io, SLICE_NS);
    if (io->n_flying > 0 && io->engine->forsake)
        io->engine->forsake(io);
    return io->n_flying == 0;
}

int stk_io_close(struct stk_io **io_at)
{
    struct stk_io *io = *io_at;

    *io_at = NULL;
    if (!io)
        return 0;
    if (!settle(io))
        return -ETIMEDOUT; /* ring, buffers and descriptors stay, for ever */
    for (int32_t i = 0; i < io->options.n_reads; i++)
        if (io->slots[i].flight)
            stk_flight_drop_file(io, io->slots[i].flight);
    io->engine->close(io);
    stk_shards_fini(&io->shards, io->calls);
    free_slots(io);
    stk_free(io);
    return 0;
}

int stk_io_kind(const struct stk_io *io)
{
    return io->engine->kind;
}

const char *stk_io_reason(const struct stk_io *io)
{
    return io->reason;
}
