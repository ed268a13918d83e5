/* The compiler: what is folded, what is refused and in which words, and the
 * values that bytes become. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "augment/program.h"
#include "augment/values.h"
#include "run_suite.h"

static const float mean[3] = {0.485f, 0.456f, 0.406f};
static const float std[3] = {0.229f, 0.224f, 0.225f};
static struct stk_program program;
static stoker_error err;

static int compile(const stoker_transform *list, size_t n, int dtype)
{
    return stk_program_compile(&program, list, n, sizeof *list, dtype,
                               STOKER_NCHW, STOKER_PIXELS_PILLOW13, &err);
}

static stoker_transform rrc(double s0, double s1, double r0, double r1)
{
    stoker_transform t = stoker_random_resized_crop(224, 224);
    t.as.random_resized_crop.scale[0] = s0;
    t.as.random_resized_crop.scale[1] = s1;
    t.as.random_resized_crop.ratio[0] = r0;
    t.as.random_resized_crop.ratio[1] = r1;
    return t;
}

static stoker_transform rrc_filter(int interpolation, int antialias)
{
    stoker_transform t = stoker_random_resized_crop(224, 224);
    t.as.random_resized_crop.interpolation = interpolation;
    t.as.random_resized_crop.antialias = antialias;
    return t;
}

static stoker_transform resize_max(int height, int width, int max_size)
{
    stoker_transform t = stoker_resize(height, width);
    t.as.resize.max_size = max_size;
    return t;
}

static stoker_transform padded(int padding)
{
    stoker_transform t = stoker_random_crop(32, 32);
    t.as.crop.padding = padding;
    return t;
}

static stoker_transform normalize(float m, float s)
{
    float ms[3] = {0, 0, m}, ss[3] = {1, 1, s};
    return stoker_normalize(ms, ss);
}

static stoker_transform of_kind(int kind, int reserved)
{
    stoker_transform t = stoker_center_crop(8, 8);
    t.kind = kind;
    t.reserved0 = reserved;
    return t;
}

#define CROP   stoker_center_crop(224, 224)
#define RRC    stoker_random_resized_crop(224, 224)
#define HFLIP  stoker_random_horizontal_flip(0.5)
#define NORM   stoker_normalize(mean, std)
#define SCALED stoker_resize(256, 0)

START_TEST(test_refusals_name_the_entry_and_the_reason)
{
    const struct {
        stoker_transform list[4];
        size_t n;
        int dtype;
        const char *text;
    } cases[] = {
        {{RRC, SCALED}, 2, 0, "transforms[1] Resize: a second resample"},
        {{SCALED, RRC}, 2, 0, "transforms[1] RandomResizedCrop: a second"},
        {{SCALED, SCALED}, 2, 0, "transforms[1] Resize: a second"},
        {{stoker_resize(8, 8), SCALED}, 2, 0, "transforms[1] Resize: a second"},
        {{SCALED}, 1, 0, "transforms[0] Resize: the output size is unknown"},
        {{HFLIP}, 1, 0, "transforms[0] RandomHorizontalFlip: the output size"},
        {{CROP, SCALED}, 2, 0, "transforms[1] Resize: must stand before"},
        {{HFLIP, CROP}, 2, 0, "transforms[1] CenterCrop: must stand before"},
        {{CROP, CROP}, 2, 0, "transforms[1] CenterCrop: a second crop"},
        {{RRC, CROP}, 2, 0, "transforms[1] CenterCrop: a second crop"},
        {{RRC, NORM}, 2, STOKER_U8, "transforms[1] Normalize: needs a float"},
        {{RRC, NORM, NORM}, 3, 1, "transforms[2] Normalize: a second"},
        {{RRC, NORM, HFLIP}, 3, 1, "transforms[2] RandomHorizontalFlip: must"},
        {{rrc_filter(2, 0)}, 1, 0, "RandomResizedCrop: antialias"},
        {{rrc_filter(0, 1)}, 1, 0, "interpolation 0"},
        {{rrc(NAN, 1, 1, 1)}, 1, 0, "scale[0]"},
        {{rrc(-0.1, 1, 1, 1)}, 1, 0, "scale[0]"},
        {{rrc(0.1, INFINITY, 1, 1)}, 1, 0, "scale[1]"},
        {{rrc(0, 0, 1, 1)}, 1, 0, "scale[1]"},
        {{rrc(0.5, 0.4, 1, 1)}, 1, 0, "not in order"},
        {{rrc(0.1, 1, 0, 1)}, 1, 0, "ratio[0]"},
        {{rrc(0.1, 1, 1, NAN)}, 1, 0, "ratio[1]"},
        {{rrc(0.1, 1, 2, 1)}, 1, 0, "not in order"},
        {{stoker_random_resized_crop(0, 8)}, 1, 0, "height 0"},
        {{stoker_random_resized_crop(8, -1)}, 1, 0, "width -1"},
        {{stoker_random_resized_crop(8, 65501)}, 1, 0, "width 65501"},
        {{stoker_center_crop(65501, 1)}, 1, 0, "height 65501"},
        {{stoker_resize(0, 0)}, 1, 0, "size 0"},
        {{stoker_resize(8, -8)}, 1, 0, "width -8"},
        {{resize_max(8, 8, 16)}, 1, 0, "max_size needs size"},
        {{resize_max(8, 0, 8), CROP}, 2, 0, "max_size 8 is not in 9"},
        {{resize_max(8, 0, -1), CROP}, 2, 0, "max_size -1"},
        {{padded(1)}, 1, 0, "RandomCrop: padding 1"},
        {{padded(-1)}, 1, 0, "RandomCrop: padding -1"},
        {{RRC, stoker_random_horizontal_flip(1.5)}, 2, 0, "p 1.5"},
        {{RRC, stoker_random_vertical_flip(NAN)}, 2, 0, "p nan"},
        {{RRC, stoker_random_vertical_flip(-0.1)}, 2, 0, "p -0.1"},
        {{RRC, normalize(0, 0)}, 2, 3, "std[2] 0"},
        {{RRC, normalize(0, NAN)}, 2, 3, "std[2] nan"},
        {{RRC, normalize(NAN, 1)}, 2, 3, "mean[2] nan"},
        {{RRC, of_kind(0, 0)}, 2, 0, "transforms[1]: kind 0 is unknown"},
        {{RRC, of_kind(8, 0)}, 2, 0, "transforms[1]: kind 8 is unknown"},
        {{of_kind(3, 1)}, 1, 0, "CenterCrop: reserved0"},
        {{RRC}, 0, 0, "empty list"},
        {{RRC}, 1, 4, "dtype 4"},
        {{RRC}, 1, -1, "dtype -1"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int rc = compile(cases[i].list, cases[i].n, cases[i].dtype);
        ck_assert_msg(rc == -EINVAL, "case %zu: %d", i, rc);
        ck_assert_msg(strstr(err.text, cases[i].text) != NULL,
                      "case %zu: '%s' lacks '%s'", i, err.text, cases[i].text);
    }
}
END_TEST

START_TEST(test_lists_of_another_size_are_refused)
{
    stoker_transform list[STK_MAX_TRANSFORMS + 1];

    list[0] = RRC;
    for (int i = 1; i <= STK_MAX_TRANSFORMS; i++)
        list[i] = HFLIP;
    ck_assert_int_eq(compile(list, STK_MAX_TRANSFORMS, STOKER_U8), 0);
    ck_assert_int_eq(program.n_flips, STK_MAX_TRANSFORMS - 1);
    ck_assert_int_eq(compile(list, STK_MAX_TRANSFORMS + 1, STOKER_U8), -EINVAL);
    ck_assert_int_eq(compile(NULL, 1, STOKER_U8), -EINVAL);
    ck_assert_int_eq(stk_program_compile(&program, list, 1, 120, 0, 0, 0, NULL),
                     -EINVAL);
    ck_assert_int_eq(stk_program_compile(&program, list, 1, 128, 0, 2, 0, NULL),
                     -EINVAL);
    ck_assert_int_eq(stk_program_compile(&program, list, 1, 128, 0, 0, 2, NULL),
                     -EINVAL);
}
END_TEST

START_TEST(test_grammar_is_folded)
{
    const stoker_transform val[] = {stoker_resize(256, 0),
                                    stoker_center_crop(224, 200), HFLIP,
                                    stoker_random_vertical_flip(1), NORM};
    ck_assert_int_eq(compile(val, 5, STOKER_F16), 0);
    ck_assert_int_eq(program.cut, STK_CUT_RESIZE_CENTER_CROP);
    ck_assert_int_eq(program.out_height, 224);
    ck_assert_int_eq(program.out_width, 200);
    ck_assert_uint_eq(program.sample_bytes, 3 * 224 * 200 * 2);
    ck_assert_int_eq(program.crop_index, 1);
    ck_assert_int_eq(program.flips[0].index, 2);
    ck_assert(program.flips[1].vertical);
    ck_assert_int_eq(compile(val + 1, 1, STOKER_U8), 0);
    ck_assert_int_eq(program.resize.kind, 0);
    const stoker_transform pair = stoker_resize(8, 9);
    ck_assert_int_eq(compile(&pair, 1, STOKER_F32), 0);
    ck_assert_int_eq(program.cut, STK_CUT_RESIZE);
    ck_assert_int_eq(program.out_width, 9);
    const stoker_transform largest = stoker_center_crop(65500, 65500);
    ck_assert_int_eq(compile(&largest, 1, STOKER_F32), 0);
    ck_assert_uint_eq(program.sample_bytes, (size_t)65500 * 65500 * 12);
}
END_TEST

START_TEST(test_hash_covers_what_decides_a_pixel)
{
    const stoker_transform a[] = {RRC, HFLIP};
    const stoker_transform b[] = {RRC, stoker_random_horizontal_flip(0.25)};
    const stoker_transform c[] = {rrc(0.08, 0.99, 3.0 / 4, 4.0 / 3), HFLIP};
    const stoker_transform d[] = {RRC, stoker_random_vertical_flip(0.5)};
    const stoker_transform e[] = {rrc_filter(STOKER_BICUBIC, 1), HFLIP};
    const stoker_transform *others[] = {b, c, d, e};

    ck_assert_int_eq(compile(a, 2, STOKER_U8), 0);
    uint64_t hash = program.hash;
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(compile(others[i], 2, STOKER_U8), 0);
        ck_assert_uint_ne(program.hash, hash);
    }
    compile(a, 1, STOKER_U8);
    ck_assert_uint_ne(program.hash, hash);
    compile(a, 2, STOKER_F32);
    ck_assert_uint_ne(program.hash, hash);
    stk_program_compile(&program, a, 2, 128, 0, 0, STOKER_PIXELS_PILLOW12,
                        &err);
    ck_assert_uint_ne(program.hash, hash);
    stk_program_compile(&program, a, 2, 128, 0, STOKER_NHWC, 0, &err);
    ck_assert_uint_eq(program.hash, hash);
    /* Stands in cursors: it may never change by itself. */
    ck_assert_uint_eq(hash, UINT64_C(0xaed439ca1a9abc8d));
}
END_TEST

START_TEST(test_tables_round_each_step_to_float)
{
    const stoker_transform list[] = {RRC, NORM};

    ck_assert_int_eq(compile(list, 2, STOKER_F32), 0);
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++) {
            volatile float inverse = 1.0f / 255;
            volatile float t = (float)v * inverse;
            volatile float d = t - mean[c];
            volatile float q = d / std[c];
            float got;
            memcpy(&got, &program.table[c][v], 4);
            ck_assert(got == q);
        }
    ck_assert_int_eq(compile(list, 1, STOKER_U8), 0);
    for (uint32_t v = 0; v < 256; v++)
        ck_assert_uint_eq(program.table[1][v], v);
    ck_assert_int_eq(compile(list, 1, STOKER_BF16), 0);
    ck_assert_uint_eq(program.table[2][255], 0x3f80);
    ck_assert_int_eq(compile(list, 1, STOKER_F16), 0);
    ck_assert_uint_eq(program.table[2][255], 0x3c00);
}
END_TEST

/* The value of half-precision bits, by definition. */
static double half_value(uint16_t h)
{
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double v =
        exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return h & 0x8000 ? -v : v;
}

START_TEST(test_f16_is_the_nearest_even_half)
{
    /* Each half itself, the middle to the next, and a hair beside it. */
    for (uint32_t h = 0; h < 0x7bff; h++) {
        float a = (float)half_value((uint16_t)h);
        float b = (float)half_value((uint16_t)(h + 1));
        float middle = (a + b) / 2;
        uint16_t even = (uint16_t)(h & 1 ? h + 1 : h);
        ck_assert_uint_eq(stk_f16_bits(a), h);
        ck_assert_uint_eq(stk_f16_bits(-a), h | 0x8000);
        ck_assert_uint_eq(stk_f16_bits(middle), even);
        ck_assert_uint_eq(stk_f16_bits(nextafterf(middle, 0)), h);
        ck_assert_uint_eq(stk_f16_bits(nextafterf(middle, 1e9f)), h + 1);
    }
    ck_assert_uint_eq(stk_f16_bits(65519.99f), 0x7bff);
    ck_assert_uint_eq(stk_f16_bits(65520.0f), 0x7c00);
    ck_assert_uint_eq(stk_f16_bits(65536.0f), 0x7c00);
    ck_assert_uint_eq(stk_f16_bits(-1e30f), 0xfc00);
    ck_assert_uint_eq(stk_f16_bits(INFINITY), 0x7c00);
    ck_assert_uint_eq(stk_f16_bits(NAN) & 0x7e00, 0x7e00);
    ck_assert_uint_eq(stk_f16_bits(1e-40f), 0);
}
END_TEST

START_TEST(test_bf16_is_the_nearest_even)
{
    static const struct {
        uint32_t bits;
        uint16_t want;
    } cases[] = {
        {0x3f800000, 0x3f80}, {0x3f808000, 0x3f80}, {0x3f808001, 0x3f81},
        {0x3f818000, 0x3f82}, {0x7f7fffff, 0x7f80}, {0x00008000, 0x0000},
        {0x00018000, 0x0002}, {0xff800000, 0xff80}, {0x7f800001, 0x7fc0},
        {0xbf807fff, 0xbf80},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        float value;
        memcpy(&value, &cases[i].bits, 4);
        ck_assert_uint_eq(stk_bf16_bits(value), cases[i].want);
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("program");
    tcase_add_test(tc, test_refusals_name_the_entry_and_the_reason);
    tcase_add_test(tc, test_lists_of_another_size_are_refused);
    tcase_add_test(tc, test_grammar_is_folded);
    tcase_add_test(tc, test_hash_covers_what_decides_a_pixel);
    tcase_add_test(tc, test_tables_round_each_step_to_float);
    tcase_add_test(tc, test_f16_is_the_nearest_even_half);
    tcase_add_test(tc, test_bf16_is_the_nearest_even);
    Suite *suite = suite_create("program");
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
