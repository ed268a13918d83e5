/* The decoder on generated JPEGs and PNGs: windows equal the whole image, bad
 * files leave no trace, limits come before allocation, kernels equal their
 * scalar twin. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "decode/decode.h"
#include "decode/deinterleave.h"
#include "jpeg_files.h"
#include "run_suite.h"

static const struct stk_decode_limits defaults = {
    .max_pixels = 178956970,
    .max_side = 65500,
    .max_file_bytes = 268435456,
    .max_decoder_bytes = 1 << 30,
    .max_scans = 500,
    .max_decode_ms = 30000,
    .cpu = STOKER_CPU_SCALAR,
};

static struct stk_decoder *open_decoder(struct stk_decode_limits limits)
{
    struct stk_decoder *decoder;
    ck_assert_int_eq(stk_decoder_open(&decoder, &limits, NULL), 0);
    return decoder;
}

static struct stk_span span_of(struct file file)
{
    return (struct stk_span){file.data, file.n};
}

/* A window's pixels, interleaved; NULL and *rc on an error. */
static uint8_t *decode(struct stk_decoder *decoder, struct file file,
                       const struct stk_window *wanted, int *rc,
                       struct stk_image *image, stoker_error *err)
{
    struct stk_strip strip;
    *rc = stk_decoder_probe(decoder, span_of(file), "x.jpg", image, err);
    struct stk_window window = {0, 0, image->height, image->width};
    if (wanted)
        window = *wanted;
    if (*rc == 0)
        *rc = stk_decoder_begin(decoder, &window, err);
    if (*rc < 0)
        return NULL;
    uint8_t *pixels = malloc((size_t)window.width * (size_t)window.height * 3);
    uint8_t *p = pixels;
    while ((*rc = stk_decoder_rows(decoder, &strip, err)) == 1)
        for (int32_t y = 0; y < strip.n_rows; y++)
            for (int32_t x = 0; x < window.width; x++)
                for (int c = 0; c < 3; c++)
                    *p++ = strip.plane[c][(size_t)y * strip.stride + (size_t)x];
    if (*rc == 0)
        ck_assert_ptr_eq(p, pixels + (size_t)window.width *
                                         (size_t)window.height * 3);
    stk_decoder_end(decoder);
    if (*rc == 0)
        return pixels;
    free(pixels);
    return NULL;
}

static uint8_t expected(const uint8_t *pixels, int n_channels, int32_t width,
                        int32_t x, int32_t y, int c)
{
    const uint8_t *p =
        pixels + ((size_t)y * (size_t)width + (size_t)x) * (size_t)n_channels;
    if (n_channels == 4) {
        int k = p[3], product = (255 - p[c]) * k + 128;
        return (uint8_t)(k - (((product >> 8) + product) >> 8));
    }
    return n_channels == 1 ? p[0] : p[c];
}

static void check_window(struct stk_decoder *decoder, struct file file,
                         const uint8_t *want, int n_channels, int32_t width,
                         struct stk_window window)
{
    struct stk_image image;
    stoker_error err = {0};
    int rc;
    uint8_t *got = decode(decoder, file, &window, &rc, &image, &err);
    ck_assert_msg(got != NULL, "%s", err.text);
    const uint8_t *p = got;
    for (int32_t y = 0; y < window.height; y++)
        for (int32_t x = 0; x < window.width; x++)
            for (int c = 0; c < 3; c++, p++)
                if (*p != expected(want, n_channels, width, window.left + x,
                                   window.top + y, c))
                    ck_abort_msg("window %d %d %d %d differs at %d %d",
                                 window.top, window.left, window.height,
                                 window.width, y, x);
    free(got);
}

static void check_windows(struct stk_decoder *decoder, struct look look)
{
    struct file file = make_jpeg(look);
    int n_channels;
    uint8_t *want = reference(file, &n_channels);
    unsigned seed = 1;
    for (int i = 0; i < 60; i++) {
        int32_t top = i ? rand_r(&seed) % look.height : 0;
        int32_t left = i ? rand_r(&seed) % look.width : 0;
        int32_t height = look.height - top, width = look.width - left;
        if (i)
            height = 1 + rand_r(&seed) % height;
        if (i)
            width = 1 + rand_r(&seed) % width;
        check_window(decoder, file, want, n_channels, look.width,
                     (struct stk_window){top, left, height, width});
    }
    free(want);
    free(file.data);
}

START_TEST(test_windows_equal_the_whole_image)
{
    static const struct {
        J_COLOR_SPACE colours;
        int h, v;
        unsigned restart_interval;
    } kinds[] = {
        {JCS_RGB, 1, 1, 0},       {JCS_RGB, 2, 1, 0},  {JCS_RGB, 2, 2, 0},
        {JCS_RGB, 1, 2, 0},       {JCS_RGB, 4, 1, 0},  {JCS_RGB, 2, 2, 3},
        {JCS_GRAYSCALE, 1, 1, 0}, {JCS_CMYK, 1, 1, 0}, {JCS_CMYK, 2, 2, 0},
    };
    static const int32_t sizes[][2] = {{1, 1},   {3, 5},   {17, 33},
                                       {64, 64}, {97, 41}, {200, 131}};
    struct stk_decode_limits limits = defaults;
    limits.cpu = _i;
    if (stk_cpu_resolve(_i) != _i)
        return;
    struct stk_decoder *decoder = open_decoder(limits);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            for (int progressive = 0; progressive < 2; progressive++)
                check_windows(decoder,
                              (struct look){sizes[s][0], sizes[s][1],
                                            kinds[k].colours, kinds[k].h,
                                            kinds[k].v, progressive,
                                            kinds[k].restart_interval});
    stk_decoder_close(&decoder);
}
END_TEST

static int verdict_of(struct stk_decoder *decoder, struct file file,
                      struct stk_image *image, stoker_error *err)
{
    int rc;
    free(decode(decoder, file, NULL, &rc, image, err));
    return rc;
}

START_TEST(test_a_bad_file_leaves_no_trace_on_the_next)
{
    struct look look = {80, 60, JCS_RGB, 2, 2, false, 0};
    struct file good = make_jpeg(look);
    struct stk_decoder *decoder = open_decoder(defaults);
    struct stk_image image;
    stoker_error err;
    int rc, n_channels;
    uint8_t *want = reference(good, &n_channels);
    for (unsigned long cut = 0; cut < good.n; cut++) {
        struct file bad = {good.data, cut};
        rc = verdict_of(decoder, bad, &image, &err);
        ck_assert_int_lt(rc, 0);
        ck_assert_int_eq(err.code, rc);
        ck_assert_ptr_nonnull(strstr(err.text, "x.jpg: "));
        if (cut % 16 == 0)
            check_window(decoder, good, want, n_channels, look.width,
                         (struct stk_window){3, 5, 50, 70});
    }
    free(want);
    free(good.data);
    stk_decoder_close(&decoder);
}
END_TEST

START_TEST(test_tables_of_one_file_do_not_serve_another)
{
    /* A file without DHT is read by the standard tables, whatever came
     * before it. */
    struct look look = {64, 64, JCS_RGB, 1, 1, false, 0};
    struct file optimised =
        make_jpeg((struct look){64, 64, JCS_RGB, 1, 1, true, 0});
    struct file file = make_jpeg(look), bare = {malloc(file.n), 0};
    struct stk_decoder *decoder = open_decoder(defaults);
    struct stk_image image;
    stoker_error err;
    for (unsigned long i = 0; i < file.n;) {
        unsigned long n = 1;
        if (i + 3 < file.n && file.data[i] == 0xFF && file.data[i + 1] == 0xC4)
            n = 2ul + (unsigned long)(file.data[i + 2] << 8 | file.data[i + 3]);
        else
            bare.data[bare.n++] = file.data[i];
        i += n;
    }
    ck_assert_uint_lt(bare.n, file.n);
    int n_channels;
    uint8_t *want = reference(file, &n_channels);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(verdict_of(decoder, optimised, &image, &err), 0);
        check_window(decoder, bare, want, n_channels, 64,
                     (struct stk_window){0, 0, 64, 64});
    }
    free(want);
    free(optimised.data);
    free(bare.data);
    free(file.data);
    stk_decoder_close(&decoder);
}
END_TEST

START_TEST(test_limits_refuse_before_they_allocate)
{
    struct file file = make_jpeg((struct look){64, 48, JCS_RGB, 1, 1, _i, 0});
    struct stk_image image;
    stoker_error err;
    for (unsigned long i = 0; i + 9 < file.n; i++)
        if (file.data[i] == 0xFF &&
            (file.data[i + 1] == 0xC0 || file.data[i + 1] == 0xC2)) {
            for (int k = 5; k < 9; k += 2) {
                file.data[i + (unsigned)k] = 0xFF;
                file.data[i + (unsigned)k + 1] = 0xDC;
            }
            break;
        }
    struct stk_decoder *decoder = open_decoder(defaults);
    size_t before = stk_decoder_scratch_bytes(decoder);
    ck_assert_int_eq(verdict_of(decoder, file, &image, &err), -EFBIG);
    ck_assert_uint_eq(stk_decoder_scratch_bytes(decoder), before);
    stk_decoder_close(&decoder);
    free(file.data);
}
END_TEST

START_TEST(test_each_limit_names_itself)
{
    struct file file = make_jpeg((struct look){64, 48, JCS_RGB, 1, 1, true, 0});
    struct stk_image image;
    stoker_error err;
    struct stk_decode_limits limits[6];
    static const char *words[6] = {"in all", "a side", "bytes",
                                   "scans",  "limits", "longer"};
    for (int i = 0; i < 6; i++)
        limits[i] = defaults;
    limits[0].max_pixels = 64 * 48 - 1;
    limits[1].max_side = 63;
    limits[2].max_file_bytes = (int64_t)file.n - 1;
    limits[3].max_scans = 3;
    limits[4].max_decoder_bytes = 10000;
    limits[5].max_decode_ms = 0;
    for (int i = 0; i < 6; i++) {
        struct stk_decoder *decoder = open_decoder(limits[i]);
        ck_assert_int_eq(verdict_of(decoder, file, &image, &err), -EFBIG);
        ck_assert_msg(strstr(err.text, words[i]) != NULL, "%s", err.text);
        stk_decoder_close(&decoder);
    }
    free(file.data);
}
END_TEST

START_TEST(test_what_follows_the_image_does_not_matter)
{
    struct file file =
        make_jpeg((struct look){64, 48, JCS_RGB, 2, 2, false, 0});
    struct file longer = {malloc(file.n + 1000), file.n + 1000};
    memcpy(longer.data, file.data, file.n);
    memset(longer.data + file.n, 0xFF, 500);
    memset(longer.data + file.n + 500, 0xD8, 500);
    struct stk_decoder *decoder = open_decoder(defaults);
    struct stk_image image;
    stoker_error err;
    ck_assert_int_eq(verdict_of(decoder, longer, &image, &err), 0);
    ck_assert(image.regular);
    stk_decoder_close(&decoder);
    free(longer.data);
    free(file.data);
}
END_TEST

START_TEST(test_damage_has_three_verdicts)
{
    struct file file =
        make_jpeg((struct look){200, 150, JCS_RGB, 2, 2, false, 0});
    struct file cut = {file.data, file.n / 2};
    static const int want[3] = {-ENODATA, -ENODATA, 0};
    struct stk_image image;
    stoker_error err;
    for (int i = 0; i < 3; i++) {
        struct stk_decode_limits limits = defaults;
        limits.damaged = i;
        struct stk_decoder *decoder = open_decoder(limits);
        ck_assert_int_eq(verdict_of(decoder, cut, &image, &err), want[i]);
        ck_assert(i != STOKER_DAMAGED_LENIENT || image.n_warnings > 0);
        ck_assert_int_eq(verdict_of(decoder, file, &image, &err), 0);
        ck_assert_int_eq(image.n_warnings, 0);
        stk_decoder_close(&decoder);
    }
    /* A made-up restart marker only makes libjpeg warn. */
    file.data[file.n / 2] = 0xFF;
    file.data[file.n / 2 + 1] = 0xD5;
    static const int want_warned[3] = {0, -EBADMSG, 0};
    for (int i = 0; i < 3; i++) {
        struct stk_decode_limits limits = defaults;
        limits.damaged = i;
        struct stk_decoder *decoder = open_decoder(limits);
        ck_assert_int_eq(verdict_of(decoder, file, &image, &err),
                         want_warned[i]);
        ck_assert(!image.regular);
        stk_decoder_close(&decoder);
    }
    free(file.data);
}
END_TEST

START_TEST(test_other_formats_are_named)
{
    static const struct {
        const char *bytes;
        size_t n;
        int code;
        const char *word;
    } cases[] = {
        {"", 0, -ENODATA, "empty"},
        {"\xff\xd8", 2, -ENODATA, "truncated"},
        {"GIF89a......", 12, -ENOTSUP, "GIF"},
        {"BM..........", 12, -ENOTSUP, "BMP"},
        {"II*\0........", 12, -ENOTSUP, "TIFF"},
        {"P6 2 2 255\n..", 13, -ENOTSUP, "PNM"},
        {"<!DOCTYPE html><html>", 21, -ENOTSUP, "HTML"},
        {"not an image at all", 19, -EBADMSG, "not an image"},
    };
    struct stk_decoder *decoder = open_decoder(defaults);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stk_image image;
        stoker_error err;
        struct stk_span bytes = {(const uint8_t *)cases[i].bytes, cases[i].n};
        int rc = stk_decoder_probe(decoder, bytes, "a.jpg", &image, &err);
        ck_assert_int_eq(rc, cases[i].code);
        ck_assert_msg(strstr(err.text, cases[i].word) != NULL, "%s", err.text);
    }
    stk_decoder_close(&decoder);
}
END_TEST

START_TEST(test_deinterleaving_kernels_equal_the_scalar_one)
{
    enum { N = 400 };
    uint8_t *rgb = malloc(3 * N), got[3][N + 1], want[3][N + 1];
    if (stk_cpu_resolve(_i) != _i) {
        free(rgb);
        return;
    }
    for (size_t i = 0; i < 3 * N; i++)
        rgb[i] = (uint8_t)(i * 151 + i / 7);
    for (size_t n = 0; n <= N; n++) {
        /* The exact end of an allocation, so that sanitizers see reads and
         * writes behind it. */
        uint8_t *exact = malloc(3 * n + 1);
        memcpy(exact, rgb, 3 * n);
        memset(got, 0xAA, sizeof got);
        memset(want, 0xAA, sizeof want);
        stk_deinterleave_scalar.rgb(exact, n, want[0], want[1], want[2]);
        stk_deinterleave_for(_i)->rgb(exact, n, got[0], got[1], got[2]);
        ck_assert_mem_eq(got, want, sizeof got);
        free(exact);
    }
    free(rgb);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decoder");
    TCase *tc = tcase_create("decoder");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, test_windows_equal_the_whole_image,
                        STOKER_CPU_SCALAR, STOKER_CPU_VEC128 + 1);
    tcase_add_test(tc, test_a_bad_file_leaves_no_trace_on_the_next);
    tcase_add_test(tc, test_tables_of_one_file_do_not_serve_another);
    tcase_add_loop_test(tc, test_limits_refuse_before_they_allocate, 0, 2);
    tcase_add_test(tc, test_each_limit_names_itself);
    tcase_add_test(tc, test_what_follows_the_image_does_not_matter);
    tcase_add_test(tc, test_damage_has_three_verdicts);
    tcase_add_test(tc, test_other_formats_are_named);
    tcase_add_loop_test(tc, test_deinterleaving_kernels_equal_the_scalar_one,
                        STOKER_CPU_SCALAR, STOKER_CPU_VEC128 + 1);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
