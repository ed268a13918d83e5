/* Folders as ImageFolder sees them, on real trees. */
#include <check.h>
#include <errno.h>

#include "plan/dataset.h"
#include "run_suite.h"
#include "tree.h"

static stoker_error err;

static stoker_dataset *scan(void)
{
    stoker_dataset *ds = NULL;
    int rc = stoker_dataset_from_folder(&ds, tree_root, NULL, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return ds;
}

static void refused(int code, const char *says)
{
    stoker_dataset *ds = NULL;
    ck_assert_int_eq(stoker_dataset_from_folder(&ds, tree_root, NULL, &err),
                     code);
    ck_assert_ptr_null(ds);
    ck_assert_msg(strstr(err.text, says) != NULL, "%s", err.text);
    ck_assert_int_eq(err.stage, STOKER_STAGE_PLAN);
}

/* The items must be exactly these, below the root, with these labels. */
static void expect(const stoker_dataset *ds, const char *const *names,
                   const int64_t *labels, int64_t n)
{
    char got[5000], want[9000];
    ck_assert_int_eq(stoker_dataset_count(ds), n);
    for (int64_t i = 0; i < n; i++) {
        snprintf(want, sizeof want, "%s", tree_path(names[i]));
        int64_t bytes = stoker_dataset_path(ds, i, got, sizeof got);
        ck_assert_str_eq(got, want);
        ck_assert_int_eq(bytes, (int64_t)strlen(want));
        ck_assert_int_eq(stoker_dataset_label(ds, i), labels[i]);
    }
}

START_TEST(test_classes_and_files_come_in_the_order_of_imagefolder)
{
    tree_folder("b");
    tree_folder("a");
    tree_folder("B");
    tree_file("b/2.jpg", 0);
    tree_file("b/10.jpg", 0);
    tree_file("b/readme.txt", 0);
    tree_file("a/z.PNG", 0);
    tree_file("a/y.JpEg", 0);
    tree_file("B/.webp", 0);
    tree_file("B/webp", 0);
    tree_file("outside.jpg", 0);
    static const char *const names[] = {"B/.webp", "a/y.JpEg", "a/z.PNG",
                                        "b/10.jpg", "b/2.jpg"};
    static const int64_t labels[] = {0, 1, 1, 2, 2};
    stoker_dataset *ds = scan();
    expect(ds, names, labels, 5);
    ck_assert_int_eq(stoker_dataset_n_classes(ds), 3);
    ck_assert_str_eq(stoker_dataset_class(ds, 0), "B");
    ck_assert_str_eq(stoker_dataset_class(ds, 2), "b");
    ck_assert_ptr_null(stoker_dataset_class(ds, 3));
    ck_assert_ptr_null(stoker_dataset_class(ds, -1));
    ck_assert_int_eq(stoker_dataset_label(ds, 5), -1);
    ck_assert_int_eq(stoker_dataset_path(ds, -1, NULL, 0), -EINVAL);
    stoker_dataset_free(ds);
}
END_TEST

/* os.walk() roots are sorted as whole paths: '-' and '.' come before '/'. */
START_TEST(test_nested_folders_are_sorted_by_their_whole_path)
{
    tree_folder("c");
    tree_folder("c/x");
    tree_folder("c/x/y");
    tree_folder("c/x-1");
    tree_folder("c/x.d");
    tree_folder("c/x0");
    tree_file("c/z.jpg", 0);
    tree_file("c/x/y/deep.jpg", 0);
    tree_file("c/x/1.jpg", 0);
    tree_file("c/x-1/2.jpg", 0);
    tree_file("c/x.d/3.jpg", 0);
    tree_file("c/x0/4.jpg", 0);
    static const char *const names[] = {"c/z.jpg",        "c/x/1.jpg",
                                        "c/x-1/2.jpg",    "c/x.d/3.jpg",
                                        "c/x/y/deep.jpg", "c/x0/4.jpg"};
    static const int64_t labels[6] = {0};
    stoker_dataset *ds = scan();
    expect(ds, names, labels, 6);
    stoker_dataset_free(ds);
}
END_TEST

START_TEST(test_every_extension_of_torchvision_counts_and_no_other)
{
    static const char *const good[] = {"c/a.bmp", "c/a.jpeg", "c/a.jpg",
                                       "c/a.pgm", "c/a.png",  "c/a.ppm",
                                       "c/a.tif", "c/a.tiff", "c/a.webp"};
    static const char *const bad[] = {"c/a.gif", "c/ajpg",   "c/a.jpg~",
                                      "c/a.jp",  "c/a.jpe",  "c/a.JPEG.tar",
                                      "c/jpg",   "c/a.webpp"};
    static const int64_t labels[9] = {0};
    tree_folder("c");
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        tree_file(good[i], 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        tree_file(bad[i], 0);
    stoker_dataset *ds = scan();
    expect(ds, good, labels, 9);
    stoker_dataset_free(ds);
}
END_TEST

START_TEST(test_links_are_followed_and_special_files_listed)
{
    tree_folder("store");
    tree_folder("store/sub");
    tree_file("store/sub/1.jpg", 0);
    tree_folder("root");
    tree_folder("root/plain");
    tree_link("../store", "root/linked");
    tree_link("../../store/sub", "root/plain/more");
    tree_link("../../store/sub/1.jpg", "root/plain/file.jpg");
    tree_link("nowhere", "root/plain/broken.jpg");
    tree_link("self.jpg", "root/plain/self.jpg");
    tree_link("nowhere", "root/not_a_class");
    tree_folder("root/plain/dir.jpg");
    tree_file("root/plain/dir.jpg/in.jpg", 0);
    ck_assert_int_eq(mkfifo(tree_path("root/plain/fifo.jpg"), 0644), 0);
    static const char *const names[] = {
        "linked/sub/1.jpg", "plain/broken.jpg", "plain/fifo.jpg",
        "plain/file.jpg",   "plain/self.jpg",   "plain/dir.jpg/in.jpg",
        "plain/more/1.jpg"};
    static const int64_t labels[] = {0, 1, 1, 1, 1, 1, 1};
    stoker_dataset *ds = NULL;
    size_t n = strlen(tree_root);
    strcat(tree_root, "/root");
    ds = scan();
    expect(ds, names, labels, 7);
    tree_root[n] = '\0';
    stoker_dataset_free(ds);
}
END_TEST

START_TEST(test_loops_of_links_are_refused_by_name)
{
    tree_folder("a");
    tree_folder("a/b");
    tree_file("a/1.jpg", 0);
    tree_link("..", "a/b/up");
    refused(-ELOOP, "a/b/up: a loop, it is");
    ck_assert_int_eq(unlink(tree_path("a/b/up")), 0);
    tree_link("../..", "a/b/top");
    refused(-ELOOP, "a/b/top: a loop, it is");
    ck_assert_int_eq(unlink(tree_path("a/b/top")), 0);
    tree_link("self", "self");
    refused(-ELOOP, "self");
    ck_assert_int_eq(unlink(tree_path("self")), 0);
    tree_link(".", "again");
    refused(-ELOOP, "again: a loop, it is");
    ck_assert_int_eq(unlink(tree_path("again")), 0);
    /* Two ways to one folder are no loop. */
    tree_link("b", "a/c");
    tree_file("a/b/2.jpg", 0);
    stoker_dataset *ds = scan();
    ck_assert_int_eq(stoker_dataset_count(ds), 3);
    stoker_dataset_free(ds);
}
END_TEST

START_TEST(test_roots_that_are_no_data_set_are_refused)
{
    stoker_dataset *ds = (void *)&err;
    refused(-ENODATA, "no class folder");
    tree_file("1.jpg", 0);
    refused(-ENODATA, "no class folder");
    ck_assert_int_eq(
        stoker_dataset_from_folder(&ds, tree_path("none"), NULL, &err),
        -ENOENT);
    ck_assert_ptr_nonnull(strstr(err.text, "none: no such folder"));
    ck_assert_ptr_null(ds);
    ck_assert_int_eq(
        stoker_dataset_from_folder(&ds, tree_path("1.jpg"), NULL, &err),
        -ENOTDIR);
    ck_assert_int_eq(stoker_dataset_from_folder(&ds, "", NULL, &err), -EINVAL);
    ck_assert_int_eq(stoker_dataset_from_folder(&ds, NULL, NULL, &err),
                     -EINVAL);
    ck_assert_int_eq(stoker_dataset_from_folder(NULL, "/", NULL, NULL),
                     -EINVAL);
}
END_TEST

START_TEST(test_classes_without_images_are_named_or_allowed)
{
    tree_folder("full");
    tree_folder("void");
    tree_folder("words");
    tree_file("full/1.jpg", 0);
    tree_file("words/1.txt", 0);
    refused(-ENODATA, "void, words");
    stoker_folder_options opt;
    stoker_dataset *ds;
    stoker_folder_options_init(&opt, sizeof opt);
    opt.allow_empty = 1;
    ck_assert_int_eq(stoker_dataset_from_folder(&ds, tree_root, &opt, &err), 0);
    ck_assert_int_eq(stoker_dataset_count(ds), 1);
    ck_assert_int_eq(stoker_dataset_n_classes(ds), 3);
    stoker_dataset_free(ds);
    opt.allow_empty = 2;
    ck_assert_int_eq(stoker_dataset_from_folder(&ds, tree_root, &opt, &err),
                     -EINVAL);
    opt.size = 0;
    ck_assert_int_eq(stoker_dataset_from_folder(&ds, tree_root, &opt, &err),
                     -EINVAL);
}
END_TEST

START_TEST(test_a_root_where_all_classes_are_empty_holds_nothing)
{
    stoker_folder_options opt;
    stoker_dataset *ds;
    tree_folder("void");
    stoker_folder_options_init(&opt, sizeof opt);
    opt.allow_empty = 1;
    ck_assert_int_eq(stoker_dataset_from_folder(&ds, tree_root, &opt, &err), 0);
    ck_assert_int_eq(stoker_dataset_count(ds), 0);
    ck_assert_int_eq(stoker_dataset_label(ds, 0), -1);
    stoker_dataset_free(ds);
}
END_TEST

START_TEST(test_unreadable_folders_are_errors_with_their_name)
{
    tree_folder("a");
    tree_folder("a/locked");
    tree_file("a/1.jpg", 0);
    ck_assert_int_eq(chmod(tree_path("a/locked"), 0), 0);
    /* Root reads everything: become nobody (each test is a process). */
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    refused(-EACCES, "a/locked");
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

START_TEST(test_odd_names_are_kept_byte_for_byte)
{
    char longest[300];
    memset(longest, 'n', sizeof longest);
    memcpy(longest, "c/", 2);
    strcpy(longest + 2 + 251, ".jpg"); /* 255 bytes behind "c/" */
    tree_folder("c");
    tree_file("c/\xff\n\x80.jpg", 0);
    tree_file("c/ \t'\"\\.jpg", 0);
    tree_file("c/\xc3\xa9.jpg", 0);
    tree_file("c/\xee\x80\x80.jpg", 0);     /* U+E000 */
    tree_file("c/\xf0\x9f\x90\x88.jpg", 0); /* U+1F408 */
    tree_file("c/\xff.jpg", 0);             /* U+DCFF by surrogateescape */
    tree_file(longest, 0);
    const char *const names[] = {
        "c/ \t'\"\\.jpg",        longest,      "c/\xc3\xa9.jpg",
        "c/\xff\n\x80.jpg",      "c/\xff.jpg", "c/\xee\x80\x80.jpg",
        "c/\xf0\x9f\x90\x88.jpg"};
    static const int64_t labels[7] = {0};
    stoker_dataset *ds = scan();
    expect(ds, names, labels, 7);
    stoker_dataset_free(ds);
}
END_TEST

START_TEST(test_paths_beyond_path_max_are_refused)
{
    char piece[201];
    memset(piece, 'd', 200);
    piece[200] = '\0';
    tree_folder("c");
    char *cwd = getcwd(NULL, 0);
    ck_assert_int_eq(chdir(tree_path("c")), 0);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(mkdir(piece, 0755), 0);
        ck_assert_int_eq(chdir(piece), 0);
    }
    FILE *f = fopen("this-name-is-still-rather-long-so-that-the-path-is-over-"
                    "4096-bytes-in-all.jpg",
                    "we");
    ck_assert_ptr_nonnull(f);
    fclose(f);
    ck_assert_int_eq(chdir(cwd), 0);
    free(cwd);
    refused(-ENAMETOOLONG, "dddd");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("folder");
    TCase *tc = tcase_create("folder");
    tcase_add_checked_fixture(tc, tree_begin, tree_end);
    tcase_add_test(tc, test_classes_and_files_come_in_the_order_of_imagefolder);
    tcase_add_test(tc, test_nested_folders_are_sorted_by_their_whole_path);
    tcase_add_test(tc, test_every_extension_of_torchvision_counts_and_no_other);
    tcase_add_test(tc, test_links_are_followed_and_special_files_listed);
    tcase_add_test(tc, test_loops_of_links_are_refused_by_name);
    tcase_add_test(tc, test_roots_that_are_no_data_set_are_refused);
    tcase_add_test(tc, test_classes_without_images_are_named_or_allowed);
    tcase_add_test(tc, test_a_root_where_all_classes_are_empty_holds_nothing);
    tcase_add_test(tc, test_unreadable_folders_are_errors_with_their_name);
    tcase_add_test(tc, test_odd_names_are_kept_byte_for_byte);
    tcase_add_test(tc, test_paths_beyond_path_max_are_refused);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
