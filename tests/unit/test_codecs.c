/* The decoder's table of codecs: where stoker's own JPEG decoder gives a file
 * up in the middle of a window libjpeg goes on, and PNG and WebP come out by
 * the same calls. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "decode/decode.h"
#include "decode/jpeg_window.h"
#include "jpeg_files.h"
#include "stoker/stoker.h"
#if defined(STK_HAVE_PNG)
#include "png_chunk.h"
#include "run_suite.h"
#endif
#if defined(STK_HAVE_WEBP)
#include <webp/encode.h>
#endif

static struct stk_decoder *open_decoder(int which, int cpu)
{
    const struct stk_decode_limits limits = {
        .max_pixels = 1 << 24,
        .max_side = 65500,
        .max_file_bytes = 1 << 24,
        .max_decoder_bytes = 1 << 28,
        .max_scans = 100,
        .max_decode_ms = 30000,
        .decoder = which,
        .cpu = cpu,
    };
    struct stk_decoder *decoder;
    ck_assert_int_eq(stk_decoder_open(&decoder, &limits, NULL), 0);
    return decoder;
}

/* A window's interleaved pixels and whether they are all ours; NULL: refused.
 */
static uint8_t *decode(struct stk_decoder *decoder, struct stk_span bytes,
                       const struct stk_window *w, bool *was_own)
{
    struct stk_image image;
    struct stk_strip strip;
    uint8_t *pixels = calloc((size_t)w->width * (size_t)w->height, 3);
    uint8_t *p = pixels;
    int rc = stk_decoder_probe(decoder, bytes, "x", &image, NULL);

    if (rc == 0)
        rc = stk_decoder_begin(decoder, w, NULL);
    while (rc == 0 && (rc = stk_decoder_rows(decoder, &strip, NULL)) == 1) {
        for (int32_t y = 0; y < strip.n_rows; y++)
            for (size_t x = 0; x < (size_t)w->width; x++)
                for (int c = 0; c < 3; c++)
                    *p++ = strip.plane[c][(size_t)y * strip.stride + x];
        rc = 0;
        if (p == pixels + (size_t)w->width * (size_t)w->height * 3) {
            ck_assert_int_eq(stk_decoder_rows(decoder, &strip, NULL), 0);
            *was_own = stk_decoder_was_own(decoder);
            stk_decoder_end(decoder);
            return pixels;
        }
    }
    ck_assert_int_lt(rc, 0);
    stk_decoder_end(decoder);
    free(pixels);
    return NULL;
}

/* Rows that our own decoder gives out before it gives up; 0: it does not give
 * up, or not behind the first row. */
static int32_t rows_before(struct stk_jpeg_decoder *own, struct stk_span bytes,
                           const struct stk_window *w)
{
    static struct stk_jpeg jpeg;
    struct stk_strip strip;
    int32_t n = 0;
    int rc;

    if (stk_jpeg_parse(&jpeg, bytes) ||
        stk_jpeg_decoder_begin(own, &jpeg, bytes, w))
        return 0;
    while ((rc = stk_jpeg_decoder_rows(own, &strip)) == STK_JPEG_STRIP)
        n += strip.n_rows;
    return rc == STK_JPEG_NOT_MINE ? n : 0;
}

static unsigned seed = 1;

static int32_t below(int32_t n)
{
    return rand_r(&seed) % n;
}

static const struct look looks[] = {
    {200, 151, JCS_RGB, 1, 1, false, 0},
    {200, 151, JCS_RGB, 2, 1, false, 0},
    {200, 151, JCS_RGB, 2, 2, false, 0},
    {200, 151, JCS_RGB, 1, 2, false, 0},
    {200, 151, JCS_GRAYSCALE, 1, 1, false, 0},
    {200, 151, JCS_RGB, 2, 2, false, 7},
};

/* Damaged data inside a window: n_handed counts files that changed hands. */
static void hand_over(struct stk_decoder *const decoder[2],
                      struct stk_jpeg_decoder *own, struct file file,
                      int *n_handed)
{
    struct stk_span bytes = {file.data, file.n};
    static struct stk_jpeg jpeg;
    ck_assert_int_eq(stk_jpeg_parse(&jpeg, bytes), 0);
    size_t at = jpeg.entropy_offset + jpeg.entropy_bytes / 3 +
                (size_t)below((int32_t)jpeg.entropy_bytes / 2);
    struct stk_window w = {below(40), below(40), 111, 160};
    bool was_own = false, unused = false;
    uint8_t kept = file.data[at];

    file.data[at] ^= (uint8_t)(1u << below(8));
    int32_t n = rows_before(own, bytes, &w);
    uint8_t *want = decode(decoder[1], bytes, &w, &unused);
    uint8_t *got = decode(decoder[0], bytes, &w, &was_own);
    ck_assert_int_eq(want != NULL, got != NULL);
    if (want) {
        ck_assert_mem_eq(got, want, (size_t)w.height * (size_t)w.width * 3);
        if (n > 0) {
            ck_assert(!was_own);
            *n_handed += 1;
        }
    }
    free(want);
    free(got);
    file.data[at] = kept;
}

/* Loop: CPU levels. */
START_TEST(test_libjpeg_goes_on_where_ours_gives_up_in_mid_window)
{
    if (stk_cpu_resolve(_i) != _i)
        return;
    struct stk_decoder *decoder[2] = {open_decoder(STOKER_DECODER_AUTO, _i),
                                      open_decoder(STOKER_DECODER_LIBJPEG, _i)};
    struct stk_jpeg_decoder *own;
    ck_assert_int_eq(stk_jpeg_decoder_open(&own, _i), 0);
    for (size_t k = 0; k < sizeof looks / sizeof looks[0]; k++) {
        struct file file = make_jpeg(looks[k]);
        int n_handed = 0;
        for (int i = 0; i < 150; i++)
            hand_over(decoder, own, file, &n_handed);
        printf("%s, look %zu: %d of 150 changed hands\n", stk_cpu_name(_i), k,
               n_handed);
        ck_assert_int_ge(n_handed, 5);
        free(file.data);
    }
    stk_jpeg_decoder_close(&own);
    for (int d = 0; d < 2; d++)
        stk_decoder_close(&decoder[d]);
}
END_TEST

/* Every window of a lossless file equals the pixels that were written. */
enum { WIDTH = 77, HEIGHT = 41 };

static void check_lossless(struct stk_span bytes, const uint8_t *rgb, int cpu)
{
    struct stk_decoder *decoder = open_decoder(STOKER_DECODER_AUTO, cpu);
    for (int i = 0; i < 100; i++) {
        struct stk_window w = {below(HEIGHT), below(WIDTH), 0, 0};
        w.height = 1 + below(HEIGHT - w.top);
        w.width = 1 + below(WIDTH - w.left);
        if (i == 0)
            w = (struct stk_window){0, 0, HEIGHT, WIDTH};
        bool was_own = true;
        uint8_t *got = decode(decoder, bytes, &w, &was_own);
        ck_assert_ptr_nonnull(got);
        for (int32_t y = 0; y < w.height; y++)
            ck_assert_mem_eq(got + (size_t)y * (size_t)w.width * 3,
                             rgb + 3 * ((w.top + y) * WIDTH + w.left),
                             (size_t)w.width * 3);
        ck_assert(!was_own);
        free(got);
    }
    stk_decoder_close(&decoder);
}

static void make_pixels(uint8_t rgb[HEIGHT * WIDTH * 3])
{
    for (int i = 0; i < HEIGHT * WIDTH * 3; i++)
        rgb[i] = (uint8_t)(i * 151 + i / 7);
}

#if defined(STK_HAVE_PNG)
START_TEST(test_png_comes_out_as_it_was_written)
{
    static uint8_t rgb[HEIGHT * WIDTH * 3], lines[HEIGHT * (WIDTH * 3 + 1)];
    static uint8_t packed[2 * sizeof lines], file[2 * sizeof lines + 100];
    const uint8_t head[13] = {0, 0, 0, WIDTH, 0, 0, 0, HEIGHT, 8, 2, 0, 0, 0};
    uLongf n = sizeof packed;

    if (stk_cpu_resolve(_i) != _i)
        return;
    make_pixels(rgb);
    for (int y = 0; y < HEIGHT; y++) /* filter 0 in front of each */
        memcpy(lines + y * (WIDTH * 3 + 1) + 1, rgb + y * WIDTH * 3, WIDTH * 3);
    ck_assert_int_eq(compress(packed, &n, lines, sizeof lines), Z_OK);
    memcpy(file, "\x89PNG\r\n\x1a\n", 8);
    uint8_t *end = put_chunk(file + 8, "IHDR", head, sizeof head);
    end = put_chunk(end, "IDAT", packed, n);
    end = put_chunk(end, "IEND", NULL, 0);
    check_lossless((struct stk_span){file, (size_t)(end - file)}, rgb, _i);
}
END_TEST

#endif

#if defined(STK_HAVE_WEBP)
START_TEST(test_webp_comes_out_as_it_was_written)
{
    static uint8_t rgb[HEIGHT * WIDTH * 3];
    uint8_t *file = NULL;

    if (stk_cpu_resolve(_i) != _i)
        return;
    make_pixels(rgb);
    size_t n = WebPEncodeLosslessRGB(rgb, WIDTH, HEIGHT, WIDTH * 3, &file);
    ck_assert_uint_gt(n, 0);
    check_lossless((struct stk_span){file, n}, rgb, _i);
    WebPFree(file);
}
END_TEST
#endif

int main(void)
{
    enum { FIRST = STOKER_CPU_SCALAR, END = STOKER_CPU_VEC128 + 1 };
    Suite *s = suite_create("codecs");
    TCase *tc = tcase_create("codecs");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(
        tc, test_libjpeg_goes_on_where_ours_gives_up_in_mid_window, FIRST, END);
#if defined(STK_HAVE_PNG)
    tcase_add_loop_test(tc, test_png_comes_out_as_it_was_written, FIRST, END);
#else
    fprintf(stderr, "SKIPPED: PNG is not built in\n");
#endif
#if defined(STK_HAVE_WEBP)
    tcase_add_loop_test(tc, test_webp_comes_out_as_it_was_written, FIRST, END);
#else
    fprintf(stderr, "SKIPPED: WebP is not built in\n");
#endif
    suite_add_tcase(s, tc);
    return run_suite(s);
}
