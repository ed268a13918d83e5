/* Names in Python's order: code points, with surrogateescape. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "plan/names.h"
#include "run_suite.h"

static int compare(const char *a, const char *b)
{
    return stk_name_compare(a, strlen(a), b, strlen(b));
}

/* sorted() of these in Python 3, by os.fsdecode(): see the code points. */
static const char *const in_order[] = {
    "",
    "A",
    "Z",
    "a",
    "a\n",
    "a-",
    "a/",
    "ab",
    "\x7f",
    "\xc2\x80",         /* U+0080 */
    "\xc3\xa9",         /* U+00E9 */
    "\xed\x9f\xbf",     /* U+D7FF */
    "\x80",             /* U+DC80 */
    "\xc0\x80",         /* overlong: U+DCC0 U+DC80 */
    "\xc3",             /* cut short: U+DCC3 */
    "\xc3z",            /* U+DCC3 U+007A */
    "\xe0\x80\x80",     /* overlong: U+DCE0 ... */
    "\xed\xa0\x80",     /* a surrogate: U+DCED ... */
    "\xf0\x9f\x90",     /* cut short: U+DCF0 U+DC9F U+DC90 */
    "\xf4\x90\x80\x80", /* over U+10FFFF: U+DCF4 ... */
    "\xff",             /* U+DCFF */
    "\xee\x80\x80",     /* U+E000 */
    "\xef\xbf\xbf",     /* U+FFFF */
    "\xf0\x90\x80\x80", /* U+10000 */
    "\xf4\x8f\xbf\xbf", /* U+10FFFF */
};
enum { N_IN_ORDER = sizeof in_order / sizeof in_order[0] };

START_TEST(test_names_compare_like_pythons_strings)
{
    for (int i = 0; i < N_IN_ORDER; i++)
        for (int k = 0; k < N_IN_ORDER; k++) {
            int got = compare(in_order[i], in_order[k]);
            ck_assert_msg((got > 0) - (got < 0) == (i > k) - (i < k),
                          "%d and %d: %d", i, k, got);
        }
}
END_TEST

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

START_TEST(test_many_ascii_names_are_sorted_by_bytes)
{
    enum { N = 3000 };
    static char text[N * 16];
    static const char *want[N];
    static struct stk_name names[N], spare[N];
    size_t at = 0;
    for (uint32_t i = 0; i < N; i++) {
        struct stk_draw d = stk_rng_draw(1, 0, i, 1, 0);
        size_t n = d.word[0] % 15;
        names[i] =
            (struct stk_name){.at = at, .n = (uint32_t)n, .tag = (int32_t)i};
        want[i] = text + at;
        for (size_t k = 0; k < n; k++)
            text[at++] = (char)('a' + (d.word[1 + k % 3] >> k & 1));
        text[at++] = '\0';
    }
    stk_names_sort(names, spare, N, text);
    qsort(want, N, sizeof want[0], by_bytes);
    for (int i = 0; i < N; i++) {
        ck_assert_str_eq(text + names[i].at, want[i]);
        ck_assert(i == 0 || strcmp(want[i - 1], want[i]) != 0 ||
                  names[i - 1].tag < names[i].tag); /* stable */
    }
}
END_TEST

START_TEST(test_other_names_are_sorted_by_code_points)
{
    char text[256] = "";
    struct stk_name names[N_IN_ORDER], spare[N_IN_ORDER];
    size_t at = 0;
    for (int i = 0; i < N_IN_ORDER; i++) {
        int from = (i * 7 + 3) % N_IN_ORDER; /* 7 and 25 share no factor */
        size_t n = strlen(in_order[from]);
        memcpy(text + at, in_order[from], n);
        names[i] = (struct stk_name){.at = at, .n = (uint32_t)n, .tag = from};
        at += n;
    }
    stk_names_sort(names, spare, N_IN_ORDER, text);
    for (int i = 0; i < N_IN_ORDER; i++)
        ck_assert_int_eq(names[i].tag, i);
    stk_names_sort(names, spare, 0, text);
    stk_names_sort(NULL, NULL, 0, NULL);
}
END_TEST

START_TEST(test_endings_count_in_any_case_only_behind_a_dot)
{
    static const char *const good[] = {"a.jpg",  ".jpg",   "a.JPEG",
                                       "A.TifF", "x.webp", "..png"};
    static const char *const bad[] = {"jpg",      "ajpg",  "a.jp\x07", "a.jpgg",
                                      "a.jpe",    "",      ".",        "jpeg",
                                      "a\x0ejpg", "a.\nif"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert(stk_name_is_image(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert(!stk_name_is_image(bad[i], strlen(bad[i])));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("names");
    TCase *tc = tcase_create("names");
    tcase_add_test(tc, test_names_compare_like_pythons_strings);
    tcase_add_test(tc, test_many_ascii_names_are_sorted_by_bytes);
    tcase_add_test(tc, test_other_names_are_sorted_by_code_points);
    tcase_add_test(tc, test_endings_count_in_any_case_only_behind_a_dot);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
