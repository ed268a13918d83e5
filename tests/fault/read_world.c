/* The scripted system, call by call; every choice comes from the seed. */
#include "fault/read_world.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/rng.h"

struct world w;

uint32_t world_chance(uint32_t n)
{
    struct stk_draw d = stk_rng_draw(w.seed, 0, w.n_draws++, 1, 0);
    return d.word[0] % n;
}

uint8_t world_byte(const struct file *file, uint32_t version, int64_t i)
{
    return (uint8_t)(i * 7 + i / 256 + (file - w.files) * 13 + version * 101);
}

static int passing_error(struct file *file)
{
    static const int codes[] = {-EIO,    -ESTALE, -EAGAIN,   -EINTR,    -EMFILE,
                                -ENFILE, -ENOMEM, -ENOTCONN, -ESHUTDOWN};
    if (file->fate == BROKEN)
        return world_chance(2) ? -EIO : -ETIMEDOUT; /* as NFS says it */
    if (file->n_errors == 0)
        return 0;
    file->n_errors--;
    return codes[world_chance(sizeof codes / sizeof codes[0])];
}

static int open_call(void *self, const char *path)
{
    struct file *file = &w.files[atoi(path + 1)];

    (void)self;
    if (world_chance(2)) {
        int rc = passing_error(file);
        if (rc < 0)
            return rc;
    }
    if (file->fate == VANISHED)
        return -ENOENT;
    if (file->fate == SECRET)
        return -EACCES;
    for (int fd = 0; fd < N_FDS; fd++)
        if (w.fds[fd] < 0) {
            w.fds[fd] = (int)(file - w.files);
            w.n_open++;
            return fd;
        }
    ck_abort_msg("descriptors leak");
    return -1;
}

static struct file *file_of(int fd)
{
    if (fd < 0 || fd >= N_FDS || w.fds[fd] < 0)
        ck_abort_msg("bad descriptor %d", fd);
    return &w.files[w.fds[fd]];
}

static void maybe_change(struct file *file)
{
    if (file->fate != CHANGING || world_chance(6))
        return;
    file->version++;
    file->size += (int64_t)world_chance(3) * 100 - 100;
    if (file->size < 1)
        file->size = 1;
    if (file->size > MAX_BYTES)
        file->size = MAX_BYTES;
}

static int stat_call(void *self, int fd, struct stk_io_stat *out)
{
    struct file *file = file_of(fd);
    static const uint32_t modes[N_FATES] = {
        [FOLDER] = S_IFDIR, [PIPE] = S_IFIFO};

    (void)self;
    if (world_chance(3) == 0) {
        int rc = passing_error(file);
        if (rc < 0)
            return rc;
    }
    *out = (struct stk_io_stat){
        .mode = modes[file->fate] ? modes[file->fate] : S_IFREG,
        .size = file->size,
        .mtime_ns = file->version,
    };
    return 0;
}

static int64_t read_call(void *self, int fd, void *to, size_t n, int64_t offset)
{
    struct file *file = file_of(fd);

    (void)self;
    int rc = passing_error(file);
    if (rc < 0)
        return rc;
    maybe_change(file);
    if (offset >= file->size)
        return 0;
    int64_t got = file->size - offset;
    if (got > (int64_t)n)
        got = (int64_t)n;
    if (world_chance(2)) /* short */
        got = 1 + (int64_t)world_chance((uint32_t)got);
    for (int64_t i = 0; i < got; i++)
        ((uint8_t *)to)[i] = world_byte(file, file->version, offset + i);
    return got;
}

static void advise_call(void *self, int fd, int64_t offset, int64_t n)
{
    (void)self, (void)offset, (void)n;
    file_of(fd);
}

static void close_call(void *self, int fd)
{
    (void)self;
    file_of(fd);
    w.fds[fd] = -1;
    w.n_open--;
}

static int64_t now_call(void *self)
{
    (void)self;
    return w.now += 1000;
}

static void sleep_call(void *self, int64_t ns)
{
    (void)self;
    w.now += ns;
}

/* A ring: answers after any delay, in any order, or never. */

static int ring_open(struct stk_io *io, stoker_error *err)
{
    (void)io, (void)err;
    return 0;
}

static void ring_start(struct stk_io *io, struct stk_flight *flight)
{
    (void)io;
    int64_t delay = (int64_t)world_chance(20) * 1000000;
    if (file_of(flight->fd)->fate == STUCK)
        delay = INT64_MAX / 2;
    for (int i = 0; i < 256; i++)
        if (!w.pending[i].flight) {
            w.pending[i] = (struct pending){flight, w.now + delay};
            return;
        }
    ck_abort_msg("too many reads in flight");
}

static void answer(struct stk_io *io, struct pending *pending)
{
    struct stk_flight *flight = pending->flight;

    w.n_late += flight->slot == NULL;
    pending->flight = NULL;
    /* The kernel writes now: into memory that must still be there. */
    int64_t got = read_call(NULL, flight->fd, flight->buffer.data + flight->at,
                            flight->n, flight->offset);
    stk_io_arrived(io, flight, got);
}

static void ring_collect(struct stk_io *io, int64_t wait_ns)
{
    int64_t end = w.now + wait_ns;
    int first = (int)world_chance(256);

    for (;;) {
        bool any = false;
        int64_t next = end;
        for (int i = 0; i < 256; i++) {
            struct pending *pending = &w.pending[(first + i) % 256];
            if (!pending->flight)
                continue;
            if (pending->due <= w.now) {
                answer(io, pending);
                any = true;
            } else if (pending->due < next) {
                next = pending->due;
            }
        }
        if (any || w.now >= end)
            return;
        w.now = next;
    }
}

static void ring_cancel(struct stk_io *io, struct stk_flight *flight)
{
    (void)io;
    for (int i = 0; i < 256; i++)
        if (w.pending[i].flight == flight && !w.never_answers)
            w.pending[i].due = w.now + (int64_t)world_chance(300) * 1000000;
}

static void ring_close(struct stk_io *io)
{
    (void)io;
    for (int i = 0; i < 256; i++)
        ck_assert_ptr_null(w.pending[i].flight);
}

const struct stk_io_engine world_ring = {
    STOKER_IO_URING, ring_open, ring_start, ring_collect,
    ring_cancel,     NULL,      ring_close,
};

void world_begin(uint64_t seed, const struct stk_io_engine *engine)
{
    memset(&w, 0, sizeof w);
    w.seed = seed;
    w.now = 1;
    for (int i = 0; i < N_FDS; i++)
        w.fds[i] = -1;
    for (int i = 0; i < N_FILES; i++) {
        struct file *file = &w.files[i];
        /* half of them good */
        file->fate = world_chance(2) ? GOOD : (enum fate)world_chance(N_FATES);
        file->size = 1 + world_chance(world_chance(2) ? 300 : MAX_BYTES - 1);
        if (file->fate == EMPTY)
            file->size = 0;
        if (file->fate == HUGE_FILE)
            file->size = MAX_BYTES + 1 + (int64_t)world_chance(2) * (1LL << 50);
        snprintf(file->path, sizeof file->path, "/%d", i);
    }
    w.calls = (struct stk_io_calls){
        .open = open_call,
        .stat = stat_call,
        .read = read_call,
        .advise = advise_call,
        .close = close_call,
        .now_ns = now_call,
        .sleep_ns = sleep_call,
        .engine = engine,
    };
}
