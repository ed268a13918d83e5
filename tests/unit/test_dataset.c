/* What a dataset tells: paths, parts, fingerprints, memory, owners. */
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

START_TEST(test_texts_are_cut_with_a_final_zero)
{
    char text[8];
    tree_folder("c");
    tree_file("c/1.jpg", 0);
    stoker_dataset *ds = scan();
    int64_t whole = (int64_t)strlen(tree_root) + 8;
    for (size_t n = 0; n <= sizeof text; n++) {
        memset(text, 'x', sizeof text);
        ck_assert_int_eq(stoker_dataset_path(ds, 0, text, n), whole);
        ck_assert(n == 0 ||
                  (text[n - 1] == '\0' && memcmp(text, tree_root, n - 1) == 0));
        ck_assert(n == sizeof text || text[n] == 'x');
    }
    stoker_dataset_free(ds);
}
END_TEST

START_TEST(test_parts_are_whole_files_with_paths_that_open)
{
    char path[4096];
    struct stk_part part;
    tree_folder("c");
    tree_file("c/1.jpg", 3);
    strcat(tree_root, "/");
    stoker_dataset *ds = scan();
    ck_assert_int_eq(stk_dataset_part(ds, 0, path, sizeof path, &part), 0);
    ck_assert_int_eq(part.source, STOKER_SOURCE_FILE);
    ck_assert_int_eq(part.offset, 0);
    ck_assert_int_eq(part.length, -1);
    ck_assert_ptr_eq(part.path, path);
    ck_assert_ptr_null(strstr(path, "//c"));
    ck_assert_int_eq(access(part.path, R_OK), 0);
    ck_assert_int_eq(stk_dataset_part(ds, 0, path, strlen(path), &part),
                     -ENAMETOOLONG);
    ck_assert_int_eq(stk_dataset_part(ds, 1, path, sizeof path, &part),
                     -EINVAL);
    stoker_dataset_free(ds);
}
END_TEST

static void fingerprint(uint8_t out[16], int hash_sizes)
{
    stoker_folder_options opt;
    stoker_dataset *ds;
    stoker_folder_options_init(&opt, sizeof opt);
    opt.hash_sizes = hash_sizes;
    opt.allow_empty = 1;
    ck_assert_int_eq(stoker_dataset_from_folder(&ds, tree_root, &opt, &err), 0);
    stoker_dataset_fingerprint(ds, out);
    stoker_dataset_free(ds);
}

START_TEST(test_fingerprints_see_names_and_labels_not_the_root)
{
    uint8_t first[16], again[16], sized[16];
    /* folder_fingerprint() of tests/python/reference_siphash.py. */
    static const uint8_t known[16] = {0x3b, 0x81, 0xd9, 0x55, 0xe4, 0xbd,
                                      0x68, 0xc9, 0x21, 0x9d, 0x96, 0x36,
                                      0x4f, 0x4d, 0x15, 0x15};
    tree_folder("a");
    tree_folder("b");
    tree_file("a/1.jpg", 1);
    tree_file("b/2.jpg", 2);
    fingerprint(first, 0);
    ck_assert_mem_eq(first, known, 16);
    fingerprint(sized, 1);
    ck_assert_mem_ne(first, sized, 16);
    tree_file("a/1.jpg", 7); /* another size */
    fingerprint(again, 0);
    ck_assert_mem_eq(first, again, 16);
    fingerprint(again, 1);
    ck_assert_mem_ne(sized, again, 16);
    tree_file("a/notes.txt", 1);
    fingerprint(again, 0);
    ck_assert_mem_eq(first, again, 16);
    tree_file("b/3.jpg", 1);
    fingerprint(again, 0);
    ck_assert_mem_ne(first, again, 16);
    ck_assert_int_eq(unlink(tree_path("b/3.jpg")), 0);
    tree_folder("0"); /* an empty class moves the labels of the others */
    fingerprint(again, 0);
    ck_assert_mem_ne(first, again, 16);
    ck_assert_int_eq(rmdir(tree_path("0")), 0);
    char moved[600];
    snprintf(moved, sizeof moved, "%s-moved", tree_root);
    ck_assert_int_eq(rename(tree_root, moved), 0);
    strcpy(tree_root, moved);
    fingerprint(again, 0);
    ck_assert_mem_eq(first, again, 16);
}
END_TEST

START_TEST(test_a_million_names_would_cost_under_64_bytes_each)
{
    tree_folder("c");
    for (int i = 0; i < 2000; i++) {
        char name[40];
        snprintf(name, sizeof name, "c/n01440764_%d.JPEG", i);
        tree_file(name, 0);
    }
    stoker_dataset *ds = scan();
    size_t names = 2000 * strlen("n01440764_1234.JPEG");
    ck_assert_uint_le(stk_dataset_bytes(ds), names + 2000 * 10 + 1024);
    stoker_dataset_free(ds);
}
END_TEST

START_TEST(test_the_last_owner_takes_a_dataset_down)
{
    tree_folder("c");
    tree_file("c/1.jpg", 0);
    stoker_dataset *ds = scan();
    stk_dataset_retain(ds);
    stoker_dataset_free(ds);
    ck_assert_int_eq(stoker_dataset_count(ds), 1);
    stoker_dataset_free(ds);
    stoker_dataset_free(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dataset");
    TCase *tc = tcase_create("dataset");
    tcase_add_checked_fixture(tc, tree_begin, tree_end);
    tcase_add_test(tc, test_texts_are_cut_with_a_final_zero);
    tcase_add_test(tc, test_parts_are_whole_files_with_paths_that_open);
    tcase_add_test(tc, test_fingerprints_see_names_and_labels_not_the_root);
    tcase_add_test(tc, test_a_million_names_would_cost_under_64_bytes_each);
    tcase_add_test(tc, test_the_last_owner_takes_a_dataset_down);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
