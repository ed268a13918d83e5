/* The permutation: a bijection at any n, uniform where it can be seen, and
 * the same for ever (tests/data/order_golden.txt). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan/order.h"
#include "run_suite.h"

START_TEST(test_order_is_a_bijection_for_every_small_n)
{
    static uint8_t seen[2000];
    for (int64_t n = 1; n < 2000; n++) {
        struct stk_order order;
        stk_order_init(&order, 7 * (uint64_t)n, n % 5, n, true);
        memset(seen, 0, (size_t)n);
        for (int64_t p = 0; p < n; p++) {
            int64_t id = stk_order_id(&order, p);
            ck_assert(id >= 0 && id < n);
            ck_assert_int_eq(seen[id], 0);
            seen[id] = 1;
        }
    }
}
END_TEST

/* A map of a finite set into itself that never takes two to one; at sizes
 * that cannot be listed, neighbours and ends are compared pair by pair. */
START_TEST(test_order_of_huge_n_stays_inside_and_never_collides)
{
    static const int64_t sizes[] = {1281167, (int64_t)1 << 32, 1000000000000,
                                    ((int64_t)1 << 47) + 1, STK_MAX_ITEMS};
    enum { N_PROBES = 512 };
    int64_t ids[N_PROBES];
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct stk_order order;
        stk_order_init(&order, 3, 9, sizes[s], true);
        for (int64_t i = 0; i < N_PROBES; i++) {
            int64_t p =
                i < N_PROBES / 2 ? i : sizes[s] - 1 - (N_PROBES - 1 - i);
            ids[i] = stk_order_id(&order, p);
            ck_assert(ids[i] >= 0 && ids[i] < sizes[s]);
            for (int64_t k = 0; k < i; k++)
                ck_assert_int_ne(ids[k], ids[i]);
        }
    }
}
END_TEST

START_TEST(test_one_item_is_its_own_order)
{
    struct stk_order order;
    stk_order_init(&order, 1, 2, 1, true);
    ck_assert_int_eq(stk_order_id(&order, 0), 0);
    ck_assert_int_eq(stk_order_substitute(1, 2, 1, 0, 1), 0);
}
END_TEST

START_TEST(test_without_shuffle_the_order_is_the_identity)
{
    struct stk_order order;
    stk_order_init(&order, 1, 2, 1000, false);
    for (int64_t p = 0; p < 1000; p++)
        ck_assert_int_eq(stk_order_id(&order, p), p);
}
END_TEST

/* Chi-square minus its mean, in its standard deviations. */
static double surprise(double chi_square, double degrees)
{
    return (chi_square - degrees) / sqrt(2 * degrees);
}

START_TEST(test_every_item_comes_to_every_position_equally_often)
{
    static const int64_t sizes[] = {2, 3, 7, 16, 17, 50, 64, 100};
    enum { N_EPOCHS = 10000 };
    static int64_t counts[100][100];
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        int64_t n = sizes[s];
        memset(counts, 0, sizeof counts);
        for (int64_t e = 0; e < N_EPOCHS; e++) {
            struct stk_order order;
            stk_order_init(&order, 42, e, n, true);
            for (int64_t p = 0; p < n; p++)
                counts[p][stk_order_id(&order, p)]++;
        }
        double want = (double)N_EPOCHS / (double)n, chi = 0;
        for (int64_t p = 0; p < n; p++)
            for (int64_t i = 0; i < n; i++) {
                double off = (double)counts[p][i] - want;
                chi += off * off / want;
            }
        double z = surprise(chi, (double)((n - 1) * (n - 1)));
        ck_assert_msg(fabs(z) < 4.5, "n %lld: %.2f", (long long)n, z);
    }
}
END_TEST

/* Number of a permutation of n among all n! (Lehmer's code). */
static int permutation_number(const int64_t *ids, int n)
{
    int number = 0;
    for (int i = 0; i < n; i++) {
        int smaller = 0;
        for (int k = i + 1; k < n; k++)
            smaller += ids[k] < ids[i];
        number = number * (n - i) + smaller;
    }
    return number;
}

START_TEST(test_all_orders_of_a_few_items_are_equally_frequent)
{
    static const int factorial[] = {1, 1, 2, 6, 24, 120, 720};
    enum { N_EPOCHS = 100000 };
    for (int n = 2; n <= 6; n++) {
        int counts[720] = {0};
        for (int64_t e = 0; e < N_EPOCHS; e++) {
            struct stk_order order;
            int64_t ids[6];
            stk_order_init(&order, 5, e, n, true);
            for (int p = 0; p < n; p++)
                ids[p] = stk_order_id(&order, p);
            counts[permutation_number(ids, n)]++;
        }
        double want = (double)N_EPOCHS / factorial[n], chi = 0;
        for (int i = 0; i < factorial[n]; i++)
            chi += (counts[i] - want) * (counts[i] - want) / want;
        double z = surprise(chi, factorial[n] - 1);
        ck_assert_msg(fabs(z) < 4.5, "n %d: %.2f", n, z);
    }
}
END_TEST

/* In a uniform order, the step from one id to the next is +1 once an epoch on
 * average, as is every other distance; fixed points likewise. */
START_TEST(test_neighbours_are_no_more_alike_than_by_chance)
{
    enum { N = 100003, N_EPOCHS = 40, N_DISTANCES = 8 };
    double plus[N_DISTANCES + 1] = {0}, fixed = 0, ascents = 0;
    for (int64_t e = 0; e < N_EPOCHS; e++) {
        struct stk_order order;
        stk_order_init(&order, 11, e, N, true);
        int64_t last = stk_order_id(&order, 0);
        fixed += last == 0;
        for (int64_t p = 1; p < N; p++) {
            int64_t id = stk_order_id(&order, p);
            fixed += id == p;
            ascents += id > last;
            if (id > last && id - last <= N_DISTANCES)
                plus[id - last]++;
            last = id;
        }
    }
    /* Poisson with mean N_EPOCHS: 5 deviations are 32. */
    double far = 5 * sqrt((double)N_EPOCHS);
    ck_assert(fabs(fixed - N_EPOCHS) < far);
    for (int d = 1; d <= N_DISTANCES; d++)
        ck_assert_msg(fabs(plus[d] - N_EPOCHS) < far, "+%d: %g", d, plus[d]);
    /* Ascents of a permutation: mean (n-1)/2, variance (n+1)/12. */
    double mean = N_EPOCHS * (N - 1) / 2.0;
    double deviation = sqrt(N_EPOCHS * (N + 1) / 12.0);
    ck_assert(fabs(ascents - mean) < 5 * deviation);
}
END_TEST

START_TEST(test_seeds_epochs_and_sizes_give_unrelated_orders)
{
    struct stk_order a, others[3];
    enum { N = 4096 };
    stk_order_init(&a, 1, 0, N, true);
    stk_order_init(&others[0], 2, 0, N, true);
    stk_order_init(&others[1], 1, 1, N, true);
    stk_order_init(&others[2], 1, 0, N - 1, true);
    for (int k = 0; k < 3; k++) {
        int same = 0;
        for (int64_t p = 0; p < N - 1; p++)
            same += stk_order_id(&a, p) == stk_order_id(&others[k], p);
        ck_assert_msg(same < 10, "%d: %d positions agree", k, same);
    }
}
END_TEST

START_TEST(test_substitutes_are_uniform_and_differ_by_attempt)
{
    enum { N = 20, N_DRAWS = 100000 };
    double counts[N] = {0}, chi = 0, same = 0;
    for (int64_t p = 0; p < N_DRAWS; p++) {
        int64_t a = stk_order_substitute(3, 1, N, p, 1);
        int64_t b = stk_order_substitute(3, 1, N, p, 2);
        ck_assert(a >= 0 && a < N && b >= 0 && b < N);
        counts[a]++;
        same += a == b;
    }
    for (int i = 0; i < N; i++)
        chi += (counts[i] - N_DRAWS / N) * (counts[i] - N_DRAWS / N) /
               (N_DRAWS / N);
    ck_assert(fabs(surprise(chi, N - 1)) < 4.5);
    ck_assert(fabs(same - N_DRAWS / N) < 5 * sqrt(N_DRAWS / N));
}
END_TEST

/* Lines "seed epoch n shuffle: id id ...": a planner version's promise. */
START_TEST(test_orders_are_those_of_the_golden_file)
{
    FILE *f = fopen(STK_TEST_DATA "/order_golden.txt", "re");
    char line[8192];
    int n_lines = 0;
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        unsigned long long seed;
        long long epoch, n;
        int shuffle, used;
        if (line[0] == '#')
            continue;
        ck_assert_int_eq(sscanf(line, "%llu %lld %lld %d:%n", &seed, &epoch, &n,
                                &shuffle, &used),
                         4);
        struct stk_order order;
        stk_order_init(&order, seed, epoch, n, shuffle != 0);
        char *at = line + used, *end;
        for (int64_t p = 0;; p++, at = end) {
            long long want = strtoll(at, &end, 10);
            if (end == at)
                break;
            ck_assert_int_eq(stk_order_id(&order, p), want);
        }
        n_lines++;
    }
    fclose(f);
    ck_assert_int_eq(n_lines, 20);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("order");
    TCase *tc = tcase_create("order");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, test_order_is_a_bijection_for_every_small_n);
    tcase_add_test(tc, test_order_of_huge_n_stays_inside_and_never_collides);
    tcase_add_test(tc, test_one_item_is_its_own_order);
    tcase_add_test(tc, test_without_shuffle_the_order_is_the_identity);
    tcase_add_test(tc, test_every_item_comes_to_every_position_equally_often);
    tcase_add_test(tc, test_all_orders_of_a_few_items_are_equally_frequent);
    tcase_add_test(tc, test_neighbours_are_no_more_alike_than_by_chance);
    tcase_add_test(tc, test_seeds_epochs_and_sizes_give_unrelated_orders);
    tcase_add_test(tc, test_substitutes_are_uniform_and_differ_by_attempt);
    tcase_add_test(tc, test_orders_are_those_of_the_golden_file);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
