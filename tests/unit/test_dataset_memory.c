/* Making datasets while the n-th allocation fails, once or from then on.  The
 * linker puts these two before the library's own (--wrap). */
#include <check.h>
#include <errno.h>

#include "base/mem.h"
#include "plan/dataset.h"
#include "run_suite.h"
#include "tree.h"

static long n_calls, fail_at; /* fail_at 0: never */
static bool fails_on;         /* from then on, not once */

void *__real_stk_calloc(size_t n, size_t bytes);
void *__real_stk_realloc(void *memory, size_t bytes);
void *__wrap_stk_calloc(size_t n, size_t bytes);
void *__wrap_stk_realloc(void *memory, size_t bytes);

static bool fails(void)
{
    n_calls++;
    return fail_at && (n_calls == fail_at || (fails_on && n_calls > fail_at));
}

void *__wrap_stk_calloc(size_t n, size_t bytes)
{
    return fails() ? NULL : __real_stk_calloc(n, bytes);
}

void *__wrap_stk_realloc(void *memory, size_t bytes)
{
    return fails() ? NULL : __real_stk_realloc(memory, bytes);
}

static int make_from_folder(stoker_dataset **out, stoker_error *err)
{
    stoker_folder_options opt;
    stoker_folder_options_init(&opt, sizeof opt);
    opt.allow_empty = 1;
    return stoker_dataset_from_folder(out, tree_root, &opt, err);
}

static int make_from_items(stoker_dataset **out, stoker_error *err)
{
    enum { N = 200 };
    static char paths[N][40];
    static stoker_item items[N];
    for (int i = 0; i < N; i++) {
        snprintf(paths[i], sizeof paths[i], "shard-%d.tar", i);
        items[i] = (stoker_item){
            .name = i % 2 ? "n" : NULL, .path = paths[i], .length = -1};
    }
    return stoker_dataset_from_items(out, items, N, sizeof items[0], err);
}

/* Lets call 1, 2, ... fail until the dataset is made all the same. */
static void fail_each(int (*make)(stoker_dataset **, stoker_error *), bool on,
                      long least)
{
    uint8_t want[16], got[16];
    stoker_dataset *ds;
    stoker_error err;
    long n_refused = 0;

    fail_at = 0;
    ck_assert_int_eq(make(&ds, &err), 0);
    stoker_dataset_fingerprint(ds, want);
    stoker_dataset_free(ds);
    fails_on = on;
    for (fail_at = 1;; fail_at++) {
        n_calls = 0;
        int rc = make(&ds, &err);
        if (rc == 0) {
            /* A block that could not be cut to size is kept as it is. */
            stoker_dataset_fingerprint(ds, got);
            ck_assert_mem_eq(got, want, 16);
            stoker_dataset_free(ds);
            if (n_calls < fail_at)
                break;
            continue;
        }
        ck_assert_int_eq(rc, -ENOMEM);
        ck_assert_ptr_null(ds);
        ck_assert_ptr_nonnull(strstr(err.text, "no memory"));
        n_refused++;
    }
    fail_at = 0;
    ck_assert_int_ge(n_refused, least);
}

START_TEST(test_a_scan_without_memory_says_so_and_leaks_nothing)
{
    tree_folder("empty");
    tree_folder("a");
    tree_folder("a/b");
    for (int i = 0; i < 300; i++) {
        char name[100];
        snprintf(name, sizeof name, "a/b/a-name-of-some-length-%d.jpg", i);
        tree_file(name, 0);
    }
    fail_each(make_from_folder, false, 12);
    fail_each(make_from_folder, true, 12);
}
END_TEST

START_TEST(test_items_without_memory_are_refused_and_leak_nothing)
{
    fail_each(make_from_items, false, 4);
    fail_each(make_from_items, true, 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dataset_memory");
    TCase *tc = tcase_create("dataset_memory");
    tcase_add_checked_fixture(tc, tree_begin, tree_end);
    tcase_add_test(tc, test_a_scan_without_memory_says_so_and_leaks_nothing);
    tcase_add_test(tc, test_items_without_memory_are_refused_and_leak_nothing);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
