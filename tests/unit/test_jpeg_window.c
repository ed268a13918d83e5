/* Windows by stoker's own JPEG decoder against libjpeg's whole images cut to
 * them, for every CPU level.  With the argument "all" every size from 1x1 to
 * 70x70 is made and more windows are tried, which takes minutes. */
#include <check.h>
#include <ftw.h>

#include "base/cpu.h"
#include "jpeg_oracle.h"
#include "jpeg_pixels.h"
#include "stoker/stoker.h"

static bool all; /* the long version */
static struct stk_jpeg_decoder *decoder[4];
static int n_decoders;
static long n_equal, n_not_mine;

static const struct {
    int n_components, h, v;
    bool rgb;
} kinds[] = {
    {3, 1, 1, false}, {3, 2, 1, false}, {3, 2, 2, false},
    {3, 1, 2, false}, {1, 1, 1, false}, {3, 1, 1, true},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

/* Hostile bytes have coefficients beyond what pixels give, for which
 * libjpeg-turbo's x86 routines are the definition.  With others than these
 * truth becomes what the first level makes of the whole image; false: it is
 * not ours. */
static bool settle_hostile(const struct stk_jpeg *jpeg, struct stk_span bytes,
                           struct jpeg_pixels *truth)
{
#if defined(__x86_64__)
    return true;
#endif
    struct stk_window w = {0, 0, truth->height, truth->width};
    struct stk_strip strip;
    unsigned char *p = truth->rgb;
    int rc = stk_jpeg_decoder_begin(decoder[0], jpeg, bytes, &w);

    while (rc == 0 &&
           (rc = stk_jpeg_decoder_rows(decoder[0], &strip)) == STK_JPEG_STRIP) {
        for (int y = 0; y < strip.n_rows; y++)
            for (int x = 0; x < w.width; x++)
                for (int c = 0; c < 3; c++)
                    *p++ = strip.plane[c][(size_t)y * strip.stride + (size_t)x];
        rc = 0;
    }
    return rc == STK_JPEG_END;
}

/* Several windows on all levels.  may_differ: damaged bytes may be not mine
 * in some windows.  Returns how many windows were ours. */
static int check_windows(const unsigned char *data, size_t n, int n_windows,
                         unsigned seed, bool is_hostile, const char *name)
{
    struct stk_jpeg jpeg;
    struct stk_span bytes = {data, n};
    struct jpeg_pixels truth;
    int n_mine = 0;

    if (stk_jpeg_parse(&jpeg, bytes))
        return 0;
    bool decodes = jpeg_pixels_of(&truth, data, n);
    if (!decodes)
        truth = (struct jpeg_pixels){jpeg.width, jpeg.height, NULL};
    if (is_hostile && decodes && !settle_hostile(&jpeg, bytes, &truth)) {
        free(truth.rgb);
        return 0;
    }
    for (int i = 0; i < n_windows; i++) {
        struct stk_window w = {0, 0, truth.height, truth.width};
        if (i)
            w = jpeg_random_window(&truth, &seed);
        int first = 0;
        for (int k = 0; k < n_decoders; k++) {
            int rc;
            /* What libjpeg refuses must not be read at all; all else equals. */
            if (decodes)
                rc = jpeg_window_check(decoder[k], &jpeg, bytes, &w, &truth);
            else
                rc = 1;
            ck_assert_msg(rc >= 0, "%s differs", name);
            if (k == 0)
                first = rc;
            ck_assert_msg(rc == first, "%s: levels disagree", name);
            n_equal += rc == 0;
            n_not_mine += rc == 1;
            n_mine += rc == 0;
        }
    }
    free(truth.rgb);
    return n_mine;
}

static void check_made(const struct jpeg_wish *wish, int n_windows)
{
    char name[160];
    struct jpeg_file file = jpeg_make(wish);
    snprintf(name, sizeof name, "%dx%d %d components %dx%d quality %d rst %d",
             wish->width, wish->height, wish->n_components, wish->h, wish->v,
             wish->quality, wish->restart);
    int mine =
        check_windows(file.data, file.n, n_windows, wish->seed, false, name);
    bool narrow = wish->h == 2 && wish->width <= 4;
    ck_assert_msg(narrow ? mine == 0 : mine == n_windows * n_decoders,
                  "%s: %d of %d windows are ours", name, mine,
                  n_windows * n_decoders);
    free(file.data);
}

START_TEST(test_every_size_and_sampling_equals_libjpeg)
{
    static const int edges[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                15, 16, 17, 18, 23, 24, 25, 31, 32, 33,
                                34, 47, 48, 49, 50, 63, 64, 65, 66, 70};
    int n = all ? 70 : (int)(sizeof edges / sizeof edges[0]);
    unsigned seed = 1;

    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++)
            for (int k = 0; k < N_KINDS; k++, seed++) {
                struct jpeg_wish wish = {
                    .width = all ? x + 1 : edges[x],
                    .height = all ? y + 1 : edges[y],
                    .n_components = kinds[k].n_components,
                    .h = kinds[k].h,
                    .v = kinds[k].v,
                    .rgb = kinds[k].rgb,
                    .quality = (int)(1 + seed * 37 % 100),
                    .restart = seed % 3 ? 0 : (int)(1 + seed % 7),
                    .optimise = seed % 2,
                    .noise = (int)(seed * 53 % 256),
                    .seed = seed,
                };
                check_made(&wish, all ? 6 : 2);
            }
}
END_TEST

START_TEST(test_every_quality_equals_libjpeg)
{
    for (int q = 1; q <= 100; q++)
        for (int k = 0; k < N_KINDS; k++) {
            struct jpeg_wish wish = {
                .width = 150 + q,
                .height = 120,
                .n_components = kinds[k].n_components,
                .h = kinds[k].h,
                .v = kinds[k].v,
                .rgb = kinds[k].rgb,
                .quality = q,
                .restart = q % 5,
                .noise = q * 5 & 255,
                .wide_quant = false,
                .seed = (unsigned)q,
            };
            check_made(&wish, all ? 20 : 3);
        }
}
END_TEST

START_TEST(test_the_widest_images_equal_libjpeg)
{
    for (int k = 0; k < N_KINDS; k++)
        for (int tall = 0; tall < 2; tall++) {
            struct jpeg_wish wish = {
                .width = tall ? 19 : STK_JPEG_MAX_SIDE,
                .height = tall ? STK_JPEG_MAX_SIDE : 19,
                .n_components = kinds[k].n_components,
                .h = kinds[k].h,
                .v = kinds[k].v,
                .rgb = kinds[k].rgb,
                .quality = 50,
                .noise = 20,
                .seed = (unsigned)k,
            };
            check_made(&wish, 3);
        }
}
END_TEST

/* A file is damaged in its entropy-coded data: ours or not, but never wrong,
 * and the decoder is none the worse for it. */
START_TEST(test_damaged_files_are_not_mine_or_right)
{
    unsigned random = 7;
    int n_cases = all ? 6000 : 600, n_mine = 0;
    for (int i = 0; i < n_cases; i++) {
        struct jpeg_wish wish = {
            .width = 90,
            .height = 70,
            .n_components = kinds[i % N_KINDS].n_components,
            .h = kinds[i % N_KINDS].h,
            .v = kinds[i % N_KINDS].v,
            .rgb = kinds[i % N_KINDS].rgb,
            .quality = 30 + i % 70,
            .restart = i % 4 * 3,
            .noise = 100,
            .seed = (unsigned)i,
        };
        struct jpeg_file file = jpeg_make(&wish);
        struct stk_jpeg jpeg;
        ck_assert_int_eq(
            stk_jpeg_parse(&jpeg, (struct stk_span){file.data, file.n}), 0);
        for (int flips = 0; flips <= i % 3; flips++) {
            random = random * 1664525u + 1013904223u;
            size_t at = jpeg.entropy_offset +
                        (random >> 8) % (file.n - jpeg.entropy_offset);
            file.data[at] ^= (unsigned char)(1u << (random >> 3 & 7));
        }
        n_mine += check_windows(file.data, file.n, 3, random, true, "damaged");
        free(file.data);
    }
    ck_assert_int_gt(n_mine, 0);
}
END_TEST

static int n_files;
static bool hostile_files;

static int visit(const char *path, const struct stat *st, int type,
                 struct FTW *ftw)
{
    (void)ftw;
    FILE *f = type == FTW_F ? fopen(path, "rb") : NULL;
    if (!f)
        return 0;
    size_t n = (size_t)st->st_size;
    unsigned char *data = malloc(n + 1);
    ck_assert_uint_eq(fread(data, 1, n, f), n);
    fclose(f);
    /* As many bytes as there are, so that checkers see a byte more. */
    unsigned char *exact = malloc(n ? n : 1);
    memcpy(exact, data, n);
    check_windows(exact, n, all ? 24 : 4, (unsigned)n_files, hostile_files,
                  path);
    free(exact);
    free(data);
    n_files++;
    return 0;
}

static void check_folder(const char *folder, bool is_hostile)
{
    hostile_files = is_hostile;
    n_files = 0;
    if (nftw(folder, visit, 16, 0) != 0)
        printf("SKIPPED: no %s\n", folder);
    printf("%s: %d files\n", folder, n_files);
}

START_TEST(test_real_files_equal_libjpeg)
{
    check_folder(STK_TEST_DATA "/imagenet-sample", false);
}
END_TEST

START_TEST(test_odd_files_are_not_mine_or_equal_libjpeg)
{
    check_folder(STK_TEST_DATA "/odd", true);
}
END_TEST

int main(int argc, char **argv)
{
    static const int levels[] = {STOKER_CPU_SCALAR, STOKER_CPU_AVX2,
                                 STOKER_CPU_AVX512, STOKER_CPU_VEC128};
    all = argc > 1 && strcmp(argv[1], "all") == 0;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (stk_cpu_resolve(levels[i]) < 0)
            continue;
        printf("level %s\n", stk_cpu_name(levels[i]));
        if (stk_jpeg_decoder_open(&decoder[n_decoders++], levels[i]) != 0)
            return EXIT_FAILURE;
    }
    Suite *s = suite_create("jpeg_window");
    TCase *tc = tcase_create("against libjpeg");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, test_every_size_and_sampling_equals_libjpeg);
    tcase_add_test(tc, test_every_quality_equals_libjpeg);
    tcase_add_test(tc, test_the_widest_images_equal_libjpeg);
    tcase_add_test(tc, test_damaged_files_are_not_mine_or_right);
    tcase_add_test(tc, test_real_files_equal_libjpeg);
    tcase_add_test(tc, test_odd_files_are_not_mine_or_equal_libjpeg);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_set_fork_status(sr, CK_NOFORK);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    printf("windows: %ld equal, %ld not mine\n", n_equal, n_not_mine);
    for (int i = 0; i < n_decoders; i++)
        stk_jpeg_decoder_close(&decoder[i]);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
