/* The plan's arithmetic: rows, ranks, remainders and resumes, against the
 * order of a single rank. */
#include <check.h>
#include <string.h>

#include "base/rng.h"
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

START_TEST(test_a_run_without_end_stops_where_tickets_have_numbers)
{
    stoker_options opt = options(1, 0, 1);
    struct stk_plan plan;
    struct stk_step s;
    struct stk_ticket t;
    ck_assert_int_eq(stk_plan_init(&plan, &opt, STK_MAX_ITEMS, 0, 1, NULL), 0);
    int64_t n = stk_plan_n_tickets(&plan);
    ck_assert_int_gt(n, INT64_MAX - STK_MAX_ITEMS);
    ck_assert_int_eq(stk_plan_n_seqs(&plan), n);
    ck_assert_int_eq(stk_plan_step(&plan, n - 1, &s), 0);
    ck_assert(s.is_last_of_epoch && s.first_ticket == n - 1);
    ck_assert_int_eq(stk_plan_ticket(&plan, n - 1, &t), 0);
    ck_assert_int_eq(t.position, STK_MAX_ITEMS - 1);
    ck_assert_int_eq(stk_plan_ticket(&plan, n, &t), STOKER_END);
}
END_TEST

/* A few numbers that are the same in every run of the test. */
struct dice {
    uint64_t n;
};
static int64_t throw(struct dice * dice, int64_t below)
{
    struct stk_draw d = stk_rng_draw(99, 0, dice->n++, 1, 0);
    return (int64_t)stk_rng_below(d.word[0], d.word[1], (uint64_t)below);
}

START_TEST(test_tickets_fill_batches_row_by_row)
{
    stoker_options opt = options(4, 0, 1);
    struct stk_plan plan;
    struct stk_ticket t;
    opt.shuffle = 0;
    opt.n_epochs = 2;
    ck_assert_int_eq(stk_plan_init(&plan, &opt, 10, 0, 0, NULL), 0);
    ck_assert_int_eq(stk_plan_n_tickets(&plan), 20);
    ck_assert_int_eq(stk_plan_n_seqs(&plan), 6);
    for (int64_t i = 0; i < 20; i++) {
        int64_t in_epoch = i % 10;
        ck_assert_int_eq(stk_plan_ticket(&plan, i, &t), 0);
        ck_assert_int_eq(t.epoch, i / 10);
        ck_assert_int_eq(t.seq, 3 * (i / 10) + in_epoch / 4);
        ck_assert_int_eq(t.row, in_epoch % 4);
        ck_assert_int_eq(t.n_rows, in_epoch < 8 ? 4 : 2);
        ck_assert_int_eq(t.id, in_epoch);
    }
    ck_assert_int_eq(stk_plan_ticket(&plan, 20, &t), STOKER_END);
    ck_assert_int_eq(stk_plan_ticket(&plan, -1, &t), STOKER_END);
}
END_TEST

START_TEST(test_ranks_share_a_step_evenly_and_pad_at_the_end)
{
    /* 11 samples, global batch 8, 3 ranks: 3 3 2, then 1 1 1. */
    static const int64_t want[3][4] = {
        {0, 1, 2, 8}, {3, 4, 5, 9}, {6, 7, -1, 10}};
    for (int rank = 0; rank < 3; rank++) {
        stoker_options opt = options(0, rank, 3);
        struct stk_plan plan;
        struct stk_ticket t;
        opt.global_batch_size = 8;
        opt.shuffle = 0;
        opt.n_epochs = 1;
        ck_assert_int_eq(stk_plan_init(&plan, &opt, 11, 0, 0, NULL), 0);
        ck_assert_int_eq(stk_plan_n_tickets(&plan), 4);
        for (int64_t i = 0; i < 4; i++) {
            ck_assert_int_eq(stk_plan_ticket(&plan, i, &t), 0);
            ck_assert_int_eq(t.id, want[rank][i]);
            ck_assert_int_eq(t.position, want[rank][i]);
        }
    }
}
END_TEST

START_TEST(test_steps_say_what_the_cursor_needs)
{
    stoker_options opt = options(4, 0, 1);
    struct stk_plan plan;
    struct stk_step s;
    opt.drop_last = 1;
    opt.n_epochs = 2;
    ck_assert_int_eq(stk_plan_init(&plan, &opt, 10, 0, 4, NULL), 0);
    ck_assert_int_eq(stk_plan_n_seqs(&plan), 1 + 2);
    ck_assert_int_eq(stk_plan_step(&plan, 0, &s), 0);
    ck_assert_int_eq(s.first_position, 4);
    ck_assert_int_eq(s.n_positions, 4);
    ck_assert(s.is_last_of_epoch);
    ck_assert_int_eq(s.consumed_after, 10);
    ck_assert_int_eq(stk_plan_step(&plan, 1, &s), 0);
    ck_assert_int_eq(s.epoch, 1);
    ck_assert_int_eq(s.step, 0);
    ck_assert_int_eq(s.first_ticket, 4);
    ck_assert_int_eq(s.consumed_after, 4);
    ck_assert(!s.is_last_of_epoch);
    ck_assert_int_eq(stk_plan_step(&plan, 2, &s), 0);
    ck_assert_int_eq(s.consumed_after, 10);
    ck_assert_int_eq(stk_plan_step(&plan, 3, &s), STOKER_END);
}
END_TEST

START_TEST(test_a_state_behind_the_last_batch_goes_on_with_the_next_epoch)
{
    stoker_options opt = options(4, 0, 1);
    struct stk_plan plan;
    struct stk_step s;
    ck_assert_int_eq(stk_plan_init(&plan, &opt, 10, 5, 10, NULL), 0);
    ck_assert_int_eq(plan.first_steps, 0);
    ck_assert_int_eq(stk_plan_step(&plan, 0, &s), 0);
    ck_assert_int_eq(s.epoch, 6);
    ck_assert_int_eq(s.step, 0);
    opt.n_epochs = 6;
    ck_assert_int_eq(stk_plan_init(&plan, &opt, 10, 5, 10, NULL), 0);
    ck_assert_int_eq(stk_plan_n_seqs(&plan), 0);
    opt.n_epochs = 3;
    ck_assert_int_eq(stk_plan_init(&plan, &opt, 10, 5, 0, NULL), 0);
    ck_assert_int_eq(stk_plan_n_seqs(&plan), 0);
    ck_assert_int_eq(stk_plan_step(&plan, 0, &s), STOKER_END);
}
END_TEST

/* Steps and tickets must say the same of each row, in any configuration. */
START_TEST(test_steps_and_tickets_agree)
{
    struct dice dice = {0};
    for (int round = 0; round < 2000; round++) {
        int world = 1 + (int) throw(&dice, 7);
        int64_t n = 1 + throw(&dice, 200);
        stoker_options opt =
            options(1 + throw(&dice, 20), (int) throw(&dice, world), world);
        if (throw(&dice, 2))
            opt.global_batch_size = 1 + throw(&dice, 60);
        opt.n_epochs = 3;
        struct stk_plan plan;
        ck_assert_int_eq(stk_plan_init(&plan, &opt, n, throw(&dice, 3),
                                       throw(&dice, n + 1), NULL),
                         0);
        int64_t ticket = 0;
        struct stk_step s;
        for (int64_t seq = 0; stk_plan_step(&plan, seq, &s) == 0; seq++) {
            ck_assert_int_eq(s.first_ticket, ticket);
            ck_assert_int_ge(s.n_rows, 1);
            for (int32_t row = 0; row < s.n_rows; row++) {
                struct stk_ticket t;
                ck_assert_int_eq(stk_plan_ticket(&plan, ticket++, &t), 0);
                ck_assert_int_eq(t.seq, seq);
                ck_assert_int_eq(t.epoch, s.epoch);
                ck_assert_int_eq(t.step, s.step);
                ck_assert_int_eq(t.row, row);
                ck_assert_int_eq(t.n_rows, s.n_rows);
                ck_assert_int_eq(t.position, stk_plan_position(&plan, &s, row));
            }
        }
        ck_assert_int_eq(ticket, stk_plan_n_tickets(&plan));
    }
}
END_TEST

enum { MOST_ITEMS = 300 };

/* Plays one batch on every rank and appends the ids in order of ranks;
 * returns the consumed samples behind it, or -1 at the epoch's end. */
static int64_t play_step(int64_t n, int64_t epoch, int64_t consumed,
                         const stoker_options *base, int64_t *got,
                         int64_t *n_got)
{
    int64_t after = -1, n_rows = -1;
    for (int rank = 0; rank < base->world_size; rank++) {
        stoker_options opt = *base;
        struct stk_plan plan;
        struct stk_step s;
        opt.rank = rank;
        ck_assert_int_eq(stk_plan_init(&plan, &opt, n, epoch, consumed, NULL),
                         0);
        bool ends = stk_plan_step(&plan, 0, &s) != 0 || s.epoch != epoch;
        ck_assert(rank == 0 || ends == (n_rows < 0));
        if (ends)
            continue;
        ck_assert(rank == 0 || s.n_rows == n_rows);
        ck_assert(rank == 0 || s.consumed_after == after);
        n_rows = s.n_rows;
        after = s.consumed_after;
        bool padded = false;
        for (int32_t row = 0; row < s.n_rows; row++) {
            struct stk_ticket t;
            ck_assert_int_eq(stk_plan_ticket(&plan, row, &t), 0);
            ck_assert(!padded || t.id < 0); /* padding is at the end */
            padded = t.id < 0;
            if (t.id >= 0)
                got[(*n_got)++] = t.id;
        }
    }
    return after;
}

/* Every few batches the run is stopped and goes on with another world and
 * batch size; what all ranks got in all lives is the order itself. */
START_TEST(test_elastic_resumes_deliver_the_order_once)
{
    struct dice dice = {1000000};
    for (int round = 0; round < 4000; round++) {
        int64_t n = 1 + throw(&dice, MOST_ITEMS), epoch = throw(&dice, 5);
        int64_t got[MOST_ITEMS], n_got = 0, consumed = 0;
        struct stk_order order;
        while (consumed >= 0 && consumed < n) {
            stoker_options opt =
                options(1 + throw(&dice, 30), 0, 1 + (int) throw(&dice, 9));
            if (throw(&dice, 2))
                opt.global_batch_size = 1 + throw(&dice, 100);
            for (int64_t k = 1 + throw(&dice, 4); k > 0 && consumed < n; k--)
                consumed = play_step(n, epoch, consumed, &opt, got, &n_got);
        }
        ck_assert_int_eq(n_got, n);
        stk_order_init(&order, 42, epoch, n, true);
        for (int64_t p = 0; p < n; p++)
            ck_assert_int_eq(got[p], stk_order_id(&order, p));
    }
}
END_TEST

START_TEST(test_dropped_and_delivered_make_up_the_epoch)
{
    struct dice dice = {2000000};
    for (int round = 0; round < 2000; round++) {
        int64_t n = 50 + throw(&dice, 200);
        stoker_options opt =
            options(1 + throw(&dice, 10), 0, 1 + (int) throw(&dice, 5));
        int64_t got[MOST_ITEMS], n_got = 0, consumed = 0;
        size_t n_dropped = 0;
        opt.drop_last = 1;
        int64_t steps = stoker_plan_steps(&opt, n, 0, NULL), played = 0;
        while (consumed >= 0 && consumed < n) {
            consumed = play_step(n, 2, consumed, &opt, got, &n_got);
            played++;
        }
        ck_assert_int_eq(played, steps);
        ck_assert_int_eq(stoker_plan_dropped(&opt, n, 2, got + n_got,
                                             (size_t)(MOST_ITEMS - n_got),
                                             &n_dropped, NULL),
                         0);
        ck_assert_int_eq(n_got + (int64_t)n_dropped, n);
        for (int64_t p = 0; p < n; p++)
            ck_assert_int_eq(got[p], stoker_plan_id(&opt, n, 2, p, 0));
    }
}
END_TEST

START_TEST(test_dropped_ids_rotate_with_the_epoch)
{
    stoker_options opt = options(7, 0, 1);
    int64_t dropped[2][7];
    size_t n;
    opt.drop_last = 1;
    for (int e = 0; e < 2; e++) {
        ck_assert_int_eq(
            stoker_plan_dropped(&opt, 1000, e, dropped[e], 7, &n, NULL), 0);
        ck_assert_uint_eq(n, 1000 % 7);
    }
    ck_assert(memcmp(dropped[0], dropped[1], n * sizeof(int64_t)) != 0);
}
END_TEST

START_TEST(test_epochs_of_10_to_the_12_need_no_memory)
{
    stoker_options opt = options(1024, 511, 512);
    struct stk_plan plan;
    struct stk_step s;
    struct stk_ticket t;
    ck_assert_int_eq(stk_plan_init(&plan, &opt, 1000000000000, 7, 3, NULL), 0);
    int64_t steps = (1000000000000 - 3 + 1024 * 512 - 1) / (1024 * 512);
    ck_assert_int_eq(plan.first_steps, steps);
    ck_assert_int_gt(stk_plan_n_seqs(&plan), (int64_t)1 << 50);
    ck_assert_int_eq(stk_plan_step(&plan, steps - 1, &s), 0);
    ck_assert(s.is_last_of_epoch && s.epoch == 7);
    ck_assert_int_eq(stk_plan_step(&plan, steps, &s), 0);
    ck_assert(s.epoch == 8 && s.first_position == 0);
    ck_assert_int_eq(stk_plan_ticket(&plan, INT64_MAX / 2, &t), 0);
    ck_assert(t.id >= -1 && t.id < 1000000000000);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan");
    TCase *tc = tcase_create("plan");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, test_tickets_fill_batches_row_by_row);
    tcase_add_test(tc, test_ranks_share_a_step_evenly_and_pad_at_the_end);
    tcase_add_test(tc, test_steps_say_what_the_cursor_needs);
    tcase_add_test(
        tc, test_a_state_behind_the_last_batch_goes_on_with_the_next_epoch);
    tcase_add_test(tc, test_steps_and_tickets_agree);
    tcase_add_test(tc, test_elastic_resumes_deliver_the_order_once);
    tcase_add_test(tc, test_dropped_and_delivered_make_up_the_epoch);
    tcase_add_test(tc, test_dropped_ids_rotate_with_the_epoch);
    tcase_add_test(tc, test_a_run_without_end_stops_where_tickets_have_numbers);
    tcase_add_test(tc, test_epochs_of_10_to_the_12_need_no_memory);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
