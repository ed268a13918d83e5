/* Philox4x32-10 against the known answers of Random123's kat_vectors. */
#include <check.h>

#include "base/rng.h"
#include "run_suite.h"

START_TEST(test_philox_gives_the_published_answers)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } cases[] = {
        {{0, 0, 0, 0},
         {0, 0},
         {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stk_draw got = stk_philox4x32(cases[i].counter, cases[i].key);
        for (int k = 0; k < 4; k++)
            ck_assert_uint_eq(got.word[k], cases[i].want[k]);
    }
}
END_TEST

START_TEST(test_draws_of_other_purposes_differ)
{
    struct stk_draw a = stk_rng_draw(1, 2, 3, STK_STREAM_ORDER, 0);
    struct stk_draw b = stk_rng_draw(1, 2, 3, STK_STREAM_REFILL, 0);
    struct stk_draw c = stk_rng_draw(1, 2, 3, STK_STREAM_ORDER, 1);
    ck_assert_uint_ne(a.word[0], b.word[0]);
    ck_assert_uint_ne(a.word[0], c.word[0]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rng");
    TCase *tc = tcase_create("philox");
    tcase_add_test(tc, test_philox_gives_the_published_answers);
    tcase_add_test(tc, test_draws_of_other_purposes_differ);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
