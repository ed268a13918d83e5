/* Every schedule of two workers and a consumer over the real ring.c, and every
 * ordering of it weakened in turn: each mutant must be caught. */
#include <check.h>
#include <stdatomic.h>
#include <stdio.h>

#include "explorer.h"
#include "flow/ring.h"
#include "run_suite.h"

enum { N_PLACES = 2, N_ROWS = 2, N_BATCHES = 4, N_WORKERS = 2 };

static struct stk_place places[N_PLACES];
static struct stk_ring ring;
static int64_t ticket; /* the explorer runs one thread at a time */
static int64_t cells[N_PLACES][N_ROWS];
static int64_t n_seen;
static int n_batches, keep_one, with_stop;
/* Batch 0 goes to a thread of its own that returns it: 1 + its buffer.
 * Release and acquire: consumer and lessee. */
static int has_lessee;
static _Atomic uint32_t given;

static void reset(void)
{
    stk_ring_init(&ring, places, N_PLACES);
    ticket = n_seen = 0;
    atomic_init(&given, 0);
}

static int64_t take_ticket(void);
static void count_seen(void);

static void worker(void)
{
    for (int64_t t; (t = take_ticket()) < n_batches * N_ROWS;) {
        uint64_t seq = (uint64_t)(t / N_ROWS);
        int64_t now = explorer_now();
        while (!stk_ring_is_empty(&ring, seq)) {
            if (stk_ring_is_stopped(&ring))
                return;
            explorer_pause(now);
            now = explorer_now();
        }
        cells[stk_ring_place(&ring, seq)->buffer][t % N_ROWS] = t;
        stk_ring_row_done(&ring, seq, N_ROWS);
    }
}

static void consumer(void)
{
    int64_t held = -1;

    for (uint64_t seq = 0; seq < (uint64_t)n_batches; seq++) {
        int64_t now = explorer_now();
        while (!stk_ring_is_full(&ring, seq)) {
            explorer_pause(now);
            now = explorer_now();
        }
        uint32_t buffer = stk_ring_place(&ring, seq)->buffer;
        for (int row = 0; row < N_ROWS; row++)
            if (cells[buffer][row] != (int64_t)seq * N_ROWS + row)
                explorer_fail("the consumer saw another batch's row");
        count_seen();
        if (has_lessee && seq == 0) {
            atomic_store_explicit(&given, buffer + 1, memory_order_release);
            continue;
        }
        if (keep_one && seq == 0) {
            held = buffer;
            continue;
        }
        stk_ring_return(&ring, buffer);
    }
    if (held >= 0)
        stk_ring_return(&ring, (uint32_t)held);
    if (with_stop)
        stk_ring_stop(&ring);
}

static void lessee(void)
{
    int64_t now = explorer_now();
    uint32_t buffer;

    while (!(buffer = atomic_load_explicit(&given, memory_order_acquire))) {
        explorer_pause(now);
        now = explorer_now();
    }
    stk_ring_return(&ring, buffer - 1);
}

static void body(int thread)
{
    if (thread < N_WORKERS)
        worker();
    else if (thread > N_WORKERS)
        lessee();
    else
        consumer();
}

static bool check(void)
{
    return n_seen == n_batches;
}

/* Outside the model: a ticket is handed over by nothing but its number. */
__attribute__((no_sanitize("thread"))) static int64_t take_ticket(void)
{
    return ticket++;
}

__attribute__((no_sanitize("thread"))) static void count_seen(void)
{
    n_seen++;
}

static struct explorer_result run(int batches, int keep, int bound, int weak)
{
    n_batches = batches;
    keep_one = keep;
    return explore(N_WORKERS + 1 + has_lessee, reset, body, check, bound, weak);
}

START_TEST(test_no_schedule_breaks_the_ring)
{
    for (int keep = 0; keep < 2; keep++) {
        /* A kept batch waits more, so fewer batches are as many schedules. */
        struct explorer_result r = run(keep ? 3 : 4, keep, 2, -1);
        ck_assert_msg(!r.first, "keep %d: %s after %lld runs", keep, r.first,
                      (long long)r.n_runs);
        ck_assert_int_gt(r.n_runs, 1000);
        printf("keep %d: %lld schedules\n", keep, (long long)r.n_runs);
    }
}
END_TEST

START_TEST(test_stop_at_any_moment_loses_no_turn)
{
    with_stop = 1;
    struct explorer_result r = run(3, 0, 2, -1);
    with_stop = 0;
    ck_assert_msg(!r.first, "%s", r.first);
}
END_TEST

START_TEST(test_another_thread_may_return_a_batch)
{
    has_lessee = 1;
    struct explorer_result r = run(3, 0, 1, -1);
    has_lessee = 0;
    ck_assert_msg(!r.first, "%s", r.first);
}
END_TEST

START_TEST(test_every_weakened_ordering_is_caught)
{
    run(3, 0, 1, -1);
    int n = explorer_n_sites();
    ck_assert_int_ge(n, 5);
    for (int weak = 0; weak < n; weak++) {
        struct explorer_result r = run(3, 0, 2, weak);
        if (!r.first)
            r = run(4, 1, 2, weak);
        has_lessee = 1; /* only returns that overtake one another need it */
        if (!r.first)
            r = run(3, 0, 2, weak);
        has_lessee = 0;
        ck_assert_msg(r.first != NULL,
                      "weakening site %d of %d was not noticed", weak, n);
        printf("site %d relaxed: %s after %lld schedules\n", weak, r.first,
               (long long)r.n_runs);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *tc = tcase_create("ring");
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, test_no_schedule_breaks_the_ring);
    tcase_add_test(tc, test_stop_at_any_moment_loses_no_turn);
    tcase_add_test(tc, test_another_thread_may_return_a_batch);
    tcase_add_test(tc, test_every_weakened_ordering_is_caught);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
