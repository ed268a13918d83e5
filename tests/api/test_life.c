/* The end of loaders: close at any moment, from any thread, and forks. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "loader/loader.h"
#include "run_suite.h"

struct waiter {
    stoker_loader *loader;
    int rc;
};

static void *wait_in_next(void *self)
{
    struct waiter *waiter = self;
    stoker_batch *batch;
    waiter->rc = stoker_loader_next(waiter->loader, &batch, -1, NULL);
    return NULL;
}

/* All are in next, in their turn or waiting for it. */
static void wait_for_callers(stoker_loader *loader, int n)
{
    while (atomic_load(&loader->n_callers) < n)
        sched_yield();
}

START_TEST(test_close_ends_a_thread_that_waits_in_next)
{
    stoker_options opt = photos_options(&crop);
    opt.n_slots = 2;
    stoker_loader *loader = open_with(&opt);
    stoker_batch *held[2];
    pthread_t thread;

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(stoker_loader_next(loader, &held[i], -1, &err), 0);
    struct waiter waiter = {loader, 0};
    pthread_create(&thread, NULL, wait_in_next, &waiter);
    wait_for_callers(loader, 1);
    stoker_loader_close(&loader);
    pthread_join(thread, NULL);
    ck_assert_int_eq(waiter.rc, -ECANCELED);
    stoker_batch_release(held[0]);
    stoker_batch_release(held[1]);
}
END_TEST

/* One waits for a batch, the others for their turn; who gets the turn next is
 * chance, so often enough that close gets it too early. */
START_TEST(test_close_ends_all_threads_that_wait_in_next)
{
    enum { N_THREADS = 8, N_TIMES = 200 };
    stoker_options opt = photos_options(&crop);
    opt.n_slots = 2;

    for (int k = 0; k < N_TIMES; k++) {
        stoker_loader *loader = open_with(&opt);
        stoker_batch *held[2];
        struct waiter waiters[N_THREADS];
        pthread_t threads[N_THREADS];

        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(stoker_loader_next(loader, &held[i], -1, &err), 0);
        for (int i = 0; i < N_THREADS; i++) {
            waiters[i] = (struct waiter){loader, 0};
            pthread_create(&threads[i], NULL, wait_in_next, &waiters[i]);
        }
        wait_for_callers(loader, N_THREADS);
        stoker_loader_close(&loader);
        for (int i = 0; i < N_THREADS; i++) {
            pthread_join(threads[i], NULL);
            ck_assert_int_eq(waiters[i].rc, -ECANCELED);
        }
        stoker_batch_release(held[0]);
        stoker_batch_release(held[1]);
    }
}
END_TEST

START_TEST(test_close_at_any_moment_neither_hangs_nor_leaks)
{
    for (int i = 0; i < 60; i++) {
        stoker_options opt = photos_options(&crop);
        opt.n_workers = 1 + i % 3;
        stoker_loader *loader = open_with(&opt);
        stoker_batch *batch = NULL;
        for (int k = 0; k < i % 10; k++) {
            if (stoker_loader_next(loader, &batch, i % 2 ? -1 : 0, &err) == 0)
                stoker_batch_release(batch);
        }
        stoker_loader_close(&loader);
        ck_assert_ptr_null(loader);
    }
}
END_TEST

START_TEST(test_forked_child_is_refused_and_harms_nobody)
{
    stoker_options opt = photos_options(&crop);
    stoker_loader *loader = open_with(&opt);
    stoker_batch *batch;

    ck_assert_int_eq(stoker_loader_next(loader, &batch, -1, &err), 0);
    pid_t child = fork();
    if (child == 0) {
        stoker_batch *mine;
        int rc = stoker_loader_next(loader, &mine, 100, &err);
        uint8_t first = *(uint8_t *)tensor_of(batch, "image").data;
        bool sees = first == *(int64_t *)tensor_of(batch, "id").data;
        stoker_batch_release(batch);
        stoker_loader_close(&loader);
        _exit(rc == -EOWNERDEAD && sees ? 0 : 1);
    }
    int status;
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    stoker_batch_release(batch);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(stoker_loader_next(loader, &batch, -1, &err), 0);
        stoker_batch_release(batch);
    }
    stoker_loader_close(&loader);
}
END_TEST

#if !defined(STK_WATCHES_THREADS) /* no thread may start in a child there */
static int check_photo(stoker_checker *checker, int64_t id)
{
    stoker_image_info info = {.size = sizeof info};
    return stoker_checker_check(checker, id, &info, &err);
}

/* Its reader's thread is the parent's: the child makes one of its own. */
START_TEST(test_checker_goes_on_in_a_forked_child_and_in_the_parent)
{
    stoker_options opt = photos_options(&crop);
    stoker_checker *checker = NULL;

    ck_assert_int_eq(stoker_checker_open(&checker, ds, &opt, &err), 0);
    ck_assert_int_eq(check_photo(checker, 0), 0);
    pid_t child = fork();
    if (child == 0) {
        int rc = check_photo(checker, 1) || check_photo(checker, 2);
        stoker_checker_close(&checker);
        _exit(rc ? 1 : 0);
    }
    int status;
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(check_photo(checker, 3), 0);
    stoker_checker_close(&checker);
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("life");
    TCase *tc = tcase_create("life");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_close_ends_a_thread_that_waits_in_next);
    tcase_add_test(tc, test_close_ends_all_threads_that_wait_in_next);
    tcase_add_test(tc, test_close_at_any_moment_neither_hangs_nor_leaks);
    tcase_add_test(tc, test_forked_child_is_refused_and_harms_nobody);
#if !defined(STK_WATCHES_THREADS)
    tcase_add_test(tc,
                   test_checker_goes_on_in_a_forked_child_and_in_the_parent);
#endif
    suite_add_tcase(s, tc);
    return run_suite(s);
}
