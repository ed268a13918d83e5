/* stoker's Huffman decoding against libjpeg's coefficients, for every CPU
 * level: real files and made ones. */
#include <ftw.h>

#include "jpeg_check.h"

static int n_files, n_ours;

static int visit(const char *path, const struct stat *st, int type,
                 struct FTW *ftw)
{
    (void)ftw;
    if (type != FTW_F || st->st_size == 0)
        return 0;
    /* Exactly as long as the file: a byte read behind it is found. */
    unsigned char *data = malloc((size_t)st->st_size);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fread(data, 1, (size_t)st->st_size, f),
                      (size_t)st->st_size);
    fclose(f);
    n_files++;
    n_ours += check_file(data, (size_t)st->st_size, true) == 0;
    free(data);
    return 0;
}

static int look_into(const char *folder)
{
    char path[4096];
    n_files = n_ours = 0;
    snprintf(path, sizeof path, "%s/%s", STK_TEST_DATA, folder);
    return nftw(path, visit, 16, FTW_PHYS);
}

START_TEST(test_real_files_decode_as_libjpeg_decodes_them)
{
    if (look_into("imagenet-sample") != 0) {
        printf("SKIPPED: no sample images beside the project\n");
        return;
    }
    printf("imagenet-sample: %d files, %d ours\n", n_files, n_ours);
    ck_assert_int_ge(n_ours * 100, n_files * 98);
}
END_TEST

START_TEST(test_odd_files_are_ours_only_if_right)
{
    if (look_into("odd") != 0)
        printf("SKIPPED: no odd files beside the project\n");
    else
        printf("odd: %d files, %d ours\n", n_files, n_ours);
}
END_TEST

static void check_wish(const struct jpeg_wish *wish)
{
    struct jpeg_file file = jpeg_make(wish);
    unsigned char *data = malloc(file.n);
    memcpy(data, file.data, file.n);
    ck_assert_msg(check_file(data, file.n, false) == 0,
                  "not mine: %dx%d n %d %dx%d quality %d restart %d noise %d",
                  wish->width, wish->height, wish->n_components, wish->h,
                  wish->v, wish->quality, wish->restart, wish->noise);
    free(data);
    free(file.data);
}

START_TEST(test_every_sampling_size_and_restart_interval)
{
    static const int sizes[] = {1,  2,  7,  8,  9,  15, 16, 17,
                                23, 24, 25, 31, 32, 33, 63, 70};
    unsigned seed = 1;
    for (size_t x = 0; x < 16; x++)
        for (size_t y = 0; y < 16; y++)
            for (int kind = 0; kind < 5; kind++) {
                struct jpeg_wish wish = {
                    .width = sizes[x],
                    .height = sizes[y],
                    .n_components = kind == 4 ? 1 : 3,
                    .h = kind == 4 ? 1 + (int)(seed & 1) : 1 + (kind & 1),
                    .v = kind == 4 ? 1 + (int)(seed >> 1 & 1) : 1 + kind / 2,
                    .quality = 1 + (int)(seed * 37 % 100),
                    .restart = (int)(seed % 3 ? 0 : seed / 3 % 12),
                    .optimise = seed % 5 < 2,
                    .rgb = kind == 0 && seed % 7 == 0,
                    .wide_quant = seed % 11 == 0,
                    .seed = seed,
                    .noise = (int)(seed * 53 % 256),
                };
                check_wish(&wish);
                seed++;
            }
}
END_TEST

START_TEST(test_every_quality)
{
    for (int quality = 1; quality <= 100; quality++)
        for (int noise = 0; noise < 256; noise += 85) {
            struct jpeg_wish wish = {.width = 100,
                                     .height = 75,
                                     .n_components = 3,
                                     .h = 1 + quality % 2,
                                     .v = 1 + quality / 2 % 2,
                                     .quality = quality,
                                     .optimise = quality % 3 == 0,
                                     .seed = (unsigned)quality,
                                     .noise = noise};
            check_wish(&wish);
        }
}
END_TEST

START_TEST(test_long_files_cross_the_buffer_anywhere)
{
    for (int kind = 0; kind < 6; kind++) {
        struct jpeg_wish wish = {.width = 700 + kind,
                                 .height = 500 + 3 * kind,
                                 .n_components = kind == 5 ? 1 : 3,
                                 .h = 1 + (kind & 1),
                                 .v = 1 + (kind >> 1 & 1),
                                 .quality = 100,
                                 .restart = kind == 3   ? 500
                                            : kind == 4 ? 1
                                                        : 0,
                                 .optimise = kind & 1,
                                 .seed = 7,
                                 .noise = 255};
        check_wish(&wish);
    }
}
END_TEST

/* A decoder keeps the tables it has built: which file came before must not
 * matter, whatever slots it used for whatever codes. */
START_TEST(test_files_share_tables_only_where_they_are_the_same)
{
    unsigned random = 1;
    for (int i = 0; i < 2000; i++) {
        random = random * 1664525u + 1013904223u;
        struct jpeg_wish wish = {.width = 33,
                                 .height = 20,
                                 .n_components = random >> 31 ? 3 : 1,
                                 .quality = random >> 30 & 1 ? 75 : 100,
                                 .optimise = (random >> 27 & 7) == 0,
                                 .swap_dc = (int)(random >> 24 & 7),
                                 .swap_ac = (int)(random >> 21 & 7),
                                 .seed = random >> 19 & 3,
                                 .noise = 200};
        check_wish(&wish);
    }
}
END_TEST

START_TEST(test_more_mcus_than_there_are_is_not_mine)
{
    struct jpeg_file file = small_file(0);
    struct stk_jpeg jpeg;
    struct stk_span bytes = {file.data, file.n};
    ck_assert_int_eq(stk_jpeg_parse(&jpeg, bytes), 0);
    uint32_t n = (uint32_t)(jpeg.mcus_x * jpeg.mcus_y);
    ck_assert_int_eq(stk_entropy_begin(entropy, &jpeg, bytes, true), 0);
    ck_assert_int_eq(stk_entropy_skip(entropy, n), 0);
    ck_assert_int_eq(stk_entropy_skip(entropy, 1), 1);
    ck_assert_int_eq(stk_entropy_begin(entropy, &jpeg, bytes, false), 0);
    ck_assert_int_eq(stk_entropy_values(entropy, n, make_room((size_t)n * 6)),
                     0);
    free(file.data);
}
END_TEST

static Suite *make_suite(void)
{
    Suite *s = suite_create("jpeg_entropy");
    TCase *tc = tcase_create("against libjpeg");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, test_real_files_decode_as_libjpeg_decodes_them);
    tcase_add_test(tc, test_odd_files_are_ours_only_if_right);
    tcase_add_test(tc, test_every_sampling_size_and_restart_interval);
    tcase_add_test(tc, test_every_quality);
    tcase_add_test(tc, test_long_files_cross_the_buffer_anywhere);
    tcase_add_test(tc, test_files_share_tables_only_where_they_are_the_same);
    tcase_add_test(tc, test_more_mcus_than_there_are_is_not_mine);
    suite_add_tcase(s, tc);
    return s;
}

int main(void)
{
    return check_levels(make_suite);
}
