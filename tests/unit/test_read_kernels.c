/* io_uring as other kernels answer it: the ring of this one, its answers
 * changed.  Apart from test_read.c because pread has no such answers. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "read/io.h"
#include "read/io_calls.h"

enum { N_READS = 8, BYTES = 20000, SKIP = 77 };

static char folder[] = "/tmp/stoker-kernels-XXXXXX";
static char path[64];
static int n_answers;

static uint8_t byte_of(int64_t i)
{
    return (uint8_t)(i * 31 + i / 251);
}

/* Linux 5.10: a file that is O_NONBLOCK does not wait for its disk. */
static int64_t answer_of_5_10(void *self, int fd, int64_t offset,
                              int64_t result)
{
    (void)self;
    (void)offset;
    n_answers++;
    return fcntl(fd, F_GETFL) & O_NONBLOCK ? -EAGAIN : result;
}

/* Any kernel may give less than was asked for. */
static int64_t short_answer(void *self, int fd, int64_t offset, int64_t result)
{
    (void)self;
    (void)fd;
    (void)offset;
    n_answers++;
    return result > 3 ? result / 2 : result;
}

static int64_t never(void *self, int fd, int64_t offset, int64_t result)
{
    (void)self;
    (void)fd;
    (void)offset;
    (void)result;
    n_answers++;
    return -EAGAIN;
}

static struct stk_io *open_io(const struct stk_io_calls *calls)
{
    const struct stk_io_options options = {
        .io = STOKER_IO_URING,
        .n_reads = N_READS,
        .max_file_bytes = 1 << 20,
        .stall_timeout_ms = 10000,
        .retry_ms = 20,
        .calls = calls,
    };
    struct stk_io *io = NULL;
    ck_assert_int_eq(stk_io_open(&io, &options, NULL), 0);
    return io;
}

/* All reads at once; ranges share a shard's descriptor. */
static void read_all(struct stk_io *io, bool is_range)
{
    struct stk_read *done[N_READS];
    int n = 0;

    for (int i = 0; i < N_READS; i++) {
        struct stk_part part = {STOKER_SOURCE_FILE, path, NULL,
                                is_range ? i * 1000 : 0, is_range ? 3000 : -1};
        struct stk_read *read = stk_io_read(io, i);
        read->tag = is_range ? (void *)(intptr_t)(i * 1000) : NULL;
        stk_io_submit(io, read, &part);
    }
    while (n < N_READS)
        n += stk_io_reap(io, done + n, N_READS - n, -1);
    for (int i = 0; i < N_READS; i++) {
        int64_t from = (intptr_t)done[i]->tag;
        ck_assert_msg(done[i]->result == 0, "%s", done[i]->error.text);
        ck_assert_uint_eq(done[i]->bytes.n, is_range ? 3000 : BYTES);
        for (size_t k = 0; k < done[i]->bytes.n; k++)
            ck_assert_uint_eq(done[i]->bytes.data[k],
                              byte_of(from + (int64_t)k));
        ck_assert_int_eq(done[i]->n_retries, 0);
        stk_io_recycle(io, done[i]);
    }
}

START_TEST(test_a_kernel_that_will_not_wait_is_asked_again_at_once)
{
    struct stk_io_calls calls = stk_io_system;
    calls.answer = answer_of_5_10;
    struct stk_io *io = open_io(&calls);

    n_answers = 0;
    read_all(io, _i);
    /* The one descriptor of a shard waits from its first answer on. */
    int n_asked = _i ? N_READS + 1 : 2 * N_READS;
    ck_assert_int_eq(n_answers, n_asked);
    read_all(io, _i); /* now it is known */
    ck_assert_int_eq(n_answers, n_asked + N_READS);
    ck_assert_int_eq(stk_io_close(&io), 0);
}
END_TEST

START_TEST(test_short_answers_are_asked_on)
{
    struct stk_io_calls calls = stk_io_system;
    calls.answer = short_answer;
    struct stk_io *io = open_io(&calls);

    n_answers = 0;
    read_all(io, _i);
    ck_assert_int_gt(n_answers, 5 * N_READS);
    ck_assert_int_eq(stk_io_close(&io), 0);
}
END_TEST

START_TEST(test_a_kernel_that_never_takes_a_read_is_named)
{
    struct stk_io_calls calls = stk_io_system;
    calls.answer = never;
    struct stk_io *io = open_io(&calls);
    struct stk_read *done;
    const struct stk_part part = {STOKER_SOURCE_FILE, path, NULL, 0, -1};

    n_answers = 0;
    stk_io_submit(io, stk_io_read(io, 0), &part);
    ck_assert_int_eq(stk_io_reap(io, &done, 1, -1), 1);
    ck_assert_int_eq(done->result, -EIO);
    ck_assert_ptr_nonnull(strstr(done->error.text, path));
    ck_assert_int_eq(n_answers, done->n_retries + 2);
    ck_assert_int_eq(stk_io_close(&io), 0);
}
END_TEST

int main(void)
{
    char reason[128];
    if (stk_io_probe(reason, sizeof reason) < 0) {
        fprintf(stderr, "SKIPPED: %s\n", reason);
        return SKIP;
    }
    if (!mkdtemp(folder))
        return 1;
    snprintf(path, sizeof path, "%s/bytes", folder);
    FILE *f = fopen(path, "wb");
    for (int64_t i = 0; f && i < BYTES; i++)
        fputc(byte_of(i), f);
    if (!f || fclose(f) != 0)
        return 1;
    TCase *tc = tcase_create("kernels");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(
        tc, test_a_kernel_that_will_not_wait_is_asked_again_at_once, 0, 2);
    tcase_add_loop_test(tc, test_short_answers_are_asked_on, 0, 2);
    tcase_add_test(tc, test_a_kernel_that_never_takes_a_read_is_named);
    Suite *suite = suite_create("kernels");
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n = srunner_ntests_failed(runner);
    srunner_free(runner);
    unlink(path);
    rmdir(folder);
    return n != 0;
}
