/* Reading under a scripted system: thousands of seeded schedules of errors,
 * short reads, delays, stalls and changing files, for both engines, on a clock
 * of its own.  A seed that fails is a bug report. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fault/read_world.h"
#include "run_suite.h"

enum { N_SAMPLES = 60, STALL_MS = 5000, RETRY_MS = 1000 };

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
    bool is_ring = w.calls.engine == &world_ring;
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
           world_byte(file, version, from) != read->bytes.data[0])
        version++;
    size_t n_same = 0, n_zeros = 0;
    while (n_same < n && read->bytes.data[n_same] ==
                             world_byte(file, version, from + (int64_t)n_same))
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
    struct file *file = &w.files[world_chance(N_FILES)];

    sample->file = file;
    sample->part =
        (struct stk_part){STOKER_SOURCE_FILE, file->path, NULL, 0, -1};
    file->n_errors = (int)world_chance(4);
    if (file->size > 1 && (file->fate == GOOD || file->fate == CHANGING) &&
        world_chance(3) == 0) {
        sample->part.offset = world_chance((uint32_t)file->size - 1);
        sample->part.length =
            1 + world_chance((uint32_t)(file->size - sample->part.offset));
    }
    stk_io_submit(io, read, &sample->part);
}

static struct stk_io *open_world(uint64_t seed,
                                 const struct stk_io_engine *engine)
{
    world_begin(seed, engine);
    struct stk_io_options options = {
        .n_reads = 1 + (int32_t)world_chance(16),
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
    int until = world_chance(4) ? N_SAMPLES : (int)world_chance(N_SAMPLES);
    int64_t deadline = w.now + (int64_t)N_SAMPLES * 60 * 1000000000;
    while (finished < until && finished < started) {
        if (w.now > deadline)
            ck_abort_msg("seed %llu hangs", (unsigned long long)seed);
        int got =
            stk_io_reap(io, done, 1 + (int)world_chance(STK_IO_MAX_READS - 1),
                        (int)world_chance(3) * 50);
        for (int i = 0; i < got; i++, finished++) {
            check_sample(done[i], engine == &world_ring ? "ring" : "pread");
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
        play((uint64_t)seed, &world_ring);
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
    struct stk_io *io = open_world(1, &world_ring);

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
        struct stk_io *io = open_world(seed, &world_ring);
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

/* A program that is stopped (SIGSTOP) stops those who read for it, too. */
START_TEST(test_a_stopped_programs_read_has_not_stalled)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct sample sample;
        struct stk_read *done;
        struct stk_io *io = open_world(seed, &world_ring);
        int64_t stopped = INT64_C(3600) * 1000000000;
        w.files[0].fate = GOOD;
        w.files[0].size = 5000;
        sample.file = &w.files[0];
        sample.part =
            (struct stk_part){STOKER_SOURCE_FILE, w.files[0].path, NULL, 0, -1};
        stk_io_read(io, 0)->tag = &sample;
        stk_io_submit(io, stk_io_read(io, 0), &sample.part);
        int n = stk_io_reap(io, &done, 1, 0);
        w.now += stopped;
        for (int i = 0; i < 256; i++)
            w.pending[i].due += stopped;
        while (n == 0)
            n = stk_io_reap(io, &done, 1, 100);
        check_sample(done, "stopped");
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
        struct stk_io *io = open_world(seed, &world_ring);
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

START_TEST(test_bad_options_are_refused)
{
    struct stk_io_options options = {
        .n_reads = 65, .max_file_bytes = 1, .stall_timeout_ms = 1};
    struct stk_io *io;
    stoker_error err;

    ck_assert_int_eq(stk_io_open(&io, &options, &err), -EINVAL);
    options.n_reads = 1;
    options.max_file_bytes = 0;
    ck_assert_int_eq(stk_io_open(&io, &options, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "max_file_bytes"));
    options.max_file_bytes = 1;
    options.retry_ms = -1;
    ck_assert_int_eq(stk_io_open(&io, &options, &err), -EINVAL);
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
    tcase_add_test(tc, test_a_stopped_programs_read_has_not_stalled);
    tcase_add_test(tc, test_a_stalled_reads_late_answer_gives_its_buffer_back);
    tcase_add_test(tc, test_bad_options_are_refused);
    Suite *suite = suite_create("read faults");
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
