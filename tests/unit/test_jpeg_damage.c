/* Damaged and wild JPEGs through stoker's Huffman decoding: not mine, or
 * right after all; at every CPU level. */
#include "jpeg_check.h"

START_TEST(test_every_truncation_is_not_mine_or_right)
{
    for (int kind = 0; kind < 4; kind++) {
        struct jpeg_file file = small_file(kind);
        for (size_t n = 0; n < file.n; n++) {
            unsigned char *data = malloc(n ? n : 1);
            memcpy(data, file.data, n);
            check_file(data, n, true);
            free(data);
        }
        free(file.data);
    }
}
END_TEST

START_TEST(test_flipped_bits_are_not_mine_or_right)
{
    unsigned random = 2463534242u;
    int mine = 0, n_cases = 4000;
    for (int i = 0; i < n_cases; i++) {
        struct jpeg_file file = small_file(i & 3);
        unsigned char *data = malloc(file.n);
        memcpy(data, file.data, file.n);
        for (int flips = 1 + i / 4 % 4; flips; flips--) {
            random ^= random << 13;
            random ^= random >> 17;
            random ^= random << 5;
            /* Half of them in the header. */
            size_t span = random & 1 ? file.n : file.n < 640 ? file.n : 640;
            data[(random >> 4) % span] ^=
                (unsigned char)(1u << (random >> 1 & 7));
        }
        mine += check_file(data, file.n, true) == 0;
        free(data);
        free(file.data);
    }
    printf("flipped bits: %d of %d still ours, and right\n", mine, n_cases);
}
END_TEST

/* Overwrites the values of quantisation tables, which lie behind FF DB and a
 * length of 67: of all, or of the second alone (chroma). */
static void set_quant(struct jpeg_file *file, int value, bool second_alone)
{
    int n = 0;
    for (size_t i = 0; i + 69 <= file->n; i++)
        if (file->data[i] == 0xff && file->data[i + 1] == 0xdb &&
            (n++ || !second_alone))
            memset(file->data + i + 5, value, 64);
}

/* The greatest product of a coefficient and its quantiser. */
static int greatest_product(const struct stk_jpeg *jpeg,
                            const struct jpeg_file *file)
{
    struct jpeg_truth truth;
    int most = 0;

    jpeg_truth_of(&truth, jpeg, file->data, file->n);
    for (size_t i = 0; i < truth.n_blocks * 64; i++) {
        size_t block = i / 64 % (size_t)jpeg->n_blocks;
        int c = jpeg->block_component[block];
        int product = abs(truth.blocks[i]) * jpeg->component[c].quant[i % 64];
        if (product > most)
            most = product;
    }
    jpeg_truth_free(&truth);
    return most;
}

static void check_products(struct jpeg_file file, int *n_fit)
{
    struct stk_jpeg jpeg;
    struct stk_span bytes = {file.data, file.n};

    ck_assert_int_eq(stk_jpeg_parse(&jpeg, bytes), 0);
    bool fits = greatest_product(&jpeg, &file) <= 32767;
    ck_assert_int_eq(check_file(file.data, file.n, true), !fits);
    *n_fit += fits;
    /* What is skipped needs no product. */
    uint32_t n = (uint32_t)(jpeg.mcus_x * jpeg.mcus_y);
    ck_assert_int_eq(stk_entropy_begin(entropy, &jpeg, bytes, true), 0);
    ck_assert_int_eq(stk_entropy_skip(entropy, n), 0);
    free(file.data);
}

START_TEST(test_products_that_leave_16_bits_are_not_mine)
{
    struct jpeg_wish wish = {.width = 64,
                             .height = 64,
                             .n_components = 3,
                             .quality = 100,
                             .seed = 5,
                             .noise = 255};
    for (int second_alone = 0; second_alone < 2; second_alone++) {
        int n_fit = 0;
        for (int quant = 1; quant < 256; quant++) {
            struct jpeg_file file = jpeg_make(&wish);
            set_quant(&file, quant, second_alone);
            check_products(file, &n_fit);
        }
        ck_assert_int_gt(n_fit, 10);
        ck_assert_int_lt(n_fit, 250);
    }
}
END_TEST

START_TEST(test_dc_values_that_leave_16_bits_are_not_mine)
{
    /* One black pixel: DC is -1024, all else zero. */
    struct jpeg_wish wish = {
        .width = 1, .height = 1, .n_components = 1, .quality = 100};
    for (int quant = 1; quant < 256; quant++) {
        struct jpeg_file file = jpeg_make(&wish);
        set_quant(&file, quant, false);
        ck_assert_int_eq(check_file(file.data, file.n, true),
                         1024 * quant > 32767);
        free(file.data);
    }
}
END_TEST

START_TEST(test_restart_markers_out_of_turn_are_not_mine)
{
    struct jpeg_file file = small_file(2);
    int n_markers = 0;
    for (size_t i = 0; i + 1 < file.n; i++) {
        unsigned char *at = file.data + i, was[2] = {at[0], at[1]};
        if (at[0] != 0xff || at[1] < 0xd0 || at[1] > 0xd7)
            continue;
        n_markers++;
        for (int other = 0; other < 256; other++) {
            at[1] = (unsigned char)other;
            ck_assert_int_eq(check_file(file.data, file.n, true),
                             other != was[1]);
        }
        at[1] = was[1];
        /* A byte too many in front of it, and one too few. */
        unsigned char *more = malloc(file.n + 1);
        memcpy(more, file.data, i);
        more[i] = 0x55;
        memcpy(more + i + 1, at, file.n - i);
        ck_assert_int_eq(check_file(more, file.n + 1, true), 1);
        memmove(more + i - 1, at, file.n - i);
        check_file(more, file.n - 1, true);
        free(more);
    }
    ck_assert_int_eq(n_markers, 8);
    free(file.data);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("jpeg_damage");
    TCase *tc = tcase_create("against libjpeg");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, test_every_truncation_is_not_mine_or_right);
    tcase_add_test(tc, test_flipped_bits_are_not_mine_or_right);
    tcase_add_test(tc, test_products_that_leave_16_bits_are_not_mine);
    tcase_add_test(tc, test_dc_values_that_leave_16_bits_are_not_mine);
    tcase_add_test(tc, test_restart_markers_out_of_turn_are_not_mine);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return check_levels(make_suite);
}
