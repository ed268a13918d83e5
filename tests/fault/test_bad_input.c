/* Every bad input of the contract, made for real and met through the public
 * header by both engines: a row each, with the code and the words that must
 * come.  No hang is allowed either: each row has a deadline. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "photos.h"
#include "run_suite.h"
#include "seen.h"

enum { N_PHOTOS = 4, DEADLINE_MS = 20000 };

static struct photos photos;
static stoker_transform crop;
static stoker_error err;
static char top[64], bad_path[192];

static void run_command(const char *format, const char *path)
{
    char command[512];
    snprintf(command, sizeof command, format, path);
    ck_assert_int_eq(system(command), 0);
}

static void setup(void)
{
    strcpy(top, "/tmp/stoker_bad_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(top));
    ck_assert_int_eq(chmod(top, 0755), 0);
    photos_make(&photos, N_PHOTOS);
    photos_write(&photos, top);
    snprintf(bad_path, sizeof bad_path, "%s/class_0/bad.jpg", top);
}

static void teardown(void)
{
    run_command("rm -rf '%s'", top);
    photos_free(&photos);
}

static void write_bad(const void *bytes, size_t n)
{
    FILE *f = fopen(bad_path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* ---- samples: each makes bad.jpg, or changes the options --------------- */

static void make_empty(stoker_options *opt)
{
    (void)opt;
    write_bad("", 0);
}

static void make_text(stoker_options *opt)
{
    (void)opt;
    write_bad("<html>404 not found, sorry</html>\n", 34);
}

static void make_truncated(stoker_options *opt)
{
    (void)opt;
    write_bad(photos.bytes[0], photos.n_bytes[0] - 30);
}

static void make_two_bytes(stoker_options *opt)
{
    (void)opt;
    write_bad("\xff\xd8", 2);
}

static void make_zeros(stoker_options *opt)
{
    static const char zeros[4096];
    (void)opt;
    write_bad(zeros, sizeof zeros);
}

static void make_gif(stoker_options *opt)
{
    (void)opt;
    write_bad("GIF89a\1\0\1\0\0\0\0;", 14);
}

static void make_folder(stoker_options *opt)
{
    (void)opt;
    ck_assert_int_eq(mkdir(bad_path, 0755), 0);
}

static void make_fifo(stoker_options *opt)
{
    (void)opt;
    ck_assert_int_eq(mkfifo(bad_path, 0666), 0);
}

static void make_socket(stoker_options *opt)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)opt;
    snprintf(at.sun_path, sizeof at.sun_path, "%.90s", bad_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    close(fd);
}

static void make_device(stoker_options *opt)
{
    (void)opt;
    ck_assert_int_eq(symlink("/dev/zero", bad_path), 0);
}

static void make_dangling(stoker_options *opt)
{
    (void)opt;
    ck_assert_int_eq(symlink("/no/such/file.jpg", bad_path), 0);
}

static void make_good(stoker_options *opt)
{
    (void)opt;
    write_bad(photos.bytes[0], photos.n_bytes[0]);
}

static void make_nothing(stoker_options *opt)
{
    (void)opt; /* it is there */
}

static void limit_pixels(stoker_options *opt)
{
    make_good(opt);
    opt->max_pixels = 24 * 16 - 1;
}

static void limit_side(stoker_options *opt)
{
    make_good(opt);
    opt->max_side = 23;
}

static void limit_bytes(stoker_options *opt)
{
    make_good(opt);
    opt->max_file_bytes = 100;
}

static void make_huge_header(stoker_options *opt)
{
    uint8_t *bytes = photos.bytes[0];
    (void)opt;
    for (size_t i = 0; i + 9 < photos.n_bytes[0]; i++)
        if (bytes[i] == 0xff && bytes[i + 1] == 0xc0) {
            memset(bytes + i + 5, 0xfe, 4); /* 65278 x 65278 */
            break;
        }
    write_bad(bytes, photos.n_bytes[0]);
}

static void crop_too_large(stoker_options *opt)
{
    make_good(opt);
    crop = stoker_random_crop(64, 64);
    opt->transforms = &crop;
}

static const struct sample_row {
    const char *what;
    void (*make)(stoker_options *opt);
    int code;
    const char *words;
} samples[] = {
    {"zero length", make_empty, -ENODATA, "is empty"},
    {"two bytes", make_two_bytes, -ENODATA, "truncated"},
    {"truncated", make_truncated, -ENODATA, "truncated"},
    {"an error page", make_text, -ENOTSUP, "HTML"},
    {"zeros", make_zeros, -EBADMSG, "not"},
    {"a GIF", make_gif, -ENOTSUP, "GIF"},
    {"a folder", make_folder, -EISDIR, "is a directory"},
    {"a FIFO", make_fifo, -EINVAL, "is not a regular file"},
    {"a socket", make_socket, -EINVAL, "is not a regular file"},
    {"a device", make_device, -EINVAL, "is not a regular file"},
    {"a link to nothing", make_dangling, -ENOENT, "vanished"},
    {"over max_pixels", limit_pixels, -EFBIG, "the limit is 383 in all"},
    {"over max_side", limit_side, -EFBIG, "the limit is 23 a side"},
    {"over max_file_bytes", limit_bytes, -EFBIG, "over the limit of 100"},
    {"a 65278 x 65278 header", make_huge_header, -EFBIG, "65278 x 65278"},
    {"smaller than RandomCrop", crop_too_large, -ERANGE, "24"},
};

static void check_sample(const struct sample_row *row, int io)
{
    stoker_options opt = photos_options(&crop);
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_batch *batch;

    opt.io = io;
    opt.retry_ms = 50;
    row->make(&opt);
    stoker_item item = {.path = bad_path, .length = -1, .label = 1};
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, &item, 1, sizeof item, &err), 0);
    int rc = stoker_loader_open(&loader, ds, &opt, &err);
    ck_assert_msg(rc == 0, "%s: %s", row->what, err.text);
    rc = stoker_loader_next(loader, &batch, DEADLINE_MS, &err);
    ck_assert_msg(rc == row->code, "%s, engine %d: code %d, not %d: %s",
                  row->what, io, rc, row->code, err.text);
    ck_assert_msg(strstr(err.text, row->words), "%s: '%s' lacks '%s'",
                  row->what, err.text, row->words);
    ck_assert_msg(strstr(err.text, "bad.jpg"), "%s: no name in '%s'", row->what,
                  err.text);
    ck_assert_int_eq(err.id, 0);
    if (io == STOKER_IO_AUTO)
        seen(row->what, rc, err.text);
    ck_assert_int_eq(stoker_loader_close(&loader), 0);
    stoker_dataset_free(ds);
}

START_TEST(test_bad_sample_is_named)
{
    check_sample(&samples[_i / 2], _i % 2 ? STOKER_IO_PREAD : STOKER_IO_AUTO);
}
END_TEST

/* As nobody, in a child: root may read everything. */
START_TEST(test_unreadable_file_is_named)
{
    if (geteuid() != 0) {
        fprintf(stderr, "SKIPPED: unreadable file: only root can become "
                        "nobody\n");
        return;
    }
    make_good(NULL);
    ck_assert_int_eq(chmod(bad_path, 0), 0);
    ck_assert_int_eq(seteuid(65534), 0);
    check_sample(&(struct sample_row){"unreadable", make_nothing, -EACCES,
                                      "may not be read"},
                 _i ? STOKER_IO_PREAD : STOKER_IO_AUTO);
    ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

/* ---- folders --------------------------------------------------------------
 */

static void folder_missing(char *root)
{
    strcat(root, "/nowhere");
}

static void folder_empty(char *root)
{
    strcat(root, "/nothing");
    ck_assert_int_eq(mkdir(root, 0755), 0);
}

static void folder_is_file(char *root)
{
    strcat(root, "/class_0/photo_000.jpg");
}

static void folder_classless(char *root)
{
    strcat(root, "/class_0");
}

static void folder_class_without_image(char *root)
{
    char path[256];
    snprintf(path, sizeof path, "%s/zebra", root);
    ck_assert_int_eq(mkdir(path, 0755), 0);
}

static void folder_loop(char *root)
{
    char path[256];
    snprintf(path, sizeof path, "%s/class_1/loop", root);
    ck_assert_int_eq(symlink("..", path), 0);
}

static const struct folder_row {
    void (*make)(char *root);
    int code;
    const char *words;
} folders[] = {
    {folder_missing, -ENOENT, "nowhere"},
    {folder_empty, -ENODATA, "nothing"},
    {folder_is_file, -ENOTDIR, "photo_000.jpg"},
    {folder_classless, -ENODATA, "class"},
    {folder_class_without_image, -ENODATA, "zebra"},
    {folder_loop, -ELOOP, "loop"},
};

START_TEST(test_bad_folder_is_named)
{
    const struct folder_row *row = &folders[_i];
    stoker_dataset *ds = NULL;
    char root[256];

    strcpy(root, top);
    row->make(root);
    int rc = stoker_dataset_from_folder(&ds, root, NULL, &err);
    ck_assert_msg(rc == row->code, "%s: %d: %s", root, rc, err.text);
    seen(row->words, rc, err.text);
    ck_assert_msg(strstr(err.text, row->words), "'%s' lacks '%s'", err.text,
                  row->words);
    ck_assert_ptr_null(ds);
}
END_TEST

/* Pipelines read ahead, so the file is replaced before its epoch's turn: the
 * sizes that the first epoch saw bind nobody, bytes are never mixed. */
START_TEST(test_file_replaced_between_epochs_is_read_or_named)
{
    stoker_options opt = photos_options(&crop);
    stoker_dataset *ds = NULL;
    stoker_loader *loader = NULL;
    stoker_batch *batch;

    opt.io = _i ? STOKER_IO_PREAD : STOKER_IO_AUTO;
    opt.n_epochs = 40;
    opt.shuffle = 0;
    opt.on_error = STOKER_MASK;
    opt.unlimited_bad = 1;
    make_good(NULL);
    ck_assert_int_eq(stoker_dataset_from_folder(&ds, top, NULL, &err), 0);
    ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, &err), 0);
    for (int epoch = 0; epoch < 40; epoch++) {
        if (epoch == 10)
            write_bad(photos.bytes[3], photos.n_bytes[3]);
        if (epoch == 20)
            unlink(bad_path);
        int rc = stoker_loader_next(loader, &batch, DEADLINE_MS, &err);
        ck_assert_msg(rc == 0, "epoch %d: %d %s", epoch, rc, err.text);
        stoker_tensor t = {.size = sizeof t}, v = {.size = sizeof v};
        stoker_batch_tensor(batch, "image", &t);
        stoker_batch_tensor(batch, "valid", &v);
        const uint8_t *pixel = t.data, *valid = v.data;
        /* bad.jpg sorts first: grey 0, then grey 3, then nothing. */
        if (valid[0])
            ck_assert(pixel[0] == 0 || pixel[0] == 3);
        if (epoch == 39)
            ck_assert_int_eq(valid[0], 0);
        stoker_batch_release(batch);
        ck_assert_int_eq(stoker_loader_next(loader, &batch, DEADLINE_MS, &err),
                         STOKER_END);
    }
    stoker_bad bad = {.size = sizeof bad};
    ck_assert_int_gt(stoker_loader_bad(loader, 0, &bad, 1, sizeof bad), 0);
    ck_assert_msg(strstr(bad.error.text, "bad.jpg"), "%s", bad.error.text);
    seen("replaced, then deleted", bad.error.code, bad.error.text);
    stoker_loader_close(&loader);
    stoker_dataset_free(ds);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bad input");
    TCase *tc = tcase_create("rows");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_bad_sample_is_named, 0,
                        2 * (int)(sizeof samples / sizeof samples[0]));
    tcase_add_loop_test(tc, test_unreadable_file_is_named, 0, 2);
    tcase_add_loop_test(tc, test_bad_folder_is_named, 0,
                        (int)(sizeof folders / sizeof folders[0]));
    tcase_add_loop_test(tc, test_file_replaced_between_epochs_is_read_or_named,
                        0, 2);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
