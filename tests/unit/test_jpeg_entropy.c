/* stoker's Huffman decoding against libjpeg's coefficients, for every CPU
 * level: real files, made files, cut files, files with flipped bits. */
#include <check.h>
#include <ftw.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "jpeg_oracle.h"
#include "stoker/stoker.h"

static struct stk_entropy *entropy;
static int16_t *room; /* for room_blocks and the slack */
static size_t room_blocks;

static int16_t *make_room(size_t n_blocks)
{
    if (n_blocks > room_blocks) {
        stk_free(room);
        room = stk_calloc_aligned(n_blocks * 64 + STK_ENTROPY_SLACK, 2);
        ck_assert_ptr_nonnull(room);
        room_blocks = n_blocks;
    }
    memset(room, 0x55, n_blocks * 128);
    return room;
}

static struct stk_span exactly(const unsigned char *data, size_t n)
{
    return (struct stk_span){data, n};
}

/* All blocks, MCU row by row; the rows' places are left in places. */
static int decode_all(const struct stk_jpeg *jpeg, struct stk_span bytes,
                      struct stk_entropy_place *places)
{
    size_t row = (size_t)jpeg->mcus_x * (size_t)jpeg->n_blocks * 64;
    int16_t *out = make_room(row / 64 * (size_t)jpeg->mcus_y);
    if (stk_entropy_begin(entropy, jpeg, bytes, true))
        return 1;
    for (int y = 0; y < jpeg->mcus_y; y++, out += row) {
        if (stk_entropy_values(entropy, (uint32_t)jpeg->mcus_x, out))
            return 1;
        stk_entropy_where(entropy, &places[y]);
    }
    return 0;
}

static void check_skip(const struct stk_jpeg *jpeg, struct stk_span bytes,
                       const struct stk_entropy_place *places)
{
    /* Whole rows, then the first half of each by skip, the rest by values. */
    size_t row = (size_t)jpeg->mcus_x * (size_t)jpeg->n_blocks * 64;
    uint32_t half = (uint32_t)jpeg->mcus_x / 2;
    int16_t *out = stk_calloc_aligned(row + STK_ENTROPY_SLACK, 2);

    for (int mixed = 0; mixed < 2; mixed++) {
        ck_assert_int_eq(stk_entropy_begin(entropy, jpeg, bytes, true), 0);
        for (int y = 0; y < jpeg->mcus_y; y++) {
            struct stk_entropy_place at = {0};
            uint32_t by_skip = mixed ? half : (uint32_t)jpeg->mcus_x;
            uint32_t by_values = (uint32_t)jpeg->mcus_x - by_skip;
            ck_assert_int_eq(stk_entropy_skip(entropy, by_skip), 0);
            ck_assert_int_eq(stk_entropy_values(entropy, by_values, out), 0);
            size_t n = (size_t)by_values * (size_t)jpeg->n_blocks * 64;
            ck_assert_mem_eq(out, room + (size_t)(y + 1) * row - n, n * 2);
            stk_entropy_where(entropy, &at);
            ck_assert_uint_eq(at.mcu, places[y].mcu);
            ck_assert_uint_eq(at.bit, places[y].bit);
            ck_assert_mem_eq(at.dc, places[y].dc, sizeof at.dc);
        }
    }
    stk_free(out);
}

/* 0 ours and right, 1 not mine; anything else fails the test. */
static int check_file(const unsigned char *data, size_t n, bool damaged)
{
    struct stk_jpeg jpeg;
    struct jpeg_truth truth;
    struct stk_span bytes = exactly(data, n);

    if (stk_jpeg_parse(&jpeg, bytes))
        return 1;
    if ((int64_t)jpeg.mcus_x * jpeg.mcus_y > 1 << 20)
        return 1;
    struct stk_entropy_place *places =
        calloc((size_t)jpeg.mcus_y, sizeof *places);
    int not_mine = decode_all(&jpeg, bytes, places);
    if (!not_mine) {
        jpeg_truth_of(&truth, &jpeg, data, n);
        ck_assert_int_eq(truth.error, 0);
        ck_assert_int_eq(jpeg_truth_differs(&truth, room, truth.n_blocks), -1);
        jpeg_truth_free(&truth);
        check_skip(&jpeg, bytes, places);
    } else if (damaged && stk_entropy_begin(entropy, &jpeg, bytes, true) == 0) {
        stk_entropy_skip(entropy, (uint32_t)(jpeg.mcus_x * jpeg.mcus_y));
    }
    free(places);
    return not_mine;
}

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
    if (look_into("imagenet-sample") != 0)
        return;
    printf("imagenet-sample: %d files, %d ours\n", n_files, n_ours);
    ck_assert_int_ge(n_ours * 100, n_files * 98);
}
END_TEST

START_TEST(test_odd_files_are_ours_only_if_right)
{
    if (look_into("odd") == 0)
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

static struct jpeg_file small_file(int kind)
{
    struct jpeg_wish wish = {.width = 40,
                             .height = 33,
                             .n_components = kind == 3 ? 1 : 3,
                             .h = 1 + (kind & 1),
                             .v = 1 + (kind & 1),
                             .quality = 20 + kind * 25,
                             .restart = kind == 2 ? 3 : 0,
                             .optimise = kind & 1,
                             .seed = 3,
                             .noise = 60};
    return jpeg_make(&wish);
}

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

int main(void)
{
    static const int levels[] = {STOKER_CPU_SCALAR, STOKER_CPU_AVX2,
                                 STOKER_CPU_AVX512, STOKER_CPU_NEON};
    Suite *s = suite_create("jpeg_entropy");
    TCase *tc = tcase_create("against libjpeg");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, test_real_files_decode_as_libjpeg_decodes_them);
    tcase_add_test(tc, test_odd_files_are_ours_only_if_right);
    tcase_add_test(tc, test_every_sampling_size_and_restart_interval);
    tcase_add_test(tc, test_every_quality);
    tcase_add_test(tc, test_long_files_cross_the_buffer_anywhere);
    tcase_add_test(tc, test_every_truncation_is_not_mine_or_right);
    tcase_add_test(tc, test_flipped_bits_are_not_mine_or_right);
    tcase_add_test(tc, test_more_mcus_than_there_are_is_not_mine);
    suite_add_tcase(s, tc);
    int failed = 0;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (stk_cpu_resolve(levels[i]) < 0)
            continue;
        printf("level %s\n", stk_cpu_name(levels[i]));
        fflush(stdout);
        if (stk_entropy_open(&entropy, levels[i]) != 0)
            return EXIT_FAILURE;
        SRunner *sr = srunner_create(s);
        srunner_run_all(sr, CK_NORMAL);
        failed += srunner_ntests_failed(sr);
        stk_entropy_close(&entropy);
        (void)sr;
    }
    stk_free(room);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
