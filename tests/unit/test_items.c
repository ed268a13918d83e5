/* Datasets of given items: every check, interning, fingerprints. */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "plan/dataset.h"
#include "run_suite.h"

static stoker_error err;

static stoker_item file_item(const char *path)
{
    return (stoker_item){.path = path, .length = -1};
}

static void fingerprint(const stoker_item *items, size_t n, uint8_t out[16])
{
    stoker_dataset *ds;
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, items, n, sizeof *items, &err), 0);
    stoker_dataset_fingerprint(ds, out);
    stoker_dataset_free(ds);
}

START_TEST(test_items_come_back_as_parts)
{
    static const uint8_t bytes[5] = "abcd";
    char shard[] = "/data/shard-0.tar", name[] = "a.jpg", path[PATH_MAX];
    stoker_item items[4] = {
        file_item("x.jpg"),
        {.name = name, .path = shard, .offset = 512, .length = 99, .label = -5},
        {.path = shard, .offset = 1024, .length = 0, .label = INT64_MIN},
        {.source = STOKER_SOURCE_MEMORY,
         .data = bytes,
         .length = 5,
         .label = 7},
    };
    stoker_dataset *ds;
    struct stk_part part;
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, items, 4, sizeof items[0], &err), 0);
    memset(shard, '?', sizeof shard - 1); /* copied, not borrowed */
    memset(name, '?', sizeof name - 1);
    ck_assert_int_eq(stoker_dataset_count(ds), 4);
    ck_assert_int_eq(stoker_dataset_n_classes(ds), 0);
    ck_assert_ptr_null(stoker_dataset_class(ds, 0));

    ck_assert_int_eq(stk_dataset_part(ds, 0, path, sizeof path, &part), 0);
    ck_assert_str_eq(part.path, "x.jpg");
    ck_assert_int_eq(part.length, -1);
    ck_assert_int_eq(stk_dataset_part(ds, 1, path, sizeof path, &part), 0);
    ck_assert_str_eq(part.path, "/data/shard-0.tar");
    ck_assert_int_eq(part.offset, 512);
    ck_assert_int_eq(part.length, 99);
    ck_assert_int_eq(stk_dataset_part(ds, 1, path, 17, &part), -ENAMETOOLONG);
    ck_assert_int_eq(stk_dataset_part(ds, 3, path, sizeof path, &part), 0);
    ck_assert_int_eq(part.source, STOKER_SOURCE_MEMORY);
    ck_assert_ptr_eq(part.data, bytes);
    ck_assert_ptr_null(part.path);

    static const char *const names[] = {"x.jpg", "a.jpg", "/data/shard-0.tar",
                                        "item 3"};
    static const int64_t labels[] = {0, -5, INT64_MIN, 7};
    for (int64_t i = 0; i < 4; i++) {
        stoker_dataset_path(ds, i, path, sizeof path);
        ck_assert_str_eq(path, names[i]);
        ck_assert_int_eq(stoker_dataset_label(ds, i), labels[i]);
    }
    stoker_dataset_free(ds);
}
END_TEST

START_TEST(test_each_wrong_item_is_refused_with_its_index)
{
    static const uint8_t bytes[1];
    char giant[PATH_MAX + 1];
    memset(giant, 'g', PATH_MAX);
    giant[PATH_MAX] = '\0';
    const struct {
        stoker_item item;
        const char *says;
    } bad[] = {
        {{.source = 2, .path = "x"}, "source"},
        {{.source = -1, .path = "x"}, "source"},
        {{.reserved0 = 1, .path = "x"}, "reserved0"},
        {{.path = NULL}, "path is NULL"},
        {{.path = ""}, "path is empty"},
        {{.path = giant}, "4095"},
        {{.path = "x", .offset = -1}, "offset is negative"},
        {{.path = "x", .length = -2}, "length"},
        {{.path = "x", .offset = INT64_MAX, .length = 1}, "2^63"},
        {{.source = 1, .length = 1}, "data is NULL"},
        {{.source = 1, .data = bytes, .length = -1}, "negative"},
        {{.source = 1, .data = bytes, .offset = 1, .length = 0}, "offset"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        stoker_item items[3] = {file_item("a"), file_item("b"), bad[i].item};
        stoker_dataset *ds = (void *)&err;
        ck_assert_int_eq(
            stoker_dataset_from_items(&ds, items, 3, sizeof items[0], &err),
            -EINVAL);
        ck_assert_ptr_null(ds);
        ck_assert_int_eq(err.id, 2);
        ck_assert_msg(strstr(err.text, "items[2]") != NULL &&
                          strstr(err.text, bad[i].says) != NULL,
                      "%s", err.text);
    }
}
END_TEST

START_TEST(test_wrong_lists_are_refused)
{
    stoker_item item = file_item("a");
    stoker_dataset *ds;
    ck_assert_int_eq(stoker_dataset_from_items(&ds, NULL, 1, 64, &err),
                     -EINVAL);
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, &item, 0, sizeof item, &err), -EINVAL);
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, &item, 1, sizeof item - 1, &err),
        -EINVAL);
    ck_assert_int_eq(stoker_dataset_from_items(&ds, &item, 1, 0, &err),
                     -EINVAL);
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, &item, SIZE_MAX, sizeof item, &err),
        -EINVAL);
    ck_assert_int_eq(
        stoker_dataset_from_items(NULL, &item, 1, sizeof item, &err), -EINVAL);
}
END_TEST

START_TEST(test_entries_of_a_newer_header_are_taken_if_their_tail_is_zero)
{
    struct newer {
        stoker_item item;
        int64_t tail;
    } items[2] = {{file_item("a"), 0}, {file_item("b"), 0}};
    stoker_dataset *ds;
    char name[8];
    ck_assert_int_eq(stoker_dataset_from_items(&ds, &items[0].item, 2,
                                               sizeof items[0], &err),
                     0);
    stoker_dataset_path(ds, 1, name, sizeof name);
    ck_assert_str_eq(name, "b");
    stoker_dataset_free(ds);
    items[1].tail = 1;
    ck_assert_int_eq(stoker_dataset_from_items(&ds, &items[0].item, 2,
                                               sizeof items[0], &err),
                     -EINVAL);
    ck_assert_int_eq(err.id, 1);
}
END_TEST

START_TEST(test_a_shards_path_is_kept_once)
{
    enum { N = 10000, N_SHARDS = 500 };
    static stoker_item items[N];
    static char paths[N_SHARDS][300];
    for (int i = 0; i < N_SHARDS; i++) {
        memset(paths[i], 'p', 299);
        snprintf(paths[i], 30, "shard-%d-", i);
        paths[i][strlen(paths[i])] = 'q';
    }
    for (int i = 0; i < N; i++)
        items[i] = (stoker_item){
            .path = paths[i % N_SHARDS], .offset = i, .length = 10};
    stoker_dataset *ds;
    char path[PATH_MAX];
    struct stk_part part;
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, items, N, sizeof items[0], &err), 0);
    ck_assert_uint_lt(stk_dataset_bytes(ds), N * 64 + N_SHARDS * 301);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(stk_dataset_part(ds, i, path, sizeof path, &part), 0);
        ck_assert_str_eq(path, items[i].path);
        ck_assert_int_eq(part.offset, i);
    }
    stoker_dataset_free(ds);
}
END_TEST

START_TEST(test_fingerprints_see_names_labels_ranges_and_order)
{
    stoker_item a[2] = {file_item("a"), file_item("b")};
    uint8_t first[16], other[16];
    fingerprint(a, 2, first);
    fingerprint(a, 2, other);
    ck_assert_mem_eq(first, other, 16);
    a[1].label = 1;
    fingerprint(a, 2, other);
    ck_assert_mem_ne(first, other, 16);
    a[1].label = 0;
    a[1].offset = 1;
    fingerprint(a, 2, other);
    ck_assert_mem_ne(first, other, 16);
    stoker_item swapped[2] = {file_item("b"), file_item("a")};
    fingerprint(swapped, 2, other);
    ck_assert_mem_ne(first, other, 16);
    /* "ab" + "" is not "a" + "b". */
    stoker_item joined[2] = {{.name = "ab", .path = "x"},
                             {.name = "", .path = "x"}};
    stoker_item split[2] = {{.name = "a", .path = "x"},
                            {.name = "b", .path = "x"}};
    fingerprint(joined, 2, first);
    fingerprint(split, 2, other);
    ck_assert_mem_ne(first, other, 16);
    /* A name stands for its item, wherever that lies. */
    stoker_item here[1] = {{.name = "n", .path = "/here", .length = 4}};
    stoker_item there[1] = {{.name = "n", .path = "/there", .offset = 9}};
    fingerprint(here, 1, first);
    fingerprint(there, 1, other);
    ck_assert_mem_eq(first, other, 16);
}
END_TEST

/* Worked out by tests/python/reference_siphash.py from docs/formats.md. */
START_TEST(test_a_fingerprint_is_that_of_the_format)
{
    static const uint8_t known[16] = {0xf3, 0xf0, 0x76, 0x95, 0x88, 0x6b,
                                      0xaa, 0x2b, 0x35, 0xbe, 0xba, 0xa3,
                                      0x6b, 0x93, 0x81, 0x25};
    stoker_item items[3] = {
        {.name = "n", .path = "/any", .offset = 3, .length = 4, .label = 7},
        {.path = "x.jpg", .offset = 512, .length = 99, .label = -5},
        {.source = STOKER_SOURCE_MEMORY,
         .data = known,
         .length = 5,
         .label = 1},
    };
    uint8_t got[16];
    fingerprint(items, 3, got);
    ck_assert_mem_eq(got, known, 16);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("items");
    TCase *tc = tcase_create("items");
    tcase_add_test(tc, test_items_come_back_as_parts);
    tcase_add_test(tc, test_each_wrong_item_is_refused_with_its_index);
    tcase_add_test(tc, test_wrong_lists_are_refused);
    tcase_add_test(
        tc, test_entries_of_a_newer_header_are_taken_if_their_tail_is_zero);
    tcase_add_test(tc, test_a_shards_path_is_kept_once);
    tcase_add_test(tc, test_fingerprints_see_names_labels_ranges_and_order);
    tcase_add_test(tc, test_a_fingerprint_is_that_of_the_format);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
