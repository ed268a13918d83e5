/* The roofline's verdicts: what it measures where samples are bad, and where
 * the run has fewer of them than it was asked for. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "photos.h"
#include "run_suite.h"

enum { N_PHOTOS = 20 };

static struct photos photos;
static stoker_transform crop;
static stoker_error err;

static void setup(void)
{
    photos_make(&photos, N_PHOTOS);
}

static void teardown(void)
{
    photos_free(&photos);
}

/* Over one epoch; the machine may be busy, so a few times. */
static int measure(int64_t n_samples, stoker_limit *out)
{
    stoker_options opt = photos_options(&crop);
    stoker_dataset *ds = photos_dataset(&photos);
    int rc = -EAGAIN;

    opt.n_epochs = 1;
    opt.shuffle = 0;
    for (int i = 0; i < 20 && rc == -EAGAIN; i++) {
        *out = (stoker_limit){.size = sizeof *out};
        rc = stoker_limit_measure(ds, &opt, n_samples, out, &err);
    }
    stoker_dataset_free(ds);
    return rc;
}

START_TEST(test_bad_samples_are_left_out)
{
    stoker_limit limit;

    photos_break(&photos, 3);
    int rc = measure(N_PHOTOS, &limit);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_gt(limit.n_samples, 0);
    ck_assert_int_lt(limit.n_samples, N_PHOTOS);
    ck_assert_double_gt(limit.limit_img_s, 0);
}
END_TEST

START_TEST(test_no_good_sample_is_the_first_ones_error)
{
    stoker_limit limit;

    for (int i = 0; i < N_PHOTOS; i++)
        photos_break(&photos, i);
    ck_assert_int_eq(measure(1, &limit), -ENODATA);
    ck_assert_msg(strstr(err.text, "photo_000.jpg: truncated"), "%s", err.text);
    ck_assert_int_eq(err.id, 0);
    photos.items[0] = (stoker_item){.path = "/nonexistent.jpg", .length = -1};
    ck_assert_int_eq(measure(1, &limit), -ENOENT);
    ck_assert_msg(strstr(err.text, "/nonexistent.jpg: "), "%s", err.text);
}
END_TEST

START_TEST(test_it_ends_with_the_run)
{
    stoker_limit limit;

    int rc = measure(INT64_MAX, &limit);
    ck_assert_msg(rc == 0, "%s", err.text);
    ck_assert_int_le(limit.n_samples, N_PHOTOS);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("limit");
    TCase *tc = tcase_create("limit");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_bad_samples_are_left_out);
    tcase_add_test(tc, test_no_good_sample_is_the_first_ones_error);
    tcase_add_test(tc, test_it_ends_with_the_run);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
