/* Budgets, refill and the ledger: when a run with bad samples ends, with which
 * words, and what is written down; the same for any engine and any number of
 * workers. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "photos.h"
#include "run_suite.h"
#include "seen.h"

enum { N_PHOTOS = 200 };

static struct photos photos;
static stoker_transform crop;
static stoker_error err;

static void setup(void)
{
    photos_make(&photos, N_PHOTOS);
}

static void teardown(void)
{
    photos_free(&photos);
}

struct verdict {
    int code;
    int64_t n_rows, n_listed;
    stoker_digest digest;
    char text[496];
};

/* Plays one epoch with these options. */
static struct verdict play(const stoker_options *opt)
{
    struct verdict v = {0};
    stoker_dataset *ds = photos_dataset(&photos);
    stoker_loader *loader = NULL;
    stoker_batch *batch;
    int64_t epoch, from, to;

    int rc = stoker_loader_open(&loader, ds, opt, &err);
    ck_assert_msg(rc == 0, "open: %s", err.text);
    while ((rc = stoker_loader_next(loader, &batch, 20000, &err)) == 0) {
        stoker_batch_info info = {.size = sizeof info};
        stoker_batch_info_get(batch, &info);
        v.n_rows += info.n_rows;
        stoker_batch_release(batch);
    }
    v.code = rc;
    memcpy(v.text, err.text, sizeof v.text);
    v.n_listed = stoker_loader_bad(loader, 0, NULL, 0, sizeof(stoker_bad));
    stoker_loader_digest(loader, &v.digest, &epoch, &from, &to);
    ck_assert_int_eq(stoker_loader_close(&loader), 0);
    stoker_dataset_free(ds);
    return v;
}

/* The same whatever workers and engine do. */
static struct verdict play_all_ways(stoker_options *opt)
{
    static const int workers[] = {1, 2, 5};
    struct verdict first = {0}, v;

    for (int i = 0; i < 6; i++) {
        opt->n_workers = workers[i % 3];
        opt->io = i < 3 ? STOKER_IO_AUTO : STOKER_IO_PREAD;
        v = play(opt);
        if (i == 0)
            first = v;
        ck_assert_int_eq(v.code, first.code);
        ck_assert_int_eq(v.n_rows, first.n_rows);
        ck_assert_int_eq(v.n_listed, first.n_listed);
        ck_assert_str_eq(v.text, first.text);
        ck_assert_mem_eq(&v.digest, &first.digest, sizeof v.digest);
    }
    return first;
}

static stoker_options options(int policy)
{
    stoker_options opt = photos_options(&crop);
    opt.on_error = policy;
    opt.shuffle = 0;
    opt.n_epochs = 1;
    return opt;
}

static void break_every(int step, int from, int n)
{
    for (int i = from; n > 0 && i < N_PHOTOS; i += step, n--)
        photos_break(&photos, i);
}

START_TEST(test_budget_ends_the_run_with_its_name)
{
    const struct {
        int step, from, n;    /* which photos are bad */
        int64_t max_bad, run; /* options; -1 and 32 are the defaults */
        double fraction;
        int unlimited;
        int64_t n_rows; /* delivered; 200: no budget stopped it */
        const char *words;
    } rows[] = {
        {2, 1, 100, -1, 32, -1, 0, 200, ""}, /* 100 are allowed */
        {2, 1, 100, 99, 32, -1, 0, 192, "(max_bad)"},
        {2, 1, 100, -1, 32, 0.25, 0, 96, "51 of"},
        {2, 1, 100, 10, 32, 0.25, 0, 16, "11 of"}, /* the smaller */
        {2, 1, 58, -1, 32, 0.29, 0, 200, ""},      /* 0.29 * 200. is < 58 */
        {1, 50, 31, -1, 32, -1, 0, 200, ""},
        {1, 50, 32, -1, 32, -1, 0, 80, "(max_bad_run)"},
        {1, 50, 3, -1, 3, -1, 0, 48, "(max_bad_run)"},
        {1, 0, 7, -1, 32, -1, 0, 200, ""},
        {1, 0, 8, -1, 32, -1, 0, 0, "first 8 samples are all bad"},
        {1, 0, 200, -1, 32, -1, 1, 200, ""}, /* lifted: all masked */
        {1, 40, 1, 0, 32, -1, 0, 40, "1 of"},
    };
    stoker_options opt = options(STOKER_MASK);

    break_every(rows[_i].step, rows[_i].from, rows[_i].n);
    opt.max_bad = rows[_i].max_bad;
    opt.max_bad_run = rows[_i].run;
    opt.max_bad_fraction = rows[_i].fraction;
    opt.unlimited_bad = rows[_i].unlimited;
    struct verdict v = play_all_ways(&opt);
    ck_assert_msg(v.n_rows == rows[_i].n_rows, "row %d: %lld rows: %s", _i,
                  (long long)v.n_rows, v.text);
    if (rows[_i].n_rows == 200) {
        ck_assert_int_eq(v.code, STOKER_END);
        ck_assert_int_eq(v.digest.n_bad, rows[_i].n);
        return;
    }
    ck_assert_int_eq(v.code, -EIO);
    seen(rows[_i].words, v.code, v.text);
    ck_assert_msg(strstr(v.text, rows[_i].words) && strstr(v.text, "mount") &&
                      strstr(v.text, "photo_"),
                  "%s", v.text);
}
END_TEST

START_TEST(test_refill_is_the_same_everywhere_and_ends)
{
    stoker_options opt = options(STOKER_REFILL);

    break_every(20, 3, 10);
    struct verdict v = play_all_ways(&opt);
    ck_assert_int_eq(v.code, STOKER_END);
    ck_assert_int_eq(v.digest.n_refill, 10);
    ck_assert_int_eq(v.digest.n_good, 190);
    /* All are bad: a bounded number of substitutes, then the error. */
    teardown();
    setup();
    break_every(1, 0, 200);
    v = play_all_ways(&opt);
    ck_assert_int_eq(v.code, -ENODATA);
    ck_assert_int_eq(v.n_listed, 9 * 8);
    ck_assert_msg(strstr(v.text, " and its 8 substitutes are all bad"), "%s",
                  v.text);
    seen("all bad under refill", v.code, v.text);
}
END_TEST

/* Runs Python over the ledger; its exit status. */
static int python(const char *path, const char *code)
{
    char command[1024];
    snprintf(command, sizeof command, "python3 -c '%s' %s", code, path);
    return system(command);
}

START_TEST(test_ledger_is_json_lines_whatever_the_names)
{
    static const char *const names[] = {
        "new\nline.jpg",    "quote\"\\.jpg",        "latin\xe9\xff.jpg",
        "bell\x07\x7f.jpg", "half\xed\xa0\x80.jpg", "\xe6\xbc\xa2"};
    stoker_options opt = options(STOKER_MASK);
    char path[] = "/tmp/stoker_ledger_XXXXXX";

    close(mkstemp(path));
    for (int i = 0; i < 6; i++) {
        photos.items[20 * i].name = names[i];
        photos_break(&photos, 20 * i);
    }
    opt.ledger_path = path;
    struct verdict v = play(&opt);
    ck_assert_int_eq(v.n_listed, 6);
    v = play(&opt); /* appended */
    ck_assert_int_eq(
        python(path,
               "import json,sys\n"
               "l=[json.loads(x) for x in open(sys.argv[1],\"rb\")]\n"
               "assert len(l)==12 and l[:6]==l[6:], l\n"
               "n=[x[\"path\"].encode(\"utf8\",\"surrogateescape\") for x in "
               "l[:6]]\n"
               "assert n[0]==b\"new\\nline.jpg\" and "
               "n[2]==b\"latin\\xe9\\xff.jpg\" and "
               "n[4]==b\"half\\xed\\xa0\\x80.jpg\", n\n"
               "assert all(x[\"code\"]==-61 and x[\"stage\"]==\"probe\" and "
               "len(x[\"bytes_hash\"])==32 and int(x[\"bytes_hash\"],16) for "
               "x in l), l"),
        0);
    unlink(path);
}
END_TEST

/* A range of a shard brings two texts, and every byte of both may become six.
 */
START_TEST(test_longest_names_fit_a_line_of_the_ledger)
{
    enum { N_NAME = 5000, N_PATH = 4095 };
    static char name[N_NAME + 1], shard[N_PATH + 1];
    stoker_options opt = options(STOKER_MASK);
    char path[] = "/tmp/stoker_ledger_XXXXXX";

    close(mkstemp(path));
    memset(name, 0xff, N_NAME);
    memset(shard, 7, N_PATH);
    photos.items[20] = (stoker_item){.source = STOKER_SOURCE_FILE,
                                     .name = name,
                                     .path = shard,
                                     .offset = 1,
                                     .length = 10};
    opt.ledger_path = path;
    struct verdict v = play(&opt);
    ck_assert_int_eq(v.code, STOKER_END);
    ck_assert_int_eq(v.n_listed, 1);
    ck_assert_int_eq(python(path,
                            "import json,sys\n"
                            "x,=[json.loads(x) for x in open(sys.argv[1])]\n"
                            "assert x[\"path\"]==\"\\udcff\"*4351\n"
                            "assert x[\"shard\"]==\"\\7\"*4095, x"),
                     0);
    unlink(path);
}
END_TEST

START_TEST(test_full_disk_under_the_ledger_is_a_sentence)
{
    stoker_options opt = options(STOKER_MASK);

    photos_break(&photos, 20);
    opt.ledger_path = "/dev/full";
    struct verdict v = play(&opt);
    ck_assert_int_eq(v.code, -ENOSPC);
    ck_assert_msg(strstr(v.text, "ledger /dev/full: No space left"), "%s",
                  v.text);
    seen("ledger on a full disk", v.code, v.text);
    ck_assert_int_eq(v.n_rows, 16);
}
END_TEST

START_TEST(test_full_disk_leaves_whole_lines)
{
    stoker_options opt = options(STOKER_MASK);
    char top[] = "/tmp/stoker_full_XXXXXX", path[64];

    ck_assert_ptr_nonnull(mkdtemp(top));
    if (mount("none", top, "tmpfs", 0, "size=16k,nr_inodes=8") != 0) {
        fprintf(stderr, "SKIPPED: full tmpfs: only root mounts one\n");
        rmdir(top);
        return;
    }
    snprintf(path, sizeof path, "%s/ledger", top);
    break_every(2, 1, 100);
    opt.ledger_path = path;
    struct verdict v = play(&opt);
    ck_assert_msg(v.code == -ENOSPC, "%d %s", v.code, v.text);
    ck_assert_int_eq(python(path, "import json,sys\n"
                                  "l=[json.loads(x) for x in "
                                  "open(sys.argv[1],\"rb\")]\n"
                                  "assert len(l)>20"),
                     0);
    umount2(top, MNT_DETACH);
    rmdir(top);
}
END_TEST

START_TEST(test_a_pipe_is_no_ledger)
{
    stoker_options opt = options(STOKER_MASK);
    stoker_loader *loader = NULL;
    stoker_dataset *ds = photos_dataset(&photos);
    char folder[] = "/tmp/stoker_pipe_XXXXXX", path[64];

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/ledger", folder);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    opt.ledger_path = path;
    ck_assert_int_lt(stoker_loader_open(&loader, ds, &opt, &err), 0);
    ck_assert_msg(strstr(err.text, path), "%s", err.text);
    stoker_dataset_free(ds);
    unlink(path);
    rmdir(folder);
}
END_TEST

/* Lines go on in the file of that name, not in one that nobody finds. */
START_TEST(test_a_ledger_that_was_removed_is_begun_again)
{
    stoker_options opt = options(STOKER_MASK);
    stoker_dataset *ds;
    stoker_loader *loader = NULL;
    stoker_batch *batch;
    char folder[] = "/tmp/stoker_gone_XXXXXX", path[64];
    struct stat st;

    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/ledger", folder);
    break_every(2, 1, 100);
    ds = photos_dataset(&photos);
    opt.ledger_path = path;
    ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, &err), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(stoker_loader_next(loader, &batch, -1, &err), 0);
        stoker_batch_release(batch);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_gt(st.st_size, 0);
        unlink(path);
    }
    ck_assert_int_eq(rmdir(folder), 0);
    ck_assert_int_eq(stoker_loader_next(loader, &batch, -1, &err), -ENOENT);
    ck_assert_msg(strstr(err.text, path), "%s", err.text);
    stoker_loader_close(&loader);
    stoker_dataset_free(ds);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("budgets");
    TCase *tc = tcase_create("all");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_budget_ends_the_run_with_its_name, 0, 12);
    tcase_add_test(tc, test_refill_is_the_same_everywhere_and_ends);
    tcase_add_test(tc, test_ledger_is_json_lines_whatever_the_names);
    tcase_add_test(tc, test_longest_names_fit_a_line_of_the_ledger);
    tcase_add_test(tc, test_full_disk_under_the_ledger_is_a_sentence);
    tcase_add_test(tc, test_full_disk_leaves_whole_lines);
    tcase_add_test(tc, test_a_pipe_is_no_ledger);
    tcase_add_test(tc, test_a_ledger_that_was_removed_is_begun_again);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
