/* Both engines on real files: the same bytes, the same errors, by name. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "read/io.h"
#include "read/io_calls.h"

static const int engines[] = {STOKER_IO_URING, STOKER_IO_PREAD};
static char folder[] = "/tmp/stoker-read-XXXXXX";
static char path[64][128];
static int n_paths;

static bool has_uring(void)
{
    char reason[128];
    return stk_io_probe(reason, sizeof reason) == 0;
}

static const char *make_path(const char *name)
{
    char *p = path[n_paths++ % 64];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static uint8_t byte_of(int64_t i)
{
    return (uint8_t)(i * 31 + i / 251);
}

static const char *make_file(const char *name, int64_t n)
{
    const char *p = make_path(name);
    FILE *f = fopen(p, "wb");
    ck_assert_ptr_nonnull(f);
    for (int64_t i = 0; i < n; i++)
        fputc(byte_of(i), f);
    fclose(f);
    return p;
}

static struct stk_io *open_io_with(int engine, int64_t max_file_bytes,
                                   const struct stk_io_calls *calls)
{
    struct stk_io_options options = {
        .io = engine,
        .n_reads = 8,
        .max_file_bytes = max_file_bytes,
        .stall_timeout_ms = 1000,
        .retry_ms = 50,
        .calls = calls,
    };
    struct stk_io *io;
    stoker_error err;
    int rc = stk_io_open(&io, &options, &err);
    ck_assert_msg(rc == 0, "%s", rc ? err.text : "");
    return io;
}

static struct stk_io *open_io(int engine)
{
    return open_io_with(engine, 1 << 24, NULL);
}

static struct stk_part whole(const char *p)
{
    return (struct stk_part){STOKER_SOURCE_FILE, p, NULL, 0, -1};
}

static struct stk_read *read_part(struct stk_io *io, struct stk_part part)
{
    struct stk_read *done;
    stk_io_submit(io, stk_io_read(io, 0), &part);
    ck_assert_int_eq(stk_io_reap(io, &done, 1, 10000), 1);
    ck_assert_ptr_eq(done, stk_io_read(io, 0));
    return done;
}

static void expect_bytes(const struct stk_read *read, int64_t from, int64_t n)
{
    ck_assert_msg(read->result == 0, "%s", read->error.text);
    ck_assert_uint_eq(read->bytes.n, (size_t)n);
    int64_t same = 0;
    while (same < n + STK_IO_PAD &&
           read->bytes.data[same] == (same < n ? byte_of(from + same) : 0))
        same++;
    ck_assert_int_eq(same, n + STK_IO_PAD);
}

static void expect_error(struct stk_io *io, struct stk_part part, int code,
                         const char *word)
{
    struct stk_read *read = read_part(io, part);
    ck_assert_msg(read->result == code, "%d, %s", read->result,
                  read->error.text);
    ck_assert_msg(strstr(read->error.text, word) != NULL, "%s lacks %s",
                  read->error.text, word);
    if (part.path)
        ck_assert_msg(strstr(read->error.text, part.path) != NULL, "%s",
                      read->error.text);
    stk_io_recycle(io, read);
}

#define FOR_EACH_ENGINE(io)                                                    \
    for (int e_ = has_uring() ? 0 : 1; e_ < 2; e_++)                           \
        for (struct stk_io *io = open_io(engines[e_]); io; stk_io_close(&io))

START_TEST(test_files_of_every_size_come_back_whole)
{
    static const int64_t sizes[] = {
        1, 2, 4095, 4096, 4097, 100000, (1 << 20) - 65, 1 << 20, 5 << 20, 7};
    FOR_EACH_ENGINE(io)
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct stk_read *read =
            read_part(io, whole(make_file("sized", sizes[i])));
        expect_bytes(read, 0, sizes[i]);
        stk_io_recycle(io, read);
    }
}
END_TEST

START_TEST(test_many_reads_in_flight_keep_apart)
{
    enum { N = 200 };
    const char *p = make_file("many", 70000);
    FOR_EACH_ENGINE(io)
    {
        int started = 0, finished = 0;
        struct stk_read *done[8];
        struct stk_part parts[8];
        for (int i = 0; i < 8; i++)
            stk_io_read(io, i)->tag = &parts[i];
        for (; started < 8; started++) {
            parts[started] = (struct stk_part){STOKER_SOURCE_FILE, p, NULL,
                                               started * 7, 60000 + started};
            stk_io_submit(io, stk_io_read(io, started), &parts[started]);
        }
        while (finished < N) {
            int n = stk_io_reap(io, done, 8, 1000);
            ck_assert_int_gt(n, 0);
            for (int i = 0; i < n; i++, finished++) {
                struct stk_part *part = done[i]->tag;
                expect_bytes(done[i], part->offset, part->length);
                stk_io_recycle(io, done[i]);
                if (started < N) {
                    part->offset = started++ * 7;
                    stk_io_submit(io, done[i], part);
                }
            }
        }
        ck_assert_int_eq(stk_io_reap(io, done, 8, 1000), 0);
    }
}
END_TEST

START_TEST(test_ranges_of_many_shards_share_descriptors)
{
    FOR_EACH_ENGINE(io)
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof name, "shard%d", i % 12);
        struct stk_part part = {STOKER_SOURCE_FILE, make_file(name, 5000), NULL,
                                i * 10, 100};
        struct stk_read *read = read_part(io, part);
        expect_bytes(read, i * 10, 100);
        stk_io_recycle(io, read);
        part.length = -1;
        read = read_part(io, part);
        expect_bytes(read, i * 10, 5000 - i * 10);
        stk_io_recycle(io, read);
    }
}
END_TEST

START_TEST(test_memory_is_not_copied)
{
    static const uint8_t bytes[3] = {1, 2, 3};
    struct stk_part part = {STOKER_SOURCE_MEMORY, NULL, bytes, 0, 3};
    FOR_EACH_ENGINE(io)
    {
        struct stk_read *read = read_part(io, part);
        ck_assert_int_eq(read->result, 0);
        ck_assert_ptr_eq(read->bytes.data, bytes);
        ck_assert_uint_eq(read->bytes.n, 3);
        stk_io_recycle(io, read);
        struct stk_part empty = {STOKER_SOURCE_MEMORY, NULL, bytes, 0, 0};
        expect_error(io, empty, -ENODATA, "empty");
    }
}
END_TEST

START_TEST(test_what_is_no_readable_file_is_named)
{
    const char *fifo = make_path("fifo"), *dir = make_path("dir.jpg");
    const char *loop = make_path("loop");
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    ck_assert_int_eq(mkdir(dir, 0700), 0);
    ck_assert_int_eq(symlink("loop", loop), 0);
    FOR_EACH_ENGINE(io)
    {
        expect_error(io, whole(make_path("gone")), -ENOENT, "vanished");
        expect_error(io, whole(dir), -EISDIR, "directory");
        expect_error(io, whole(fifo), -EINVAL, "regular");
        expect_error(io, whole("/dev/zero"), -EINVAL, "regular");
        expect_error(io, whole("/proc/self/stat"), -ENODATA, "empty");
        expect_error(io, whole(make_file("empty", 0)), -ENODATA, "empty");
        expect_error(io, whole(loop), -ENOENT, "symbolic");
        struct stk_part far = {STOKER_SOURCE_FILE, make_file("short", 10), NULL,
                               5, 6};
        expect_error(io, far, -ENODATA, "truncated");
        far.offset = INT64_MAX;
        expect_error(io, far, -EINVAL, "range");
        far = (struct stk_part){STOKER_SOURCE_FILE, far.path, NULL, 11, -1};
        expect_error(io, far, -ENODATA, "empty");
    }
}
END_TEST

START_TEST(test_giants_are_refused_before_memory_is_asked_for)
{
    const char *p = make_path("giant");
    int fd = open(p, O_CREAT | O_WRONLY, 0600);
    ck_assert_int_eq(ftruncate(fd, INT64_C(1) << 40), 0);
    close(fd);
    FOR_EACH_ENGINE(io)
    expect_error(io, whole(p), -EFBIG, "limit");
}
END_TEST

START_TEST(test_unreadable_file_is_EACCES)
{
    const char *p = make_file("secret", 10);
    int status;
    chmod(p, 0000);
    chmod(folder, 0755);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(2);
        struct stk_io *io = open_io(STOKER_IO_PREAD);
        struct stk_part part = whole(p);
        struct stk_read *done;
        stk_io_submit(io, stk_io_read(io, 0), &part);
        stk_io_reap(io, &done, 1, 1000);
        _exit(done->result == -EACCES ? 0 : 1);
    }
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(test_no_descriptors_left_is_waited_for_then_named)
{
    FOR_EACH_ENGINE(io)
    {
        const char *p = make_file("fds", 10);
        struct rlimit was, none;
        getrlimit(RLIMIT_NOFILE, &was);
        none = was;
        none.rlim_cur = 3;
        setrlimit(RLIMIT_NOFILE, &none);
        struct stk_read *read = read_part(io, whole(p));
        setrlimit(RLIMIT_NOFILE, &was);
        ck_assert_int_eq(read->result, -EMFILE);
        ck_assert_int_gt(read->n_retries, 0);
        stk_io_recycle(io, read);
        read = read_part(io, whole(p));
        expect_bytes(read, 0, 10);
        stk_io_recycle(io, read);
    }
}
END_TEST

/* A system in which somebody changes the file between stat and read. */
struct meddler {
    struct stk_io_calls calls;
    const char *path;
    int64_t new_size;
    int replace;
};

static int meddle(void *self, int fd, struct stk_io_stat *out)
{
    struct meddler *m = self;
    int rc = stk_io_system.stat(NULL, fd, out);
    if (!m->path)
        return rc;
    if (m->replace) {
        rename(m->path, make_path("replaced.old"));
        make_file("replaced", m->new_size);
    } else {
        ck_assert_int_eq(truncate(m->path, m->new_size), 0);
    }
    m->path = NULL;
    return rc;
}

static void meddle_once(int engine, int64_t new_size, int replace, int code)
{
    struct meddler m = {stk_io_system, NULL, new_size, replace};
    m.calls.self = &m;
    m.calls.stat = meddle;
    struct stk_io *io = open_io_with(engine, 1 << 24, &m.calls);
    m.path = make_file("replaced", 9000);
    struct stk_read *read = read_part(io, whole(m.path));
    ck_assert_msg(read->result == code, "%d %s", read->result,
                  read->error.text);
    if (code == 0)
        expect_bytes(read, 0, 9000);
    else
        ck_assert_ptr_nonnull(strstr(read->error.text, "changed"));
    stk_io_recycle(io, read);
    ck_assert_int_eq(stk_io_close(&io), 0);
}

START_TEST(test_a_file_that_changes_while_read_is_named)
{
    for (int e = has_uring() ? 0 : 1; e < 2; e++) {
        meddle_once(engines[e], 8999, 0, -ESTALE);
        meddle_once(engines[e], 0, 0, -ESTALE);
        meddle_once(engines[e], 9001, 0, -ESTALE);
        meddle_once(engines[e], 900000, 0, -ESTALE);
        /* The open file is the old one, whole. */
        meddle_once(engines[e], 5, 1, 0);
    }
}
END_TEST

START_TEST(test_close_with_reads_in_flight_leaves_no_descriptor)
{
    const char *p = make_file("inflight", 3 << 20);
    int before = open("/dev/null", O_RDONLY);
    close(before);
    for (int e = has_uring() ? 0 : 1; e < 2; e++)
        for (int look = 0; look < 2; look++) {
            struct stk_io *io = open_io(engines[e]);
            struct stk_part part = whole(p);
            struct stk_read *done;
            for (int i = 0; i < 8; i++)
                stk_io_submit(io, stk_io_read(io, i), &part);
            if (look)
                stk_io_reap(io, &done, 1, 0);
            ck_assert_int_eq(stk_io_close(&io), 0);
            ck_assert_ptr_null(io);
        }
    int after = open("/dev/null", O_RDONLY);
    close(after);
    ck_assert_int_eq(before, after);
}
END_TEST

START_TEST(test_auto_takes_io_uring_where_it_may)
{
    struct stk_io *io = open_io(STOKER_IO_AUTO);
    ck_assert_int_eq(stk_io_kind(io),
                     has_uring() ? STOKER_IO_URING : STOKER_IO_PREAD);
    ck_assert(has_uring() == (stk_io_reason(io)[0] == '\0'));
    stk_io_close(&io);
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    if (!has_uring())
        fprintf(stderr, "io_uring is not allowed here: pread only\n");
    TCase *tc = tcase_create("read");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_files_of_every_size_come_back_whole);
    tcase_add_test(tc, test_many_reads_in_flight_keep_apart);
    tcase_add_test(tc, test_ranges_of_many_shards_share_descriptors);
    tcase_add_test(tc, test_memory_is_not_copied);
    tcase_add_test(tc, test_what_is_no_readable_file_is_named);
    tcase_add_test(tc, test_giants_are_refused_before_memory_is_asked_for);
    tcase_add_test(tc, test_unreadable_file_is_EACCES);
    tcase_add_test(tc, test_no_descriptors_left_is_waited_for_then_named);
    tcase_add_test(tc, test_a_file_that_changes_while_read_is_named);
    tcase_add_test(tc, test_close_with_reads_in_flight_leaves_no_descriptor);
    tcase_add_test(tc, test_auto_takes_io_uring_where_it_may);
    Suite *suite = suite_create("read");
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n = srunner_ntests_failed(runner);
    srunner_free(runner);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0 || n != 0;
}
