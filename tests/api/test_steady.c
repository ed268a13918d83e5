/* In the steady state no sample allocates or locks: the calls of whole epochs
 * are counted, and only batches may make any. */
#include <check.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "photos.h"
#include "run_suite.h"

#ifndef STK_SANITIZED
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_memalign(size_t align, size_t bytes);

static atomic_llong n_calls, n_locks;

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static _Atomic(int (*)(pthread_mutex_t *)) real;
    int (*lock)(pthread_mutex_t *) = atomic_load(&real);

    atomic_fetch_add(&n_locks, 1);
    if (!lock) { /* POSIX: an object pointer holds a function's */
        *(void **)&lock = dlsym(RTLD_NEXT, "pthread_mutex_lock");
        atomic_store(&real, lock);
    }
    return lock(mutex);
}

void *malloc(size_t bytes)
{
    atomic_fetch_add(&n_calls, 1);
    return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
    atomic_fetch_add(&n_calls, 1);
    return __libc_calloc(n, bytes);
}

int posix_memalign(void **out, size_t align, size_t bytes)
{
    atomic_fetch_add(&n_calls, 1);
    *out = __libc_memalign(align, bytes);
    return *out ? 0 : 12; /* ENOMEM */
}

/* Plays n epochs; returns how many batches they had. */
static int play(stoker_loader *loader, int n)
{
    stoker_batch *batch;
    int n_batches = 0;

    while (n > 0) {
        int rc = stoker_loader_next(loader, &batch, -1, NULL);
        if (rc < 0) /* an assertion would allocate */
            abort();
        if (rc == STOKER_END) {
            n--;
            continue;
        }
        stoker_batch_release(batch);
        n_batches++;
    }
    return n_batches;
}

START_TEST(test_samples_neither_allocate_nor_lock)
{
    struct photos photos;
    stoker_transform crop;
    stoker_loader *loader;

    photos_make(&photos, 160);
    stoker_dataset *ds = photos_dataset(&photos);
    stoker_options opt = photos_options(&crop);
    opt.batch_size = 32;
    ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, NULL), 0);
    play(loader, 3);
    long long before = atomic_load(&n_calls);
    long long locks_before = atomic_load(&n_locks);
    int n_batches = play(loader, 10);
    long long calls = atomic_load(&n_calls) - before;
    long long locks = atomic_load(&n_locks) - locks_before;
    ck_assert_int_eq(n_batches, 50);
    ck_assert_msg(calls <= 2 * n_batches, "%lld calls for %d samples", calls,
                  1600);
    /* next takes two, an epoch's end one more. */
    ck_assert_int_ge(locks, 2 * n_batches);
    ck_assert_int_le(locks, 3 * n_batches);
    stoker_loader_close(&loader);
    stoker_dataset_free(ds);
    photos_free(&photos);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("steady");
    TCase *tc = tcase_create("steady");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_samples_neither_allocate_nor_lock);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
#else
#include <stdio.h>
int main(void)
{
    printf("SKIPPED: a sanitizer owns the allocator\n");
    return 77;
}
#endif
