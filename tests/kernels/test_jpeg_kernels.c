/* JPEG kernels: the plain ones against libjpeg-turbo itself (the inverse DCT,
 * jpeg_idct_tests.c) and against JFIF (colour), every other CPU level against
 * the plain ones, between pages that must not be touched. */
#include <string.h>

#include "jpeg_levels.h"
#include "run_suite.h"

/* All (Cb, Cr), each with lumas that reach over both limits. */
START_TEST(test_every_colour_is_jfifs)
{
    static uint8_t plane[3][65536] __attribute__((aligned(64)));
    for (int l = 0; l < n_levels; l++)
        for (int luma = 0; luma < 256; luma += luma % 3 ? 13 : 1) {
            uint8_t *planes[3] = {plane[0], plane[1], plane[2]};
            for (int i = 0; i < 65536; i++) {
                plane[0][i] = (uint8_t)(luma + i / 4096);
                plane[1][i] = (uint8_t)i;
                plane[2][i] = (uint8_t)(i >> 8);
            }
            levels[l]->colour(planes, 256, 256, 256);
            for (int i = 0; i < 65536; i++) {
                int y = (uint8_t)(luma + i / 4096);
                int cb = (i & 255) - 128, cr = (i >> 8) - 128;
                int want[3] = {y + ((91881 * cr + 32768) >> 16),
                               y + ((-22554 * cb - 46802 * cr + 32768) >> 16),
                               y + ((116130 * cb + 32768) >> 16)};
                for (int c = 0; c < 3; c++) {
                    int w = want[c] < 0 ? 0 : want[c] > 255 ? 255 : want[c];
                    if (plane[c][i] != w)
                        ck_abort_msg("%s: Y %d Cb %d Cr %d", level_names[l], y,
                                     cb, cr);
                }
            }
        }
}
END_TEST

static size_t rounded(size_t n)
{
    return (n + STK_JPEG_COLUMNS - 1) / STK_JPEG_COLUMNS * STK_JPEG_COLUMNS;
}

/* One call of each kernel on buffers that end at fences: out gets 6 rows of
 * rounded(n) bytes, or what spread gives. */
enum kernel { COLOUR, H2V1, H1V2, SPREAD, H2V2, N_KERNELS };

static void run(const struct stk_jpeg_kernels *k, enum kernel which, size_t n,
                const uint8_t *luma, uint8_t *const chroma[8], uint8_t *out)
{
    size_t wide = rounded(n);
    struct stk_jpeg_pair pair;
    memset(&pair, 0, sizeof pair);
    for (size_t r = 0; r < 2; r++) {
        pair.luma[r] = luma + r * wide;
        for (size_t c = 0; c < 3; c++)
            pair.rgb[r][c] = out + (3 * r + c) * wide;
        for (size_t c = 0; c < 2; c++) {
            pair.chroma[r][c] = chroma[2 * r + c] + 1;
            const uint16_t *words =
                (const uint16_t *)(const void *)chroma[4 + 2 * r + c];
            pair.spread[r][c].even = words;
            pair.spread[r][c].odd = words + wide;
        }
    }
    switch (which) {
    case COLOUR:
        for (size_t c = 0; c < 3; c++)
            memcpy(pair.rgb[0][c], luma + c * wide, wide);
        k->colour(pair.rgb[0], 0, 1, n);
        break;
    case H2V1:
        k->colour_h2v1(pair.luma[0], pair.chroma[0], pair.rgb[0], n);
        break;
    case H1V2:
        k->colour_h1v2(&pair, n);
        break;
    case H2V2:
        k->colour_h2v2(&pair, n);
        break;
    default:
        k->spread(pair.chroma[0][0], n, (uint16_t *)(void *)out,
                  (uint16_t *)(void *)(out + 2 * wide));
    }
}

/* What is defined of the result. */
static void compare(enum kernel which, size_t n, const uint8_t *a,
                    const uint8_t *b)
{
    size_t wide = rounded(n);
    size_t n_rows = which == SPREAD                  ? 2
                    : which == H1V2 || which == H2V2 ? 6
                                                     : 3;
    size_t step = which == SPREAD ? 2 * wide : wide;
    for (size_t r = 0; r < n_rows; r++)
        ck_assert_mem_eq(a + r * step, b + r * step,
                         which == SPREAD ? 2 * n : n);
}

START_TEST(test_every_level_equals_the_plain_kernels_between_fences)
{
    for (size_t i = 0; i < 1500; i++) {
        size_t n = i < 200 ? i + 1 : 1 + next_random() % 700;
        size_t wide = rounded(n);
        uint8_t *luma = fence(0, 3 * wide), *chroma[8];
        uint8_t *out[2] = {fence(1, 6 * wide), fence(2, 6 * wide)};
        for (int c = 0; c < 8; c++) {
            /* A row, its neighbours, and what kernels may read further; or
             * words of sums up to 4 * 255. */
            chroma[c] =
                fence(3 + c, c < 4 ? 1 + wide + STK_JPEG_COLUMNS : 4 * wide);
            uint16_t *words = (uint16_t *)(void *)chroma[c];
            for (size_t x = 0; c >= 4 && x < 2 * wide; x++)
                words[x] = (uint16_t)between(0, 1020);
        }
        for (enum kernel k = 0; k < N_KERNELS; k++) {
            run(levels[0], k, n, luma, chroma, out[0]);
            for (int l = 1; l < n_levels; l++) {
                run(levels[l], k, n, luma, chroma, out[1]);
                compare(k, n, out[0], out[1]);
            }
        }
    }
}
END_TEST

int main(void)
{
    find_levels();
    Suite *s = suite_create("jpeg_kernels");
    TCase *tc = tcase_create("colour");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, test_every_colour_is_jfifs);
    tcase_add_test(tc,
                   test_every_level_equals_the_plain_kernels_between_fences);
    suite_add_tcase(s, idct_case());
    suite_add_tcase(s, tc);
    return run_suite(s);
}
