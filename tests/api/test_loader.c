/* The loader through its public header: order, resume, leases, errors. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "fixture.h"
#include "run_suite.h"

/* Every valid row's pixels and label are its id; returns rows. */
static int64_t check_rows(const stoker_batch *batch)
{
    stoker_tensor image = tensor_of(batch, "image");
    const int64_t *id = tensor_of(batch, "id").data;
    const int64_t *label = tensor_of(batch, "label").data;
    const uint8_t *valid = tensor_of(batch, "valid").data;
    const uint8_t *pixel = image.data;

    for (int64_t row = 0; row < image.shape[0]; row++) {
        ck_assert_int_eq(label[row], valid[row] ? id[row] : -100);
        for (int i = 0; i < 192; i++)
            ck_assert_int_eq(pixel[row * 192 + i], valid[row] ? id[row] : 0);
    }
    return image.shape[0];
}

static uint64_t mix(uint64_t hash, const void *data, size_t n)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 1099511628211u;
    return hash;
}

/* A hash of all that n batches say, in order. */
static uint64_t hash_run(const stoker_options *opt, int n)
{
    stoker_loader *loader = open_with(opt);
    uint64_t hash = 1469598103934665603u;

    for (int i = 0; i < n;) {
        stoker_batch *batch;
        int rc = stoker_loader_next(loader, &batch, -1, &err);
        ck_assert_msg(rc >= 0, "next: %s", err.text);
        if (rc == STOKER_END)
            continue;
        int64_t rows = check_rows(batch);
        hash = mix(hash, tensor_of(batch, "image").data, (size_t)rows * 192);
        hash = mix(hash, tensor_of(batch, "id").data, (size_t)rows * 8);
        hash = mix(hash, tensor_of(batch, "window").data, (size_t)rows * 16);
        hash = mix(hash, tensor_of(batch, "flip").data, (size_t)rows);
        stoker_batch_release(batch);
        i++;
    }
    stoker_loader_close(&loader);
    return hash;
}

START_TEST(test_batches_do_not_depend_on_engine_or_workers)
{
    static const int workers[] = {1, 2, 5};
    uint64_t want = 0;

    for (int io = STOKER_IO_AUTO; io <= STOKER_IO_PREAD; io++)
        for (int w = 0; w < 3; w++) {
            stoker_options opt = photos_options(&crop);
            opt.n_workers = workers[w];
            opt.io = io == STOKER_IO_URING ? STOKER_IO_AUTO : io;
            uint64_t got = hash_run(&opt, 20);
            want = want ? want : got;
            ck_assert_uint_eq(got, want);
        }
}
END_TEST

START_TEST(test_every_id_comes_once_an_epoch_and_then_the_end)
{
    stoker_options opt = photos_options(&crop);
    opt.n_epochs = 3;
    stoker_loader *loader = open_with(&opt);
    stoker_batch *batch;

    for (int epoch = 0; epoch < 3; epoch++) {
        int seen[50] = {0}, rc;
        while ((rc = stoker_loader_next(loader, &batch, -1, &err)) == 0) {
            const int64_t *id = tensor_of(batch, "id").data;
            for (int64_t i = check_rows(batch) - 1; i >= 0; i--)
                seen[id[i]]++;
            stoker_batch_info info = {.size = sizeof info};
            stoker_batch_info_get(batch, &info);
            ck_assert_int_eq(info.epoch, epoch);
            stoker_batch_release(batch);
        }
        ck_assert_int_eq(rc, STOKER_END);
        for (int i = 0; i < 50; i++)
            ck_assert_int_eq(seen[i], 1);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(stoker_loader_next(loader, &batch, -1, &err),
                         STOKER_END);
    stoker_loader_close(&loader);
}
END_TEST

START_TEST(test_stats_of_a_running_loader_know_its_memory)
{
    stoker_options opt = photos_options(&crop);
    stoker_stats stats = {.size = sizeof stats};
    stoker_batch *batch;

    opt.n_workers = 1;
    stoker_loader *loader = open_with(&opt);
    ck_assert_int_eq(stoker_loader_next(loader, &batch, -1, &err), 0);
    stoker_loader_stats(loader, &stats);
    ck_assert_int_gt(stats.arena_bytes, 0);
    ck_assert_int_gt(stats.scratch_bytes, 0);
    stoker_batch_release(batch);
    stoker_loader_close(&loader);
}
END_TEST

START_TEST(test_kept_batches_cost_buffers_until_all_are_held)
{
    stoker_options opt = photos_options(&crop);
    stoker_loader *loader = open_with(&opt);
    stoker_batch *kept[4], *batch;

    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(stoker_loader_next(loader, &kept[i], -1, &err), 0);
    /* One buffer is left: the run goes on with it. */
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(stoker_loader_next(loader, &batch, -1, &err), 0);
        check_rows(batch);
        stoker_batch_release(batch);
    }
    ck_assert_int_eq(stoker_loader_next(loader, &kept[3], -1, &err), 0);
    ck_assert_int_eq(stoker_loader_next(loader, &batch, 50, &err),
                     STOKER_END); /* the epoch's seven batches are out */
    ck_assert_int_eq(stoker_loader_next(loader, &batch, 50, &err), -EBUSY);
    ck_assert(strstr(err.text, "still held") != NULL);
    stoker_batch_release(kept[1]);
    ck_assert_int_eq(stoker_loader_next(loader, &batch, -1, &err), 0);
    check_rows(kept[0]);
    stoker_loader_close(&loader);
    /* Leases outlive close. */
    check_rows(kept[0]);
    check_rows(batch);
    stoker_batch_release(kept[0]);
    stoker_batch_release(kept[2]);
    stoker_batch_release(kept[3]);
    stoker_batch_release(batch);
}
END_TEST

START_TEST(test_resume_at_any_batch_equals_the_unbroken_run)
{
    enum { N = 12 };
    stoker_options opt = photos_options(&crop);
    stoker_loader *loader = open_with(&opt);
    stoker_cursor at[N];
    int64_t first[N];
    stoker_batch *batch;

    for (int i = 0; i < N;) {
        at[i].size = sizeof at[i];
        stoker_loader_cursor(loader, &at[i]);
        if (stoker_loader_next(loader, &batch, -1, &err) == STOKER_END)
            continue;
        first[i++] = *(int64_t *)tensor_of(batch, "id").data;
        stoker_batch_release(batch);
    }
    for (int i = N - 1; i >= 0; i--) {
        ck_assert_int_eq(stoker_loader_seek(loader, &at[i], &err), 0);
        int rc = stoker_loader_next(loader, &batch, -1, &err);
        if (rc == STOKER_END) /* a cursor behind an epoch's last batch */
            rc = stoker_loader_next(loader, &batch, -1, &err);
        ck_assert_int_eq(rc, 0);
        ck_assert_int_eq(*(int64_t *)tensor_of(batch, "id").data, first[i]);
        check_rows(batch);
        stoker_batch_release(batch);
    }
    at[3].seed ^= 1;
    ck_assert_int_eq(stoker_loader_seek(loader, &at[3], &err), -ESTALE);
    stoker_loader_close(&loader);
}
END_TEST

START_TEST(test_raise_names_the_lowest_bad_row_until_seek)
{
    stoker_options opt = photos_options(&crop);
    opt.shuffle = 0;
    photos_break(&photos, 12);
    photos_break(&photos, 10);
    stoker_dataset_free(ds);
    ds = photos_dataset(&photos);
    stoker_loader *loader = open_with(&opt);
    stoker_batch *batch;

    ck_assert_int_eq(stoker_loader_next(loader, &batch, -1, &err), 0);
    stoker_batch_release(batch);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_lt(stoker_loader_next(loader, &batch, -1, &err), 0);
        ck_assert_int_eq(err.id, 10);
        ck_assert_msg(strstr(err.text, "photo_010.jpg"), "%s", err.text);
    }
    stoker_cursor past = {.size = sizeof past};
    stoker_loader_cursor(loader, &past);
    ck_assert_int_eq(past.consumed, 8);
    past.consumed = 16;
    ck_assert_int_eq(stoker_loader_seek(loader, &past, &err), 0);
    ck_assert_int_eq(stoker_loader_next(loader, &batch, -1, &err), 0);
    ck_assert_int_eq(*(int64_t *)tensor_of(batch, "id").data, 16);
    stoker_batch_release(batch);
    stoker_loader_close(&loader);
}
END_TEST

START_TEST(test_mask_keeps_the_id_and_refill_declares_a_duplicate)
{
    photos_break(&photos, 10);
    stoker_dataset_free(ds);
    ds = photos_dataset(&photos);
    for (int policy = STOKER_MASK; policy <= STOKER_REFILL; policy++) {
        stoker_options opt = photos_options(&crop);
        opt.shuffle = 0;
        opt.on_error = policy;
        opt.n_epochs = 1;
        stoker_loader *loader = open_with(&opt);
        stoker_batch *batch;
        while (stoker_loader_next(loader, &batch, -1, &err) == 0) {
            stoker_batch_info info = {.size = sizeof info};
            stoker_batch_info_get(batch, &info);
            check_rows(batch);
            if (info.step == 1) {
                const int64_t *id = tensor_of(batch, "id").data;
                const uint8_t *valid = tensor_of(batch, "valid").data;
                ck_assert_int_eq(valid[2], policy == STOKER_REFILL);
                if (policy == STOKER_MASK)
                    ck_assert_int_eq(id[2], 10);
                else
                    ck_assert_int_eq(id[2], stoker_plan_id(&opt, 50, 0, 10, 1));
                ck_assert_int_eq(info.n_refilled, policy == STOKER_REFILL);
            }
            stoker_batch_release(batch);
        }
        stoker_bad bad = {.size = sizeof bad};
        ck_assert_int_eq(stoker_loader_bad(loader, 0, &bad, 1, sizeof bad), 1);
        ck_assert_int_eq(bad.id, 10);
        ck_assert_int_eq(bad.position, 10);
        stoker_digest got, want;
        int64_t epoch, from, to;
        stoker_loader_digest(loader, &got, &epoch, &from, &to);
        ck_assert_int_eq(got.n_good, 49);
        ck_assert_int_eq(got.n_bad, 1);
        ck_assert_int_eq(got.n_refill, policy == STOKER_REFILL);
        ck_assert_int_eq(
            stoker_plan_digest(&opt, 50, epoch, from, to, &want, &err), 0);
        /* good + bad is what the plan expects, whatever the policy. */
        stoker_digest sum = {.good = {got.bad[0], got.bad[1]}};
        stoker_digest_add(&sum,
                          &(stoker_digest){.good = {got.good[0], got.good[1]}});
        ck_assert_uint_eq(sum.good[0], want.good[0]);
        ck_assert_uint_eq(sum.good[1], want.good[1]);
        stoker_loader_close(&loader);
    }
}
END_TEST

START_TEST(test_ranks_share_a_global_batch_with_declared_padding)
{
    int seen[50] = {0};

    for (int rank = 0; rank < 3; rank++) {
        stoker_options opt = photos_options(&crop);
        opt.global_batch_size = 8; /* three ranks: 3, 3 and 2 rows */
        opt.rank = rank;
        opt.world_size = 3;
        opt.n_epochs = 1;
        stoker_loader *loader = open_with(&opt);
        stoker_batch *batch;
        int n = 0;
        while (stoker_loader_next(loader, &batch, -1, &err) == 0) {
            const int64_t *id = tensor_of(batch, "id").data;
            int64_t rows = check_rows(batch);
            ck_assert_int_eq(rows, n < 6 ? 3 : 1);
            for (int64_t i = 0; i < rows; i++)
                if (id[i] >= 0)
                    seen[id[i]]++;
            stoker_batch_release(batch);
            n++;
        }
        ck_assert_int_eq(n, 7); /* the same on every rank */
        stoker_loader_close(&loader);
    }
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(seen[i], 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("loader");
    TCase *tc = tcase_create("loader");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_batches_do_not_depend_on_engine_or_workers);
    tcase_add_test(tc, test_every_id_comes_once_an_epoch_and_then_the_end);
    tcase_add_test(tc, test_stats_of_a_running_loader_know_its_memory);
    tcase_add_test(tc, test_kept_batches_cost_buffers_until_all_are_held);
    tcase_add_test(tc, test_resume_at_any_batch_equals_the_unbroken_run);
    tcase_add_test(tc, test_raise_names_the_lowest_bad_row_until_seek);
    tcase_add_test(tc, test_mask_keeps_the_id_and_refill_declares_a_duplicate);
    tcase_add_test(tc, test_ranks_share_a_global_batch_with_declared_padding);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
