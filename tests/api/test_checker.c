/* The checker's verdict is that of a loader with the same options. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "photos.h"
#include "run_suite.h"

START_TEST(test_checker_refuses_what_is_too_small_for_the_transforms)
{
    struct photos photos;
    photos_make(&photos, 2);
    stoker_dataset *ds = photos_dataset(&photos);
    stoker_transform crop;
    stoker_error err;
    stoker_image_info info = {.size = sizeof info};
    stoker_checker *checker = NULL;
    stoker_options opt = photos_options(&crop);

    crop = stoker_random_crop(16, 24); /* all of a photo */
    ck_assert_int_eq(stoker_checker_open(&checker, ds, &opt, &err), 0);
    ck_assert_int_eq(stoker_checker_check(checker, 1, &info, &err), 0);
    stoker_checker_close(&checker);
    crop = stoker_random_crop(17, 24);
    ck_assert_int_eq(stoker_checker_open(&checker, ds, &opt, &err), 0);
    ck_assert_int_eq(stoker_checker_check(checker, 1, &info, &err), -ERANGE);
    ck_assert_msg(strstr(err.text, photos.names[1]), "%s", err.text);
    ck_assert_int_eq(err.stage, STOKER_STAGE_AUGMENT);
    ck_assert_int_eq(err.id, 1);
    ck_assert_int_eq(info.width, 24);
    stoker_checker_close(&checker);
    crop.kind = 99;
    ck_assert_int_eq(stoker_checker_open(&checker, ds, &opt, &err), -EINVAL);
    stoker_dataset_free(ds);
    photos_free(&photos);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("checker");
    TCase *tc = tcase_create("checker");

    tcase_add_test(tc,
                   test_checker_refuses_what_is_too_small_for_the_transforms);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
