/* The exported planning functions: what they refuse, in which words, and how
 * digests add up. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "plan/plan.h"
#include "run_suite.h"

static stoker_options options(int64_t batch, int rank, int world)
{
    return (stoker_options){.size = sizeof(stoker_options),
                            .seed = 42,
                            .shuffle = 1,
                            .batch_size = batch,
                            .rank = rank,
                            .world_size = world};
}

START_TEST(test_each_bad_option_is_refused_by_name)
{
    static const struct {
        size_t at, bytes;
        int64_t value;
        const char *says;
    } bad[] = {
#define FIELD(f) offsetof(stoker_options, f), sizeof(((stoker_options *)0)->f)
        {FIELD(size), 0, "options.size"},
        {FIELD(shuffle), 2, "shuffle"},
        {FIELD(shuffle), -1, "shuffle"},
        {FIELD(drop_last), 7, "drop_last"},
        {FIELD(rank), -1, "rank is -1"},
        {FIELD(rank), 2, "rank is 2: outside the world of 2"},
        {FIELD(world_size), 0, "world_size"},
        {FIELD(batch_size), 0, "batch_size"},
        {FIELD(batch_size), -5, "batch_size is -5"},
        {FIELD(batch_size), INT64_MAX, "batch_size"},
        {FIELD(global_batch_size), -1, "global_batch_size"},
        {FIELD(global_batch_size), INT64_MAX, "global_batch_size"},
        {FIELD(n_epochs), -1, "n_epochs"},
        {FIELD(n_epochs), INT64_MAX, "n_epochs"},
#undef FIELD
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        stoker_options opt = options(8, 1, 2);
        stoker_error err;
        /* Little-endian or not: the fields have 4 or 8 bytes. */
        int32_t small = (int32_t)bad[i].value;
        memcpy((char *)&opt + bad[i].at,
               bad[i].bytes == 4 ? (void *)&small : (void *)&bad[i].value,
               bad[i].bytes);
        ck_assert_int_eq(stoker_plan_steps(&opt, 100, 0, &err), -EINVAL);
        ck_assert_msg(strstr(err.text, bad[i].says) != NULL, "%s", err.text);
        ck_assert_int_eq(err.stage, STOKER_STAGE_PLAN);
    }
}
END_TEST

START_TEST(test_places_that_are_none_are_refused)
{
    stoker_options opt = options(8, 0, 1);
    stoker_error err;
    struct stk_plan plan;
    ck_assert_int_eq(stoker_plan_steps(&opt, 0, 0, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "no items"));
    ck_assert_int_eq(stoker_plan_steps(&opt, STK_MAX_ITEMS + 1, 0, &err),
                     -EINVAL);
    ck_assert_int_eq(stoker_plan_steps(&opt, 10, 11, &err), -EINVAL);
    ck_assert_int_eq(stoker_plan_steps(&opt, 10, -1, &err), -EINVAL);
    ck_assert_int_eq(stoker_plan_steps(NULL, 10, 0, &err), -EINVAL);
    ck_assert_int_eq(stk_plan_init(&plan, &opt, 10, -1, 0, &err), -EINVAL);
    ck_assert_int_eq(stk_plan_init(&plan, &opt, 10, STK_MAX_EPOCHS, 0, &err),
                     -EINVAL);
    opt.drop_last = 1;
    ck_assert_int_eq(stoker_plan_steps(&opt, 7, 0, &err), -EINVAL);
    ck_assert_ptr_nonnull(strstr(err.text, "7 items"));
    ck_assert_ptr_nonnull(strstr(err.text, "takes 8"));
}
END_TEST

START_TEST(test_ids_need_room_and_end_behind_the_last_step)
{
    stoker_options opt = options(8, 0, 1);
    stoker_error err;
    int64_t ids[8];
    size_t n;
    ck_assert_int_eq(stoker_plan_ids(&opt, 20, 0, 0, 2, ids, 8, &n, &err), 0);
    ck_assert_uint_eq(n, 4);
    ck_assert_int_eq(stoker_plan_ids(&opt, 20, 0, 0, 3, ids, 8, &n, &err),
                     STOKER_END);
    ck_assert_int_eq(stoker_plan_ids(&opt, 20, 0, 0, 0, ids, 7, &n, &err),
                     -ENOSPC);
    ck_assert_uint_eq(n, 8);
    ck_assert_int_eq(stoker_plan_ids(&opt, 20, 0, 0, -1, ids, 8, &n, &err),
                     -EINVAL);
    ck_assert_int_eq(stoker_plan_ids(&opt, 20, 0, 0, 0, NULL, 8, &n, &err),
                     -EINVAL);
    ck_assert_int_eq(stoker_plan_id(&opt, 20, 0, 20, 0), -1);
    ck_assert_int_eq(stoker_plan_id(&opt, 20, 0, 0, -1), -1);
    ck_assert_int_eq(stoker_plan_id(&opt, 20, 0, 0, 256), -1);
    ck_assert_int_ge(stoker_plan_id(&opt, 20, 0, 0, 255), 0);
}
END_TEST

START_TEST(test_digests_add_up_over_any_split)
{
    stoker_options opt = options(8, 0, 1);
    stoker_digest whole, part, sum = {0}, other;
    ck_assert_int_eq(stoker_plan_digest(&opt, 1000, 4, 0, 1000, &whole, NULL),
                     0);
    for (int64_t from = 0; from < 1000; from += 37) {
        int64_t to = from + 37 < 1000 ? from + 37 : 1000;
        ck_assert_int_eq(
            stoker_plan_digest(&opt, 1000, 4, from, to, &part, NULL), 0);
        stoker_digest_add(&sum, &part);
    }
    ck_assert_mem_eq(&sum, &whole, sizeof sum);
    ck_assert_int_eq(whole.n_good, 1000);
    /* The same ids in another order: the same sum.  One other id: not. */
    ck_assert_int_eq(stoker_plan_digest(&opt, 1000, 5, 0, 1000, &other, NULL),
                     0);
    ck_assert_mem_eq(&other, &whole, sizeof sum);
    ck_assert_int_eq(stoker_plan_digest(&opt, 1000, 4, 0, 999, &other, NULL),
                     0);
    ck_assert_mem_ne(other.good, whole.good, sizeof whole.good);
    ck_assert_int_eq(stoker_plan_digest(&opt, 1000, 4, 5, 1001, &other, NULL),
                     -EINVAL);
    /* The carry between the words. */
    stoker_digest a = {.good = {UINT64_MAX, 1}}, b = {.good = {2, 3}};
    stoker_digest_add(&a, &b);
    ck_assert_uint_eq(a.good[0], 1);
    ck_assert_uint_eq(a.good[1], 5);
    a = (stoker_digest){.pixels = {UINT64_MAX, 1}, .n_bad = 2};
    stoker_digest_add(&a, &(stoker_digest){.pixels = {1, 1}, .n_bad = 3});
    ck_assert_uint_eq(a.pixels[0], 0);
    ck_assert_uint_eq(a.pixels[1], 3);
    ck_assert_int_eq(a.n_bad, 5);
}
END_TEST

/* The first ids of a rank's rows from opt and consumed on; returns how many,
 * at most room. */
static size_t first_rows(const stoker_options *opt, int64_t n, int64_t epoch,
                         int64_t consumed, int64_t *ids, size_t room)
{
    static int64_t batch[4096];
    size_t n_ids = 0;

    for (int64_t step = 0; n_ids < room; step++) {
        size_t n_rows;
        int rc = stoker_plan_ids(opt, n, epoch, consumed, step, batch, 4096,
                                 &n_rows, NULL);
        if (rc == STOKER_END)
            break;
        ck_assert_int_eq(rc, 0);
        n_rows = n_rows < room - n_ids ? n_rows : room - n_ids;
        memcpy(ids + n_ids, batch, n_rows * sizeof *ids);
        n_ids += n_rows;
    }
    return n_ids;
}

static void digest_ids(const int64_t *ids, size_t n, char text[33])
{
    struct stk_hash hash;
    uint8_t bytes[16];

    stk_hash_begin(&hash, stk_hash_key);
    for (size_t i = 0; i < n; i++)
        stk_hash_add_u64(&hash, (uint64_t)ids[i]);
    stk_hash_end(&hash, bytes);
    for (int i = 0; i < 16; i++)
        sprintf(text + 2 * i, "%02x", bytes[i]);
}

/* The loader takes its rows by another way: one ticket each. */
static void check_tickets(const stoker_options *opt, int64_t n, int64_t epoch,
                          int64_t consumed, const int64_t *ids, size_t n_ids)
{
    struct stk_plan plan;
    struct stk_ticket ticket;

    ck_assert_int_eq(stk_plan_init(&plan, opt, n, epoch, consumed, NULL), 0);
    for (size_t t = 0; t < n_ids; t++) {
        ck_assert_int_eq(stk_plan_ticket(&plan, (int64_t)t, &ticket), 0);
        ck_assert_int_eq(ticket.epoch, epoch);
        ck_assert_int_eq(ticket.id, ids[t]);
    }
}

/* What each rank of a world gets: a planner version's promise. */
START_TEST(test_rows_are_those_of_the_golden_file)
{
    static int64_t ids[1000];
    FILE *f = fopen(STK_TEST_DATA "/plan_golden.txt", "re");
    char line[512];
    int n_lines = 0;

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        stoker_options opt = options(0, 0, 0);
        long long epoch, n, batch, global, consumed;
        unsigned long long seed;
        size_t n_want;
        char want[33], got[33];
        if (line[0] == '#')
            continue;
        int n_read = sscanf(line,
                            "%llu %lld %lld %d %d %d %d %lld %lld %lld: %zu "
                            "%32s",
                            &seed, &epoch, &n, &opt.shuffle, &opt.drop_last,
                            &opt.world_size, &opt.rank, &batch, &global,
                            &consumed, &n_want, want);
        ck_assert_int_eq(n_read, 12);
        opt.seed = seed;
        opt.batch_size = batch;
        opt.global_batch_size = global;
        size_t n_ids = first_rows(&opt, n, epoch, consumed, ids, 1000);
        digest_ids(ids, n_ids, got);
        check_tickets(&opt, n, epoch, consumed, ids, n_ids);
        ck_assert_msg(n_ids == n_want && strcmp(got, want) == 0,
                      "%zu rows, %s: %s", n_ids, got, line);
        n_lines++;
    }
    fclose(f);
    ck_assert_int_eq(n_lines, 40);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan_api");
    TCase *tc = tcase_create("plan_api");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, test_each_bad_option_is_refused_by_name);
    tcase_add_test(tc, test_places_that_are_none_are_refused);
    tcase_add_test(tc, test_ids_need_room_and_end_behind_the_last_step);
    tcase_add_test(tc, test_digests_add_up_over_any_split);
    tcase_add_test(tc, test_rows_are_those_of_the_golden_file);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
