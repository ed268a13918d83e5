/* A slot's way from part to bytes: open, look, ask, take answers, try again.
 * Both engines walk it, so that bytes and errors cannot differ. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/rng.h"
#include "read/io_engine.h"

enum { FIRST_DELAY_MS = 1, MAX_DELAY_MS = 100, LEAST_TRIES = 3 };

struct stk_flight *stk_flight_make(const struct stk_io *io)
{
    struct stk_flight *flight = stk_calloc(1, sizeof *flight);
    size_t bytes;

    if (!flight)
        return NULL;
    flight->fd = -1;
    if (stk_add_overflows((size_t)io->options.max_file_bytes, 1 + STK_IO_PAD,
                          &bytes))
        bytes = 0;
    stk_io_buffer_init(&flight->buffer, bytes);
    return flight;
}

static void drop_file(struct stk_io *io, struct stk_flight *flight, int stale)
{
    if (flight->shard)
        stk_shards_return(flight->shard, io->calls, stale);
    else if (flight->fd >= 0)
        io->calls->close(io->calls->self, flight->fd);
    flight->shard = NULL;
    flight->fd = -1;
}

void stk_flight_drop_file(struct stk_io *io, struct stk_flight *flight)
{
    drop_file(io, flight, 0);
}

static const char *name_of(const struct stk_io_slot *slot)
{
    return slot->part.path ? slot->part.path : "memory";
}

void stk_io_finish(struct stk_io *io, struct stk_io_slot *slot, int result)
{
    drop_file(io, slot->flight, result < 0);
    slot->read.result = result;
    slot->state = STK_IO_DONE;
}

#define fail(io, slot, code, fmt, ...)                                         \
    stk_io_finish(io, slot,                                                    \
                  stk_fail(&(slot)->read.error, code, "%s: " fmt,              \
                           name_of(slot), __VA_ARGS__))

/* All but what says something about the file: network storage has many words
 * for a server that is away. */
static bool is_transient(int code)
{
    switch (code) {
    case -ENOENT:
    case -ENOTDIR:
    case -ELOOP:
    case -ENAMETOOLONG:
    case -EACCES:
    case -EPERM:
    case -ENXIO:
    case -ENODEV:
    case -EINVAL:
    case -EISDIR:
        return false;
    default:
        return true;
    }
}

/* A doubling delay with jitter, so that workers do not come back at once. */
static int64_t delay_ns(const struct stk_io *io, const struct stk_io_slot *slot)
{
    int64_t delay_ms = FIRST_DELAY_MS;

    for (int i = 0; i < slot->read.n_retries && delay_ms < MAX_DELAY_MS; i++)
        delay_ms *= 2;
    if (delay_ms > MAX_DELAY_MS)
        delay_ms = MAX_DELAY_MS;
    struct stk_draw d =
        stk_rng_draw(io->options.seed, 0, slot->order & 0xffffffffffffu,
                     STK_STREAM_RETRY, (uint32_t)slot->read.n_retries & 0xff);
    double part = 0.5 + 0.5 * stk_rng_double(d.word[0], d.word[1]);
    return (int64_t)((double)(delay_ms * 1000000) * part);
}

/* What a system error means for the sample. */
static void refuse(struct stk_io *io, struct stk_io_slot *slot, int code)
{
    switch (code) {
    case -ENOENT:
    case -ENOTDIR:
        fail(io, slot, -ENOENT, "%s", "vanished (no such file)");
        return;
    case -ELOOP:
    case -ENAMETOOLONG:
        fail(io, slot, -ENOENT, "vanished (%s)", strerror(-code));
        return;
    case -EACCES:
    case -EPERM:
        fail(io, slot, -EACCES, "%s", "may not be read");
        return;
    case -ENXIO:
    case -ENODEV:
        fail(io, slot, -EINVAL, "%s", "is not a regular file");
        return;
    case -ENOMEM:
    case -EMFILE:
    case -ENFILE:
    case -ESTALE:
    case -EINVAL:
    case -EISDIR:
        fail(io, slot, code, "%s (%d retries)", strerror(-code),
             slot->read.n_retries);
        return;
    default:
        fail(io, slot, -EIO, "the storage failed: %s (%d retries)",
             strerror(-code), slot->read.n_retries);
    }
}

/* A system call failed: the sample waits for another try, or is refused. */
static void stumble(struct stk_io *io, struct stk_io_slot *slot, int code)
{
    int64_t now = stk_io_now(io);

    if (!is_transient(code)) {
        refuse(io, slot, code);
        return;
    }
    if (slot->retry_until_ns == 0)
        slot->retry_until_ns =
            now + (int64_t)io->options.retry_ms * INT64_C(1000000);
    int64_t due = now + (code == -EINTR ? 0 : delay_ns(io, slot));
    /* A worker that was away past the time still gives it a few tries. */
    bool is_over =
        io->options.retry_ms == 0 || slot->read.n_retries >= LEAST_TRIES;
    if (due >= slot->retry_until_ns && is_over) {
        refuse(io, slot, code);
        return;
    }
    drop_file(io, slot->flight, 1);
    slot->read.n_retries++;
    slot->due_ns = due;
    slot->state = STK_IO_DUE;
}

static int open_part(struct stk_io *io, struct stk_io_slot *slot)
{
    struct stk_flight *flight = slot->flight;
    bool is_range = slot->part.offset > 0 || slot->part.length >= 0;

    if (is_range) {
        int rc = stk_shards_take(&io->shards, io->calls, slot->part.path,
                                 &flight->shard);
        if (rc == 0)
            flight->fd = flight->shard->fd;
        if (rc <= 0)
            return rc;
        flight->shard = NULL;
    }
    int fd = io->calls->open(io->calls->self, slot->part.path);
    if (fd < 0)
        return fd;
    flight->fd = fd;
    return 0;
}

/* Where the sample lies in the file; false: it has been refused. */
static bool measure(struct stk_io *io, struct stk_io_slot *slot)
{
    const struct stk_part *part = &slot->part;
    int64_t size = slot->stat.size, end;

    if (S_ISDIR(slot->stat.mode)) {
        fail(io, slot, -EISDIR, "%s", "is a directory");
        return false;
    }
    if (!S_ISREG(slot->stat.mode)) {
        fail(io, slot, -EINVAL, "%s", "is not a regular file");
        return false;
    }
    slot->to_end = part->length < 0;
    int64_t length = slot->to_end ? size - part->offset : part->length;
    if (part->offset < 0 ||
        __builtin_add_overflow(part->offset, length, &end)) {
        fail(io, slot, -EINVAL, "%s", "its range is no range of bytes");
        return false;
    }
    if (length <= 0) {
        fail(io, slot, -ENODATA, "%s", "is empty");
        return false;
    }
    if (length > io->options.max_file_bytes) {
        fail(io, slot, -EFBIG, "%lld bytes are over the limit of %lld",
             (long long)length, (long long)io->options.max_file_bytes);
        return false;
    }
    if (end > size) {
        fail(io, slot, -ENODATA,
             "truncated: bytes %lld ... %lld of a file of %lld",
             (long long)part->offset, (long long)end, (long long)size);
        return false;
    }
    slot->begin = part->offset;
    slot->want = (size_t)length;
    slot->got = 0;
    return true;
}

/* Asks the engine for what is missing, and one byte more at a file's end. */
static void ask(struct stk_io *io, struct stk_io_slot *slot)
{
    struct stk_flight *flight = slot->flight;
    size_t n = slot->want + slot->to_end - slot->got;

    flight->slot = slot;
    flight->at = slot->got;
    flight->offset = slot->begin + (int64_t)slot->got;
    flight->n = n > STK_IO_REQUEST_BYTES ? STK_IO_REQUEST_BYTES : n;
    slot->since_ns = 0;
    slot->state = STK_IO_FLYING;
    io->n_flying++;
    io->engine->start(io, flight);
}

static void begin_memory(struct stk_io *io, struct stk_io_slot *slot)
{
    const struct stk_part *part = &slot->part;

    if (part->length <= 0 || !part->data) {
        fail(io, slot, -ENODATA, "%s", "is empty");
        return;
    }
    if (part->length > io->options.max_file_bytes) {
        fail(io, slot, -EFBIG, "%lld bytes are over the limit of %lld",
             (long long)part->length, (long long)io->options.max_file_bytes);
        return;
    }
    slot->read.bytes = (struct stk_span){part->data, (size_t)part->length};
    stk_io_finish(io, slot, 0);
}

static void watch(const struct stk_io *io, const struct stk_io_slot *slot)
{
    if (io->options.watch)
        io->options.watch(io->options.watcher, slot->read.tag);
}

void stk_io_begin(struct stk_io *io, struct stk_io_slot *slot)
{
    watch(io, slot);
    if (slot->part.source == STOKER_SOURCE_MEMORY) {
        begin_memory(io, slot);
        return;
    }
    int rc = open_part(io, slot);
    if (rc == 0)
        rc = io->calls->stat(io->calls->self, slot->flight->fd, &slot->stat);
    if (rc < 0) {
        stumble(io, slot, rc);
        return;
    }
    if (!measure(io, slot))
        return;
    rc = stk_io_buffer_grow(&slot->flight->buffer, slot->want + 1 + STK_IO_PAD);
    if (rc < 0) {
        stumble(io, slot, rc);
        return;
    }
    ask(io, slot);
}

/* All bytes are here: were they one file's, and still are? */
static void complete(struct stk_io *io, struct stk_io_slot *slot)
{
    struct stk_flight *flight = slot->flight;
    struct stk_io_stat after;

    int rc = io->calls->stat(io->calls->self, flight->fd, &after);
    if (rc < 0) {
        stumble(io, slot, rc);
        return;
    }
    if (slot->got > slot->want || after.size != slot->stat.size ||
        after.mtime_ns != slot->stat.mtime_ns) {
        fail(io, slot, -ESTALE, "%s", "changed while it was read");
        return;
    }
    memset(flight->buffer.data + slot->want, 0, STK_IO_PAD);
    slot->read.bytes = (struct stk_span){flight->buffer.data, slot->want};
    stk_io_finish(io, slot, 0);
}

/* The answer to a read that was given up: what it held is free at last. */
static void forget_stalled(struct stk_io *io, struct stk_flight *flight)
{
    struct stk_flight **link = &io->stalled;

    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
    stk_flight_drop_file(io, flight);
    stk_io_buffer_fini(&flight->buffer);
    stk_free(flight);
}

void stk_io_arrived(struct stk_io *io, struct stk_flight *flight,
                    int64_t result)
{
    struct stk_io_slot *slot = flight->slot;

    io->n_flying--;
    if (!slot) {
        forget_stalled(io, flight);
        return;
    }
    watch(io, slot);
    if (result < 0) {
        stumble(io, slot, (int)result);
        return;
    }
    if (result == 0 && slot->got < slot->want) {
        fail(io, slot, -ESTALE, "%s", "changed while it was read (shrunk)");
        return;
    }
    slot->got += (size_t)result;
    if (slot->got < slot->want)
        ask(io, slot);
    else
        complete(io, slot);
}
