/* The ring's turns: arithmetic first, then threads that try to break it. */
#include <check.h>
#include <pthread.h>

#include "flow/ring.h"
#include "run_suite.h"

enum { N_PLACES = 3, N_ROWS = 4 };

static struct stk_place places[N_PLACES];
static struct stk_ring ring;

static void setup(void)
{
    stk_ring_init(&ring, places, N_PLACES);
}

static void fill(uint64_t seq)
{
    ck_assert(stk_ring_is_empty(&ring, seq));
    for (int row = 0; row < N_ROWS; row++)
        ck_assert_int_eq(stk_ring_row_done(&ring, seq, N_ROWS),
                         row == N_ROWS - 1);
    ck_assert(stk_ring_is_full(&ring, seq));
}

START_TEST(test_last_row_publishes_the_batch)
{
    setup();
    for (int row = 0; row < N_ROWS; row++) {
        ck_assert(!stk_ring_is_full(&ring, 0));
        stk_ring_row_done(&ring, 0, N_ROWS);
    }
    ck_assert(stk_ring_is_full(&ring, 0));
    ck_assert(!stk_ring_is_empty(&ring, 0));
}
END_TEST

START_TEST(test_place_is_empty_only_for_its_own_lap)
{
    setup();
    ck_assert(stk_ring_is_empty(&ring, 1));
    ck_assert(!stk_ring_is_empty(&ring, 1 + N_PLACES));
    fill(1);
    ck_assert(!stk_ring_is_empty(&ring, 1 + N_PLACES));
}
END_TEST

START_TEST(test_kept_batch_costs_a_buffer_and_blocks_no_place)
{
    setup();
    for (uint64_t seq = 0; seq < N_PLACES; seq++)
        fill(seq);
    /* Batch 0 is kept for ever; the others come and go out of order. */
    uint32_t buffer = places[2].buffer;
    for (uint64_t seq = N_PLACES; seq < 1000; seq++) {
        ck_assert_uint_eq(stk_ring_return(&ring, buffer), seq);
        ck_assert_uint_ne(stk_ring_place(&ring, seq)->buffer, 0);
        fill(seq);
        buffer = stk_ring_place(&ring, seq - 1)->buffer;
    }
}
END_TEST

START_TEST(test_rewind_forgets_what_was_not_consumed)
{
    setup();
    fill(0);
    fill(1);
    stk_ring_row_done(&ring, 2, N_ROWS);
    /* Batch 0 was consumed and is leased; 1 is full, 2 partly filled. */
    stk_ring_stop(&ring);
    stk_ring_rewind(&ring, 1);
    stk_ring_go(&ring);
    ck_assert(stk_ring_is_empty(&ring, 1));
    ck_assert(stk_ring_is_empty(&ring, 2));
    ck_assert(!stk_ring_is_empty(&ring, 3));
    fill(1);
    fill(2);
    ck_assert_uint_eq(stk_ring_return(&ring, places[0].buffer), 3);
    fill(3);
}
END_TEST

START_TEST(test_stop_is_seen_and_survives_additions)
{
    setup();
    stk_ring_stop(&ring);
    fill(0);
    stk_ring_return(&ring, 0);
    ck_assert(stk_ring_is_stopped(&ring));
    stk_ring_go(&ring);
    ck_assert(!stk_ring_is_stopped(&ring));
    ck_assert(stk_ring_is_empty(&ring, N_PLACES));
}
END_TEST

/* Stress: workers write seq * rows + row into the buffer's cells; the
 * consumer checks them and returns buffers late and out of order. */
enum { N_BATCHES = 60000, N_WORKERS = 3 };
static atomic_llong ticket;
static int64_t cells[N_PLACES][N_ROWS];

static void *work(void *unused)
{
    (void)unused;
    for (;;) {
        int64_t t = atomic_fetch_add(&ticket, 1);
        uint64_t seq = (uint64_t)(t / N_ROWS);
        if (seq >= N_BATCHES)
            return NULL;
        while (!stk_ring_is_empty(&ring, seq))
            sched_yield();
        cells[stk_ring_place(&ring, seq)->buffer][t % N_ROWS] = t;
        stk_ring_row_done(&ring, seq, N_ROWS);
    }
}

START_TEST(test_threads_see_whole_batches_in_order)
{
    pthread_t threads[N_WORKERS];
    int64_t held = -1;

    setup();
    atomic_store(&ticket, 0);
    for (int i = 0; i < N_WORKERS; i++)
        pthread_create(&threads[i], NULL, work, NULL);
    for (uint64_t seq = 0; seq < N_BATCHES; seq++) {
        while (!stk_ring_is_full(&ring, seq))
            sched_yield();
        uint32_t buffer = stk_ring_place(&ring, seq)->buffer;
        for (int row = 0; row < N_ROWS; row++)
            ck_assert_int_eq(cells[buffer][row], (int64_t)seq * N_ROWS + row);
        /* Keep every third batch one batch longer. */
        if (seq % 3 == 0 && held < 0) {
            held = buffer;
            continue;
        }
        stk_ring_return(&ring, buffer);
        if (held >= 0)
            stk_ring_return(&ring, (uint32_t)held);
        held = -1;
    }
    for (int i = 0; i < N_WORKERS; i++)
        pthread_join(threads[i], NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ring");
    TCase *tc = tcase_create("ring");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_last_row_publishes_the_batch);
    tcase_add_test(tc, test_place_is_empty_only_for_its_own_lap);
    tcase_add_test(tc, test_kept_batch_costs_a_buffer_and_blocks_no_place);
    tcase_add_test(tc, test_rewind_forgets_what_was_not_consumed);
    tcase_add_test(tc, test_stop_is_seen_and_survives_additions);
    tcase_add_test(tc, test_threads_see_whole_batches_in_order);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
