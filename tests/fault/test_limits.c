/* Systems that give less than usual: few descriptors, little address space,
 * no lockable memory, io_uring forbidden by seccomp.  A run passes by other
 * means, with the reason in stats, or ends in a sentence. */
#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <jpeglib.h>

#include "photos.h"
#include "run_suite.h"
#include "seen.h"

static struct photos photos;
static stoker_transform crop;
static stoker_error err;
static stoker_stats stats;
static char top[64];

static void setup(void)
{
    strcpy(top, "/tmp/stoker_limits_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    photos_make(&photos, 60);
    photos_write(&photos, top);
}

static void teardown(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", top);
    ck_assert_int_eq(system(command), 0);
    photos_free(&photos);
}

/* An epoch over the files; returns what ended it, rows in *n. */
static int play(int io, int n_workers, int64_t *n)
{
    stoker_options opt = photos_options(&crop);
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_batch *batch;

    *n = 0;
    opt.io = io;
    opt.n_workers = n_workers;
    opt.n_epochs = 1;
    opt.retry_ms = 500;
    int rc = stoker_dataset_from_folder(&ds, top, NULL, &err);
    if (rc == 0)
        rc = stoker_loader_open(&loader, ds, &opt, &err);
    while (rc == 0 &&
           (rc = stoker_loader_next(loader, &batch, 20000, &err)) == 0) {
        stoker_tensor id = {.size = sizeof id};
        stoker_batch_tensor(batch, "id", &id);
        *n += id.shape[0];
        stoker_batch_release(batch);
    }
    stats.size = sizeof stats;
    if (loader)
        stoker_loader_stats(loader, &stats);
    stoker_loader_close(&loader);
    stoker_dataset_free(ds);
    return rc;
}

static void lower(int what, rlim_t limit)
{
    struct rlimit now;
    ck_assert_int_eq(getrlimit((__rlimit_resource_t)what, &now), 0);
    now.rlim_cur = limit;
    ck_assert_int_eq(setrlimit((__rlimit_resource_t)what, &now), 0);
}

/* check runs each test in a process of its own: limits end with it. */
START_TEST(test_few_descriptors_slow_down_and_pass)
{
    int64_t n;
    lower(RLIMIT_NOFILE, 16);
    int rc = play(_i ? STOKER_IO_PREAD : STOKER_IO_AUTO, 4, &n);
    ck_assert_msg(rc == STOKER_END || (rc == -EMFILE && err.text[0]), "%d %s",
                  rc, err.text);
    seen("16 descriptors", rc < 0 ? rc : 0, rc < 0 ? err.text : "whole epoch");
    ck_assert_int_eq(rc, STOKER_END);
    ck_assert_int_eq(n, 60);
    lower(RLIMIT_NOFILE, 1024);
}
END_TEST

/* Sanitizers reserve terabytes of address space themselves. */
#if !defined(STK_SANITIZED)
START_TEST(test_little_address_space_is_a_sentence_or_passes)
{
    static const rlim_t mib[] = {24, 64, 128, 512, 2048};
    int64_t n;
    lower(RLIMIT_AS, mib[_i / 2] << 20);
    int rc = play(_i % 2 ? STOKER_IO_PREAD : STOKER_IO_AUTO, 2, &n);
    lower(RLIMIT_AS, RLIM_INFINITY);
    char key[40];
    snprintf(key, sizeof key, "%d MiB of address space", (int)mib[_i / 2]);
    seen(key, rc < 0 ? rc : 0, rc < 0 ? err.text : "whole epoch");
    ck_assert_msg(rc == STOKER_END
                      ? n == 60
                      : (rc == -ENOMEM || rc == -EAGAIN) && err.text[0],
                  "%d %s", rc, err.text);
}
END_TEST
#endif

START_TEST(test_no_lockable_memory_passes)
{
    int64_t n;
    lower(RLIMIT_MEMLOCK, 0);
    ck_assert_msg(play(STOKER_IO_AUTO, 2, &n) == STOKER_END, "%s", err.text);
    ck_assert_int_eq(n, 60);
    seen("no lockable memory", 0, "whole epoch");
}
END_TEST

/* Grey noise; 1024 x 1024 in progressive scans are some 40 ms of decoding. */
static unsigned long make_noise(unsigned char **bytes, int width, int height,
                                bool is_progressive)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned long n = 0;
    static JSAMPLE line[1 << 16];
    JSAMPROW row = line;
    unsigned r = 1;

    *bytes = NULL;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, bytes, &n);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    if (is_progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            r = r * 1664525u + 1013904223u;
            line[x] = (JSAMPLE)(r >> 24);
        }
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return n;
}

/* Sides of 16384 within the limits, by both decoders. */
START_TEST(test_long_sides_pass)
{
    static const int sizes[][2] = {{16384, 24}, {24, 16384}, {65500, 9}};
    stoker_options opt = photos_options(&crop);
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_batch *batch;
    unsigned char *bytes;
    unsigned long n =
        make_noise(&bytes, sizes[_i / 4][0], sizes[_i / 4][1], _i % 4 / 2 == 1);
    stoker_item item = {.name = "long.jpg",
                        .source = STOKER_SOURCE_MEMORY,
                        .data = bytes,
                        .length = (int64_t)n};

    opt.decoder = _i % 2;
    crop = stoker_random_resized_crop(8, 8);
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, &item, 1, sizeof item, &err), 0);
    ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, &err), 0);
    ck_assert_msg(stoker_loader_next(loader, &batch, 20000, &err) == 0, "%s",
                  err.text);
    seen("long sides", 0, "decodes, by both decoders");
    stoker_batch_release(batch);
    stoker_loader_close(&loader);
    stoker_dataset_free(ds);
    free(bytes);
}
END_TEST

START_TEST(test_slow_decode_is_cut_short_and_the_next_is_good)
{
    stoker_options opt = photos_options(&crop);
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_batch *batch;
    unsigned char *bytes;
    stoker_item items[2] = {
        {.name = "slow.jpg",
         .source = STOKER_SOURCE_MEMORY,
         .length = (int64_t)make_noise(&bytes, 1024, 1024, true)},
        photos.items[9]};

    items[0].data = bytes;
    opt.shuffle = 0;
    opt.n_workers = 1;
    opt.max_decode_ms = 1;
    opt.on_error = STOKER_MASK;
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, items, 2, sizeof items[0], &err), 0);
    ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, &err), 0);
    ck_assert_int_eq(stoker_loader_next(loader, &batch, 20000, &err), 0);
    stoker_tensor valid = {.size = sizeof valid};
    stoker_batch_tensor(batch, "valid", &valid);
    stoker_bad bad = {.size = sizeof bad};
    ck_assert_int_eq(stoker_loader_bad(loader, 0, &bad, 1, sizeof bad), 1);
    seen("over max_decode_ms", bad.error.code, bad.error.text);
    ck_assert_int_eq(bad.error.code, -EFBIG);
    ck_assert_msg(strstr(bad.error.text, "slow.jpg") &&
                      strstr(bad.error.text, "max_decode_ms"),
                  "%s", bad.error.text);
    ck_assert_int_eq(((uint8_t *)valid.data)[1], 1);
    stoker_batch_release(batch);
    stoker_loader_close(&loader);
    stoker_dataset_free(ds);
    free(bytes);
}
END_TEST

/* Answers io_uring_setup with an errno, as container profiles do. */
static int forbid_uring(int code)
{
    struct sock_filter code_of[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K,
                 SECCOMP_RET_ERRNO | ((unsigned)code & SECCOMP_RET_DATA)),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {4, code_of};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

START_TEST(test_forbidden_io_uring_falls_back_or_is_refused)
{
    static const int codes[] = {EPERM, ENOSYS};
    static const char *const words[] = {"forbids io_uring", "no io_uring"};
    int64_t n;

    if (forbid_uring(codes[_i]) != 0) {
        fprintf(stderr, "SKIPPED: seccomp filters are not possible here\n");
        return;
    }
    ck_assert_int_eq(play(STOKER_IO_AUTO, 2, &n), STOKER_END);
    ck_assert_int_eq(n, 60);
    ck_assert_int_eq(stats.io, STOKER_IO_PREAD);
    ck_assert_msg(strstr(stats.io_reason, words[_i]), "%s", stats.io_reason);
    int rc = play(STOKER_IO_URING, 2, &n);
    ck_assert_int_lt(rc, 0);
    seen(_i ? "seccomp ENOSYS" : "seccomp EPERM", rc, err.text);
    ck_assert_msg(strstr(err.text, words[_i]), "%s", err.text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limits");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_few_descriptors_slow_down_and_pass, 0, 2);
#if !defined(STK_SANITIZED)
    tcase_add_loop_test(tc, test_little_address_space_is_a_sentence_or_passes,
                        0, 10);
#endif
    tcase_add_test(tc, test_no_lockable_memory_passes);
    tcase_add_loop_test(tc, test_long_sides_pass, 0, 12);
    tcase_add_test(tc, test_slow_decode_is_cut_short_and_the_next_is_good);
    tcase_add_loop_test(tc, test_forbidden_io_uring_falls_back_or_is_refused, 0,
                        2);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
