/* Reading under a scripted system: thousands of seeded schedules of errors,
 * short reads, delays, stalls and changing files, for both engines, on a clock
 * of its own.  A seed that fails is a bug report. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "read/io_engine.h"

enum { N_FILES = 24, MAX_BYTES = 20000, N_FDS = 64, N_SAMPLES = 60 };
enum { STALL_MS = 5000, RETRY_MS = 1000 };

enum fate {
    GOOD,      /* a few passing errors: must come back whole */
    VANISHED,  /* -ENOENT */
    SECRET,    /* -EACCES */
    BROKEN,    /* EIO for ever: -EIO */
    CHANGING,  /* one version whole, or -ESTALE */
    STUCK,     /* no answer: -ETIMEDOUT; good where nothing can stall */
    EMPTY,     /* -ENODATA */
    FOLDER,    /* -EISDIR */
    PIPE,      /* -EINVAL */
    HUGE_FILE, /* -EFBIG */
    N_FATES,
};

struct file {
    enum fate fate;
    int64_t size;
    uint32_t version;
    int n_errors; /* passing errors left before the next success */
    char path[16];
};

/* One scripted system; a test owns one at a time. */
static struct world {
    struct stk_io_calls calls;
    uint64_t seed, n_draws;
    int64_t now;
    struct file files[N_FILES];
    int fds[N_FDS]; /* the file, or -1 */
    int n_open;
    bool never_answers; /* not even a cancel */
    struct pending {
        struct stk_flight *flight; /* NULL: free */
        int64_t due;
    } pending[256];
    int n_late; /* answers to reads that had been given up */
} w;

static uint32_t chance(uint32_t n)
{
    struct stk_draw d = stk_rng_draw(w.seed, 0, w.n_draws++, 1, 0);
    return d.word[0] % n;
}

static uint8_t byte_of(const struct file *file, uint32_t version, int64_t i)
{
    return (uint8_t)(i * 7 + i / 256 + (file - w.files) * 13 + version * 101);
}

static int passing_error(struct file *file)
{
    static const int codes[] = {-EIO,    -ESTALE, -EAGAIN, -EINTR,
                                -EMFILE, -ENFILE, -ENOMEM};
    if (file->fate == BROKEN)
        return -EIO;
    if (file->n_errors == 0)
        return 0;
    file->n_errors--;
    return codes[chance(7)];
}

static int open_call(void *self, const char *path)
{
    struct file *file = &w.files[atoi(path + 1)];

    (void)self;
    if (chance(2)) {
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
    if (file->fate != CHANGING || chance(6))
        return;
    file->version++;
    file->size += (int64_t)chance(3) * 100 - 100;
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
    if (chance(3) == 0) {
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
    if (chance(2)) /* short */
        got = 1 + (int64_t)chance((uint32_t)got);
    for (int64_t i = 0; i < got; i++)
        ((uint8_t *)to)[i] = byte_of(file, file->version, offset + i);
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
    int64_t delay = (int64_t)chance(20) * 1000000;
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
    int first = (int)chance(256);

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
            w.pending[i].due = w.now + (int64_t)chance(300) * 1000000;
}

static void ring_close(struct stk_io *io)
{
    (void)io;
    for (int i = 0; i < 256; i++)
        ck_assert_ptr_null(w.pending[i].flight);
}

static const struct stk_io_engine ring = {
    STOKER_IO_URING, ring_open,   ring_start,
    ring_collect,    ring_cancel, ring_close,
};

static void begin_world(uint64_t seed, const struct stk_io_engine *engine)
{
    memset(&w, 0, sizeof w);
    w.seed = seed;
    w.now = 1;
    for (int i = 0; i < N_FDS; i++)
        w.fds[i] = -1;
    for (int i = 0; i < N_FILES; i++) {
        struct file *file = &w.files[i];
        /* half of them good */
        file->fate = chance(2) ? GOOD : (enum fate)chance(N_FATES);
        file->size = 1 + chance(chance(2) ? 300 : MAX_BYTES - 1);
        if (file->fate == EMPTY)
            file->size = 0;
        if (file->fate == HUGE_FILE)
            file->size = MAX_BYTES + 1 + (int64_t)chance(2) * (1LL << 50);
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

static int expected(enum fate fate, bool is_ring)
{
    static const int codes[N_FATES] = {
        [VANISHED] = -ENOENT, [SECRET] = -EACCES,   [BROKEN] = -EIO,
        [STUCK] = -ETIMEDOUT, [EMPTY] = -ENODATA,   [FOLDER] = -EISDIR,
        [PIPE] = -EINVAL,     [HUGE_FILE] = -EFBIG,
    };
    return fate == STUCK && !is_ring ? 0 : codes[fate];
}

struct sample {
    struct file *file;
    struct stk_part part;
};

static void check_sample(const struct stk_read *read, const char *what)
{
    const struct sample *sample = read->tag;
    struct file *file = sample->file;
    bool is_ring = w.calls.engine == &ring;
    int code = expected(file->fate, is_ring);

    if (file->fate == CHANGING && read->result == -ESTALE)
        return;
    if (file->fate == CHANGING && sample->part.length > 0 &&
        read->result == -ENODATA)
        return; /* it shrank before it was opened */
    if (read->result != code)
        ck_abort_msg("seed %llu %s: fate %d gives %d, %s",
                     (unsigned long long)w.seed, what, file->fate, read->result,
                     read->error.text);
    if (code < 0) {
        ck_assert_ptr_nonnull(strstr(read->error.text, file->path));
        return;
    }
    size_t n = read->bytes.n;
    int64_t from = sample->part.offset;
    if (sample->part.length >= 0)
        ck_assert_uint_eq(n, (size_t)sample->part.length);
    else if (file->fate != CHANGING)
        ck_assert_uint_eq(n, (size_t)(file->size - from));
    /* One version from the first byte to the last, then zeros. */
    uint32_t version = 0;
    while (version < file->version &&
           byte_of(file, version, from) != read->bytes.data[0])
        version++;
    size_t n_same = 0, n_zeros = 0;
    while (n_same < n && read->bytes.data[n_same] ==
                             byte_of(file, version, from + (int64_t)n_same))
        n_same++;
    while (n_zeros < STK_IO_PAD && read->bytes.data[n + n_zeros] == 0)
        n_zeros++;
    ck_assert_msg(n_same == n && n_zeros == STK_IO_PAD,
                  "seed %llu: byte %zu of %zu, %zu zeros",
                  (unsigned long long)w.seed, n_same, n, n_zeros);
}

static void submit_one(struct stk_io *io, struct stk_read *read)
{
    struct sample *sample = read->tag;
    struct file *file = &w.files[chance(N_FILES)];

    sample->file = file;
    sample->part =
        (struct stk_part){STOKER_SOURCE_FILE, file->path, NULL, 0, -1};
    file->n_errors = (int)chance(4);
    if (file->size > 1 && (file->fate == GOOD || file->fate == CHANGING) &&
        chance(3) == 0) {
        sample->part.offset = chance((uint32_t)file->size - 1);
        sample->part.length =
            1 + chance((uint32_t)(file->size - sample->part.offset));
    }
    stk_io_submit(io, read, &sample->part);
}

static struct stk_io *open_world(uint64_t seed,
                                 const struct stk_io_engine *engine)
{
    begin_world(seed, engine);
    struct stk_io_options options = {
        .n_reads = 1 + (int32_t)chance(16),
        .max_file_bytes = MAX_BYTES,
        .stall_timeout_ms = STALL_MS,
        .retry_ms = RETRY_MS,
        .seed = seed,
        .calls = &w.calls,
    };
    struct stk_io *io;
    ck_assert_int_eq(stk_io_open(&io, &options, NULL), 0);
    return io;
}

static void play(uint64_t seed, const struct stk_io_engine *engine)
{
    struct sample samples[STK_IO_MAX_READS];
    struct stk_read *done[STK_IO_MAX_READS];
    struct stk_io *io = open_world(seed, engine);
    int started = 0, finished = 0, n = io->options.n_reads;

    for (; started < n; started++) {
        stk_io_read(io, started)->tag = &samples[started];
        submit_one(io, stk_io_read(io, started));
    }
    /* Some worlds end early, with reads in flight. */
    int until = chance(4) ? N_SAMPLES : (int)chance(N_SAMPLES);
    int64_t deadline = w.now + (int64_t)N_SAMPLES * 60 * 1000000000;
    while (finished < until && finished < started) {
        if (w.now > deadline)
            ck_abort_msg("seed %llu hangs", (unsigned long long)seed);
        int got = stk_io_reap(io, done, 1 + (int)chance(STK_IO_MAX_READS - 1),
                              (int)chance(3) * 50);
        for (int i = 0; i < got; i++, finished++) {
            check_sample(done[i], engine == &ring ? "ring" : "pread");
            stk_io_recycle(io, done[i]);
            if (started < until) {
                submit_one(io, done[i]);
                started++;
            }
        }
    }
    ck_assert_int_eq(stk_io_close(&io), 0);
    ck_assert_msg(w.n_open == 0, "seed %llu: %d descriptors left",
                  (unsigned long long)seed, w.n_open);
}

static int n_seeds(void)
{
    const char *text = getenv("STK_TEST_SEEDS");
    return text ? atoi(text) : 3000;
}

START_TEST(test_seeded_schedules_with_a_ring)
{
    for (int seed = 0; seed < n_seeds(); seed++)
        play((uint64_t)seed, &ring);
}
END_TEST

START_TEST(test_seeded_schedules_with_pread)
{
    for (int seed = 0; seed < n_seeds(); seed++)
        play((uint64_t)seed, &stk_io_pread_engine);
}
END_TEST

/* Kept reachable: what close leaves to the kernel is no leak by mistake. */
static struct stk_io *abandoned;

START_TEST(test_close_leaves_what_the_kernel_never_answers)
{
    struct sample sample;
    struct stk_read *done;
    struct stk_io *io = open_world(1, &ring);

    w.never_answers = true;
    w.files[0].fate = STUCK;
    w.files[0].size = 100;
    sample.file = &w.files[0];
    sample.part =
        (struct stk_part){STOKER_SOURCE_FILE, w.files[0].path, NULL, 0, -1};
    stk_io_read(io, 0)->tag = &sample;
    stk_io_submit(io, stk_io_read(io, 0), &sample.part);
    int64_t start = w.now;
    ck_assert_int_eq(stk_io_reap(io, &done, 1, -1), 1);
    ck_assert_int_eq(done->result, -ETIMEDOUT);
    ck_assert_ptr_nonnull(strstr(done->error.text, "stalled"));
    ck_assert_int_lt(w.now - start, (int64_t)(STALL_MS + 200) * 1000000);
    /* Its slot is usable again while the old buffer is the kernel's. */
    struct stk_flight *lost = io->stalled;
    ck_assert_ptr_ne(lost->buffer.data, io->slots[0].flight->buffer.data);
    stk_io_recycle(io, done);
    abandoned = io;
    start = w.now;
    ck_assert_int_eq(stk_io_close(&io), -ETIMEDOUT);
    ck_assert_int_lt(w.now - start, INT64_C(1500) * 1000000);
    memset(lost->buffer.data, 1, 100); /* the kernel, at last */
}
END_TEST

/* A worker may be away for hours, waiting for a consumer. */
START_TEST(test_an_answer_that_waited_for_its_owner_has_not_stalled)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct sample sample;
        struct stk_read *done;
        struct stk_io *io = open_world(seed, &ring);
        int64_t away = (int64_t)STALL_MS * 10 * 1000000;
        w.files[0].fate = GOOD;
        w.files[0].size = 5000;
        sample.file = &w.files[0];
        sample.part =
            (struct stk_part){STOKER_SOURCE_FILE, w.files[0].path, NULL, 0, -1};
        stk_io_read(io, 0)->tag = &sample;
        stk_io_submit(io, stk_io_read(io, 0), &sample.part);
        int n = 0;
        for (int i = 0; i < 40 && n == 0; i++) {
            w.now += away;
            n = stk_io_reap(io, &done, 1, 0);
        }
        ck_assert_int_eq(n, 1);
        check_sample(done, "away");
        stk_io_recycle(io, done);
        ck_assert_int_eq(stk_io_close(&io), 0);
    }
}
END_TEST

START_TEST(test_a_stalled_reads_late_answer_gives_its_buffer_back)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct sample sample;
        struct stk_read *done;
        struct stk_io *io = open_world(seed, &ring);
        w.files[0].fate = STUCK;
        w.files[0].size = 5000;
        sample.part =
            (struct stk_part){STOKER_SOURCE_FILE, w.files[0].path, NULL, 0, -1};
        stk_io_submit(io, stk_io_read(io, 0), &sample.part);
        while (stk_io_reap(io, &done, 1, 100) == 0)
            ;
        ck_assert_int_eq(done->result, -ETIMEDOUT);
        stk_io_recycle(io, done);
        ck_assert_int_eq(stk_io_close(&io), 0);
        ck_assert_int_eq(w.n_late, 1);
        ck_assert_int_eq(w.n_open, 0);
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("faults");
    tcase_set_timeout(tc, 500);
    tcase_add_test(tc, test_seeded_schedules_with_a_ring);
    tcase_add_test(tc, test_seeded_schedules_with_pread);
    tcase_add_test(tc, test_close_leaves_what_the_kernel_never_answers);
    tcase_add_test(tc,
                   test_an_answer_that_waited_for_its_owner_has_not_stalled);
    tcase_add_test(tc, test_a_stalled_reads_late_answer_gives_its_buffer_back);
    Suite *suite = suite_create("read faults");
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n != 0;
}
