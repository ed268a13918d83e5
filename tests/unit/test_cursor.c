/* Cursors as bytes: a round trip, and every way in which bytes may lie. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "plan/cursor.h"
#include "run_suite.h"

static stoker_cursor sample(void)
{
    stoker_cursor c = {
        .size = sizeof c,
        .n_items = 1281167,
        .seed = 0xfedcba9876543210u,
        .epoch = 89,
        .consumed = 640000,
        .transforms_hash = 0x0123456789abcdefu,
        .shuffle = 1,
        .planner_version = STOKER_PLANNER_VERSION,
        .pixels = STOKER_PIXELS_PILLOW12,
        .on_error = STOKER_MASK,
        .decoder = "stoker-1 libjpeg-turbo-2.1.5",
    };
    for (uint8_t i = 0; i < 16; i++)
        c.fingerprint[i] = (uint8_t)(i * 11);
    return c;
}

/* Makes the checksum right again after a field was changed. */
static void seal(uint8_t bytes[STOKER_STATE_BYTES])
{
    stk_hash128(bytes, STOKER_STATE_BYTES - 16,
                bytes + STOKER_STATE_BYTES - 16);
}

START_TEST(test_a_cursor_survives_its_bytes)
{
    stoker_cursor in = sample(), out = {.size = sizeof out};
    uint8_t bytes[STOKER_STATE_BYTES];
    stoker_error err;
    stoker_cursor_pack(&in, bytes);
    ck_assert_int_eq(stoker_cursor_unpack(&out, bytes, sizeof bytes, &err), 0);
    ck_assert_mem_eq(&in, &out, sizeof in);
}
END_TEST

START_TEST(test_the_bytes_are_those_of_the_format)
{
    stoker_cursor in = sample();
    uint8_t bytes[STOKER_STATE_BYTES];
    static const uint8_t start[16] = {'s', 't', 'o', 'k', 'c', 'u', 'r', '\n',
                                      1,   0,   0,   0,   192, 0,   0,   0};
    stoker_cursor_pack(&in, bytes);
    ck_assert_mem_eq(bytes, start, sizeof start);
    ck_assert_mem_eq(bytes + 16, in.fingerprint, 16);
    ck_assert_uint_eq(bytes[32], 1281167 & 0xff);
    ck_assert_uint_eq(bytes[40], 0x10);
    ck_assert_uint_eq(bytes[48], 89);
    ck_assert_uint_eq(bytes[64], 0xef);
    ck_assert_str_eq((char *)bytes + 88, in.decoder);
}
END_TEST

START_TEST(test_every_flipped_bit_is_refused)
{
    stoker_cursor in = sample(), out, before;
    uint8_t bytes[STOKER_STATE_BYTES];
    stoker_error err;
    memset(&out, 0x5a, sizeof out);
    out.size = sizeof out;
    before = out;
    stoker_cursor_pack(&in, bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        ck_assert_int_eq(stoker_cursor_unpack(&out, bytes, sizeof bytes, &err),
                         -EBADMSG);
        ck_assert_int_gt((int)strlen(err.text), 20);
        ck_assert_mem_eq(&out, &before, sizeof out);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}
END_TEST

START_TEST(test_any_other_length_is_refused)
{
    stoker_cursor in = sample(), out = {.size = sizeof out};
    uint8_t bytes[2 * STOKER_STATE_BYTES] = {0};
    stoker_error err;
    stoker_cursor_pack(&in, bytes);
    for (size_t n = 0; n < sizeof bytes; n++) {
        uint8_t *exact = malloc(n ? n : 1); /* sanitizers see its end */
        ck_assert_ptr_nonnull(exact);
        memcpy(exact, bytes, n);
        int rc = stoker_cursor_unpack(&out, exact, n, &err);
        ck_assert_int_eq(rc, n == STOKER_STATE_BYTES ? 0 : -EBADMSG);
        free(exact);
    }
    ck_assert_int_eq(stoker_cursor_unpack(&out, NULL, 192, &err), -EINVAL);
    ck_assert_int_eq(stoker_cursor_unpack(NULL, bytes, 192, &err), -EINVAL);
}
END_TEST

/* Sealed lies: the checksum is right, a field is not. */
START_TEST(test_each_impossible_field_has_its_own_reason)
{
    static const struct {
        size_t at;
        uint8_t byte;
        const char *reason;
    } lies[] = {
        {0, 'S', "does not start"},
        {8, 2, "version 2"},
        {12, 191, "another length"},
        {39, 0x80, "number of items"},
        {38, 0x80, "number of items"},
        {55, 0x80, "epoch"},
        {63, 0x80, "position"},
        {62, 1, "position"},
        {72, 2, "shuffle"},
        {76, 0, "planner version"},
        {80, 9, "pixels"},
        {84, 7, "on_error"},
        {88, '\n', "decoder"},
        {127, 1, "decoder"},
        {128, 1, "reserved"},
        {175, 1, "reserved"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        stoker_cursor in = sample(), out = {.size = sizeof out};
        uint8_t bytes[STOKER_STATE_BYTES];
        stoker_error err;
        stoker_cursor_pack(&in, bytes);
        bytes[lies[i].at] = lies[i].byte;
        seal(bytes);
        ck_assert_int_eq(stoker_cursor_unpack(&out, bytes, sizeof bytes, &err),
                         -EBADMSG);
        ck_assert_msg(strstr(err.text, lies[i].reason) != NULL, "%s", err.text);
    }
}
END_TEST

START_TEST(test_a_decoder_without_an_end_is_refused)
{
    stoker_cursor in = sample(), out = {.size = sizeof out};
    uint8_t bytes[STOKER_STATE_BYTES];
    stoker_error err;
    memset(in.decoder, 'd', sizeof in.decoder); /* packed cut, with its end */
    stoker_cursor_pack(&in, bytes);
    ck_assert_int_eq(stoker_cursor_unpack(&out, bytes, sizeof bytes, &err), 0);
    ck_assert_uint_eq(strlen(out.decoder), sizeof out.decoder - 1);
    memset(bytes + 88, 'd', 40);
    seal(bytes);
    ck_assert_int_eq(stoker_cursor_unpack(&out, bytes, sizeof bytes, &err),
                     -EBADMSG);
    ck_assert_ptr_nonnull(strstr(err.text, "decoder"));
}
END_TEST

START_TEST(test_an_older_callers_shorter_cursor_is_respected)
{
    stoker_cursor in = sample(), out;
    uint8_t bytes[STOKER_STATE_BYTES];
    stoker_error err;
    stoker_cursor_pack(&in, bytes);
    memset(&out, 0x77, sizeof out);
    out.size = 8;
    ck_assert_int_eq(stoker_cursor_unpack(&out, bytes, sizeof bytes, &err),
                     -EINVAL);
    ck_assert_uint_eq(out.fingerprint[0], 0x77);
}
END_TEST

START_TEST(test_each_mismatch_is_its_own_sentence)
{
    for (int k = 0; k < 6; k++) {
        static const char *const says[6] = {"fingerprint", "items",   "seed",
                                            "shuffle",     "planner", "pixels"};
        stoker_cursor mine = sample(), saved = sample();
        stoker_error err;
        char warning[400];
        switch (k) {
        case 0:
            saved.fingerprint[15]++;
            break;
        case 1:
            saved.n_items++;
            break;
        case 2:
            saved.seed++;
            break;
        case 3:
            saved.shuffle = 0;
            break;
        case 4:
            saved.planner_version++;
            break;
        default:
            saved.pixels = STOKER_PIXELS_PILLOW13;
        }
        ck_assert_int_eq(
            stk_cursor_check(&saved, &mine, warning, sizeof warning, &err),
            -ESTALE);
        for (int other = 0; other < 6; other++)
            ck_assert_msg((strstr(err.text, says[other]) != NULL) ==
                              (other == k),
                          "%d/%d: %s", k, other, err.text);
    }
}
END_TEST

START_TEST(test_all_mismatches_at_once_are_all_said)
{
    stoker_cursor mine = sample(), saved = sample();
    stoker_error err;
    saved.n_items = (int64_t)1 << 48;
    saved.seed = UINT64_MAX;
    mine.seed = UINT64_MAX - 1;
    saved.fingerprint[0]++;
    saved.shuffle = 0;
    saved.planner_version = INT32_MAX;
    saved.pixels = STOKER_PIXELS_PILLOW13;
    ck_assert_int_eq(stk_cursor_check(&saved, &mine, NULL, 0, &err), -ESTALE);
    ck_assert_ptr_nonnull(strstr(err.text, "items"));
    ck_assert_ptr_nonnull(strstr(err.text, "fingerprint"));
    ck_assert_ptr_nonnull(strstr(err.text, "pixels=pillow13"));
}
END_TEST

START_TEST(test_other_transforms_and_decoders_are_only_warned_of)
{
    stoker_cursor mine = sample(), saved = sample();
    stoker_error err;
    char warning[400] = "x";
    ck_assert_int_eq(
        stk_cursor_check(&saved, &mine, warning, sizeof warning, &err), 0);
    ck_assert_str_eq(warning, "");
    saved.transforms_hash++;
    memset(saved.decoder, 'd', 39);
    saved.epoch = 3;
    saved.on_error = STOKER_RAISE;
    ck_assert_int_eq(
        stk_cursor_check(&saved, &mine, warning, sizeof warning, &err), 0);
    ck_assert_ptr_nonnull(strstr(warning, "other transforms"));
    ck_assert_ptr_nonnull(strstr(warning, "decoder \"dddd"));
    ck_assert_int_eq(stk_cursor_check(&saved, &mine, NULL, 0, NULL), 0);
    for (size_t n = 0; n < sizeof warning; n++) {
        memset(warning, 'w', sizeof warning);
        stk_cursor_check(&saved, &mine, warning, n, &err);
        ck_assert(n == 0 || strnlen(warning, n) < n);
        ck_assert_int_eq(warning[n], 'w');
    }
}
END_TEST

START_TEST(test_a_place_outside_the_epoch_is_refused)
{
    stoker_cursor mine = sample(), saved = sample();
    stoker_error err;
    saved.consumed = saved.n_items;
    ck_assert_int_eq(stk_cursor_check(&saved, &mine, NULL, 0, &err), 0);
    saved.consumed++;
    ck_assert_int_eq(stk_cursor_check(&saved, &mine, NULL, 0, &err), -EINVAL);
    saved.consumed = -1;
    ck_assert_int_eq(stk_cursor_check(&saved, &mine, NULL, 0, &err), -EINVAL);
    saved.consumed = 0;
    saved.epoch = -1;
    ck_assert_int_eq(stk_cursor_check(&saved, &mine, NULL, 0, &err), -EINVAL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cursor");
    TCase *tc = tcase_create("cursor");
    tcase_add_test(tc, test_a_cursor_survives_its_bytes);
    tcase_add_test(tc, test_the_bytes_are_those_of_the_format);
    tcase_add_test(tc, test_every_flipped_bit_is_refused);
    tcase_add_test(tc, test_any_other_length_is_refused);
    tcase_add_test(tc, test_each_impossible_field_has_its_own_reason);
    tcase_add_test(tc, test_a_decoder_without_an_end_is_refused);
    tcase_add_test(tc, test_an_older_callers_shorter_cursor_is_respected);
    tcase_add_test(tc, test_each_mismatch_is_its_own_sentence);
    tcase_add_test(tc, test_all_mismatches_at_once_are_all_said);
    tcase_add_test(tc, test_other_transforms_and_decoders_are_only_warned_of);
    tcase_add_test(tc, test_a_place_outside_the_epoch_is_refused);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
