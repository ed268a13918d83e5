/* Every bad option, item and state of the contract: refused where it is given,
 * with words that name it. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "photos.h"
#include "run_suite.h"
#include "seen.h"

enum { N_PHOTOS = 4, DEADLINE_MS = 20000 };

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

/* ---- options ---------------------------------------------------------------
 */

static void o_rank(stoker_options *o)
{
    o->rank = 1;
}
static void o_negative_rank(stoker_options *o)
{
    o->rank = -1;
}
static void o_world(stoker_options *o)
{
    o->world_size = 0;
}
static void o_batch(stoker_options *o)
{
    o->batch_size = 0;
}
static void o_negative_batch(stoker_options *o)
{
    o->batch_size = -5;
}
static void o_huge_batch(stoker_options *o)
{
    o->batch_size = INT64_MAX;
}
static void o_global(stoker_options *o)
{
    o->global_batch_size = -1;
}
static void o_epochs(stoker_options *o)
{
    o->n_epochs = -1;
}
static void o_io(stoker_options *o)
{
    o->io = 9;
}
static void o_workers(stoker_options *o)
{
    o->n_workers = -1;
}
static void o_ahead(stoker_options *o)
{
    o->reads_ahead = 0;
}
static void o_stall(stoker_options *o)
{
    o->stall_timeout_ms = 0;
}
static void o_retry(stoker_options *o)
{
    o->retry_ms = -1;
}
static void o_pixels(stoker_options *o)
{
    o->max_pixels = 0;
}
static void o_side(stoker_options *o)
{
    o->max_side = -1;
}
static void o_bytes(stoker_options *o)
{
    o->max_file_bytes = 0;
}
static void o_scans(stoker_options *o)
{
    o->max_scans = 0;
}
static void o_decode_ms(stoker_options *o)
{
    o->max_decode_ms = 0;
}
static void o_dtype(stoker_options *o)
{
    o->dtype = STOKER_I64;
}
static void o_layout(stoker_options *o)
{
    o->layout = 2;
}
static void o_on_error(stoker_options *o)
{
    o->on_error = 3;
}
static void o_damaged(stoker_options *o)
{
    o->damaged = -1;
}
static void o_max_bad(stoker_options *o)
{
    o->max_bad = -2;
}
static void o_run(stoker_options *o)
{
    o->max_bad_run = -1;
}
static void o_unlimited(stoker_options *o)
{
    o->unlimited_bad = 2;
}
static void o_fraction_nan(stoker_options *o)
{
    o->max_bad_fraction = NAN;
}
static void o_fraction(stoker_options *o)
{
    o->max_bad_fraction = 1.5;
}
static void o_slots(stoker_options *o)
{
    o->n_slots = 1;
}
static void o_ledger(stoker_options *o)
{
    o->ledger_path = "/no/such/x";
}
static void o_arena(stoker_options *o)
{
    o->arena = &err; /* not aligned to a page */
    o->arena_bytes = 64;
}
static void o_no_size(stoker_options *o)
{
    crop = stoker_center_crop(0, 8);
    o->transforms = &crop;
}
static void o_huge_size(stoker_options *o)
{
    crop = stoker_center_crop(INT32_MAX, INT32_MAX);
    o->transforms = &crop;
}
static void o_nan_scale(stoker_options *o)
{
    crop = stoker_random_resized_crop(8, 8);
    crop.as.random_resized_crop.scale[0] = NAN;
    o->transforms = &crop;
}
static void o_nan_flip(stoker_options *o)
{
    static stoker_transform list[2];
    list[0] = stoker_center_crop(8, 8);
    list[1] = stoker_random_horizontal_flip(NAN);
    o->transforms = list;
    o->n_transforms = 2;
}
static void o_zero_std(stoker_options *o)
{
    static const float mean[3], std[3];
    static stoker_transform list[2];
    list[0] = stoker_center_crop(8, 8);
    list[1] = stoker_normalize(mean, std);
    o->transforms = list;
    o->n_transforms = 2;
    o->dtype = STOKER_F32;
}

static const struct option_row {
    void (*set)(stoker_options *opt);
    const char *words;
} options[] = {
    {o_rank, "rank"},
    {o_negative_rank, "rank"},
    {o_world, "world_size"},
    {o_batch, "batch_size"},
    {o_negative_batch, "batch_size"},
    {o_huge_batch, "batch_size"},
    {o_global, "global_batch_size"},
    {o_epochs, "n_epochs"},
    {o_io, "io"},
    {o_workers, "n_workers"},
    {o_ahead, "reads_ahead"},
    {o_stall, "stall_timeout_ms"},
    {o_retry, "retry_ms"},
    {o_pixels, "max_pixels"},
    {o_side, "max_side"},
    {o_bytes, "max_file_bytes"},
    {o_scans, "max_scans"},
    {o_decode_ms, "max_decode_ms"},
    {o_dtype, "dtype"},
    {o_layout, "layout"},
    {o_on_error, "on_error"},
    {o_damaged, "damaged"},
    {o_max_bad, "max_bad"},
    {o_run, "max_bad_run"},
    {o_unlimited, "unlimited_bad"},
    {o_fraction_nan, "max_bad_fraction"},
    {o_fraction, "max_bad_fraction"},
    {o_slots, "n_slots"},
    {o_ledger, "ledger /no/such/x"},
    {o_arena, "arena"},
    {o_no_size, "CenterCrop"},
    {o_huge_size, "CenterCrop"},
    {o_nan_scale, "RandomResizedCrop"},
    {o_nan_flip, "RandomHorizontalFlip"},
    {o_zero_std, "Normalize"},
};

START_TEST(test_bad_option_is_named)
{
    stoker_options opt = photos_options(&crop);
    stoker_dataset *ds = photos_dataset(&photos);
    stoker_loader *loader = NULL;

    options[_i].set(&opt);
    int rc = stoker_loader_open(&loader, ds, &opt, &err);
    ck_assert_msg(rc < 0, "row %d (%s) was accepted", _i, options[_i].words);
    seen(options[_i].words, rc, err.text);
    ck_assert_int_eq(err.code, rc);
    ck_assert_msg(strstr(err.text, options[_i].words), "'%s' lacks '%s'",
                  err.text, options[_i].words);
    ck_assert_ptr_null(loader);
    stoker_dataset_free(ds);
}
END_TEST

/* ---- items, states, changes ------------------------------------------------
 */

START_TEST(test_bad_item_is_named_by_its_index)
{
    const struct {
        stoker_item item;
        const char *words;
    } rows[] = {
        {{.length = -1}, "path is NULL"},
        {{.path = "", .length = -1}, "path is empty"},
        {{.path = "x", .length = -2}, "length"},
        {{.path = "x", .offset = -1}, "offset"},
        {{.path = "x", .offset = INT64_MAX, .length = 2}, "2^63"},
        {{.path = "x", .length = -1, .label = -100}, "label -100"},
        {{.source = STOKER_SOURCE_MEMORY, .length = 3}, "data is NULL"},
        {{.source = 7, .path = "x"}, "source"},
        {{.path = "x", .length = -1, .reserved0 = 1}, "reserved0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        stoker_dataset *ds = NULL;
        stoker_item items[2] = {{.path = "x", .length = -1}, rows[i].item};
        int rc =
            stoker_dataset_from_items(&ds, items, 2, sizeof items[0], &err);
        ck_assert_int_eq(rc, -EINVAL);
        seen(rows[i].words, rc, err.text);
        ck_assert_msg(strstr(err.text, "items[1]") &&
                          strstr(err.text, rows[i].words),
                      "'%s' lacks '%s'", err.text, rows[i].words);
    }
}
END_TEST

START_TEST(test_memory_items_are_named_in_errors)
{
    photos.items[0].length = 0;
    photos.items[1].length = 1 << 20; /* not read: over the limit */
    for (int i = 0; i < 2; i++) {
        stoker_options opt = photos_options(&crop);
        stoker_dataset *ds = NULL;
        stoker_loader *loader = NULL;
        stoker_batch *batch;
        opt.max_file_bytes = 10000;
        ck_assert_int_eq(stoker_dataset_from_items(&ds, &photos.items[i], 1,
                                                   sizeof(stoker_item), &err),
                         0);
        ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, &err), 0);
        ck_assert_int_eq(stoker_loader_next(loader, &batch, DEADLINE_MS, &err),
                         i ? -EFBIG : -ENODATA);
        ck_assert_msg(strstr(err.text, photos.names[i]), "%s", err.text);
        stoker_loader_close(&loader);
        stoker_dataset_free(ds);
    }
}
END_TEST

START_TEST(test_state_of_another_data_set_is_refused)
{
    stoker_options opt = photos_options(&crop);
    stoker_dataset *ds[2] = {photos_dataset(&photos), NULL};
    stoker_loader *loader[2] = {NULL, NULL};
    stoker_cursor cursor = {.size = sizeof cursor};

    photos.items[1].label = 77;
    ds[1] = photos_dataset(&photos);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(stoker_loader_open(&loader[i], ds[i], &opt, &err), 0);
    stoker_loader_cursor(loader[0], &cursor);
    ck_assert_int_eq(stoker_loader_seek(loader[1], &cursor, &err), -ESTALE);
    ck_assert_msg(strstr(err.text, "data set"), "%s", err.text);
    seen("foreign state", -ESTALE, err.text);
    for (int i = 0; i < 2; i++) {
        stoker_loader_close(&loader[i]);
        stoker_dataset_free(ds[i]);
    }
}
END_TEST

START_TEST(test_nulls_and_structs_without_a_size_are_refused)
{
    stoker_options opt = photos_options(&crop);
    stoker_dataset *ds = photos_dataset(&photos);
    stoker_loader *loader = NULL;
    stoker_checker *checker = NULL;
    stoker_batch *batch = NULL;
    stoker_cursor cursor = {.size = 0};
    stoker_tensor tensor = {.size = 0};
    size_t bytes;
    void *view;

    ck_assert_int_eq(stoker_loader_open(NULL, ds, &opt, &err), -EINVAL);
    ck_assert_int_eq(stoker_loader_open(&loader, NULL, &opt, &err), -EINVAL);
    opt.size = 0;
    ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, &err), -EINVAL);
    seen("options without a size", -EINVAL, err.text);
    ck_assert_int_eq(stoker_arena_bytes(&opt, &bytes, NULL), -EINVAL);
    opt = photos_options(&crop);
    ck_assert_int_eq(stoker_arena_bytes(&opt, NULL, &err), -EINVAL);
    ck_assert_int_eq(stoker_loader_open(&loader, ds, &opt, NULL), 0);
    ck_assert_int_eq(stoker_loader_seek(loader, &cursor, &err), -EINVAL);
    ck_assert_int_eq(stoker_loader_next(loader, NULL, -1, &err), -EINVAL);
    ck_assert_int_eq(stoker_loader_next(NULL, &batch, -1, NULL), -EINVAL);
    ck_assert_int_eq(stoker_loader_next(loader, &batch, -1, NULL), 0);
    ck_assert_int_eq(stoker_batch_tensor(batch, "image", &tensor), -EINVAL);
    ck_assert_int_eq(stoker_batch_tensor(batch, "image", NULL), -EINVAL);
    ck_assert_int_eq(stoker_batch_dlpack(batch, NULL, 1, &view, &err), -EINVAL);
    stoker_batch_release(batch);
    stoker_batch_release(NULL);
    ck_assert_int_eq(stoker_checker_open(&checker, NULL, NULL, &err), -EINVAL);
    ck_assert_int_eq(stoker_checker_check(NULL, 0, NULL, NULL), -EINVAL);
    stoker_checker_close(&checker);
    stoker_dataset_free(ds);
    ck_assert_int_eq(stoker_loader_close(&loader), 0);
    ck_assert_int_eq(stoker_loader_close(&loader), 0); /* it is NULL now */
    ck_assert_int_eq(stoker_loader_close(NULL), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("bad options");
    TCase *tc = tcase_create("rows");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_bad_option_is_named, 0,
                        (int)(sizeof options / sizeof options[0]));
    tcase_add_test(tc, test_bad_item_is_named_by_its_index);
    tcase_add_test(tc, test_memory_items_are_named_in_errors);
    tcase_add_test(tc, test_nulls_and_structs_without_a_size_are_refused);
    tcase_add_test(tc, test_state_of_another_data_set_is_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
