/* Recipes: torchvision's distribution and geometry, pure functions of their
 * key, and exp and log with fixed bits. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "augment/recipe.h"
#include "augment/taps.h"
#include "run_suite.h"

static struct stk_program program;
static stoker_error err;

static void compile(const stoker_transform *list, size_t n)
{
    int rc = stk_program_compile(&program, list, n, sizeof *list, STOKER_U8,
                                 STOKER_NCHW, STOKER_PIXELS_PILLOW13, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
}

static struct stk_geometry make(uint64_t id, int32_t width, int32_t height)
{
    struct stk_geometry g;
    struct stk_key key = {42, 3, id};
    int rc = stk_recipe_make(&program, key, width, height, &g, &err);
    ck_assert_msg(rc == 0, "%s", err.text);
    return g;
}

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, 8);
    return bits;
}

static double ulps(double a, double b)
{
    return fabs((double)((int64_t)bits_of(a) - (int64_t)bits_of(b)));
}

START_TEST(test_exp_and_log_stay_within_an_ulp_or_two)
{
    double worst_exp = 0, worst_log = 0;
    for (int i = -700000; i <= 700000; i += 7) {
        double x = i * 0.001 + i * 1e-9;
        double d = ulps(stk_exp(x), exp(x));
        worst_exp = d > worst_exp ? d : worst_exp;
        double y = exp(x), e = ulps(stk_log(y), log(y));
        worst_log = e > worst_log ? e : worst_log;
    }
    for (int i = 1; i < 200000; i++) {
        double y = i * 1e-5, e = ulps(stk_log(y), log(y));
        worst_log = e > worst_log ? e : worst_log;
    }
    ck_assert_double_le(worst_exp, 1);
    ck_assert_double_le(worst_log, 1);
}
END_TEST

START_TEST(test_exp_and_log_at_their_ends)
{
    ck_assert(isnan(stk_exp(NAN)) && isnan(stk_log(NAN)));
    ck_assert(isnan(stk_log(-1)));
    ck_assert(stk_exp(INFINITY) == INFINITY && stk_exp(-INFINITY) == 0);
    ck_assert(stk_exp(710) == INFINITY && stk_exp(-800) == 0);
    ck_assert(stk_log(0) == -INFINITY && stk_log(INFINITY) == INFINITY);
    ck_assert(stk_exp(0) == 1 && stk_log(1) == 0);
    ck_assert_double_eq_tol(stk_log(0x1p-1074), log(0x1p-1074), 1e-12);
    ck_assert(stk_exp(709.7) > 1e308 && stk_exp(-744) > 0);
}
END_TEST

START_TEST(test_exp_and_log_have_golden_bits)
{
    static const struct {
        double x;
        uint64_t exp_bits, log_bits;
    } golden[] = {
        {0x1.8p-1, 0x4000ef9db467dcf8, 0xbfd269621134db92},
        {0x1.5555555555555p+0, 0x400e596e8d9c6536, 0x3fd269621134db91},
        {0x1.999999999999ap-4, 0x3ff1aec7b35a00d4, 0xc0026bb1bbb55515},
        {0x1.0624dd2f1a9fcp-10, 0x3ff0041919b7ee34, 0xc01ba18a998fffa0},
        {0x1p+1, 0x401d8e64b8d4ddae, 0x3fe62e42fefa39ef},
        {0x1.921fb54442d11p+1, 0x403724046eb09324, 0x3ff250d048e7a1b8},
        {0x1p-1, 0x3ffa61298e1e069c, 0xbfe62e42fefa39ef},
        {0x1.8p+0, 0x4011ed3fe64fc541, 0x3fd9f323ecbf984c},
        {0x1.4p+3, 0x40d5829dcf950560, 0x40026bb1bbb55516},
        {0x1.9p+6, 0x48f3494a9b171bf5, 0x40126bb1bbb55516},
        {0x1.269621134db91p-2, 0x3ff5555555555555, 0xbff3ef342116e5d0},
        {0x1.56e1fc2f8f359p-997, 0x3ff0000000000000, 0xc085963447f87fb5},
    };

    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++) {
        ck_assert_uint_eq(bits_of(stk_exp(golden[i].x)), golden[i].exp_bits);
        ck_assert_uint_eq(bits_of(stk_log(golden[i].x)), golden[i].log_bits);
    }
}
END_TEST

START_TEST(test_windows_have_golden_values)
{
    static const int32_t golden[][4] = {
        {19, 16, 336, 440}, {52, 225, 208, 157},  {12, 101, 328, 360},
        {52, 77, 202, 219}, {125, 103, 187, 249}, {102, 195, 234, 278},
        {71, 7, 236, 242},  {11, 147, 309, 348},
    };
    const stoker_transform list[] = {stoker_random_resized_crop(224, 224)};

    compile(list, 1);
    for (uint64_t id = 0; id < 8; id++) {
        struct stk_geometry g = make(id, 500, 375);
        const int32_t got[4] = {g.crop.top, g.crop.left, g.crop.height,
                                g.crop.width};
        ck_assert_mem_eq(got, golden[id], sizeof got);
    }
}
END_TEST

/* Where no try is refused (small scales), area and log ratio are uniform and
 * every place is as likely. */
START_TEST(test_windows_follow_torchvisions_distribution)
{
    enum { N = 100000 };
    stoker_transform list[] = {stoker_random_resized_crop(64, 64)};
    double area = 0, area2 = 0, ratio = 0, top = 0, left = 0;

    list[0].as.random_resized_crop.scale[0] = 0.1;
    list[0].as.random_resized_crop.scale[1] = 0.5;
    compile(list, 1);
    for (uint64_t id = 0; id < N; id++) {
        struct stk_geometry g = make(id, 4000, 3000);
        double h = g.crop.height, w = g.crop.width, a = h * w / 12e6;
        ck_assert(a > 0.0998 && a < 0.5004);
        ck_assert(w / h > 0.749 && w / h < 1.335);
        area += a;
        area2 += a * a;
        ratio += log(w / h);
        top += g.crop.top / (3000 - h);
        left += g.crop.left / (4000 - w);
    }
    /* four standard errors: 0.115/316, 0.166/316, 0.289/316 */
    ck_assert_double_eq_tol(area / N, 0.3, 0.0015);
    ck_assert_double_eq_tol(area2 / N - 0.09, 0.16 / 12, 0.0012);
    ck_assert_double_eq_tol(ratio / N, 0, 0.0021);
    ck_assert_double_eq_tol(top / N, 0.5, 0.0037);
    ck_assert_double_eq_tol(left / N, 0.5, 0.0037);
}
END_TEST

START_TEST(test_extreme_images_take_the_central_window)
{
    const stoker_transform list[] = {stoker_random_resized_crop(64, 64)};

    compile(list, 1);
    for (uint64_t id = 0; id < 200; id++) {
        struct stk_geometry g = make(id, 10000, 10);
        if (g.crop.width == 13) {
            ck_assert_int_eq(g.crop.height, 10);
            ck_assert_int_eq(g.crop.left, (10000 - 13) / 2);
        }
        g = make(id, 3, 60000); /* 14400 is the least area: none fits */
        ck_assert_int_eq(g.crop.width, 3);
        ck_assert_int_eq(g.crop.height, 4);
        ck_assert_int_eq(g.crop.top, (60000 - 4) / 2);
        g = make(id, 1, 1);
        ck_assert_int_eq(g.crop.height * g.crop.width, 1);
    }
}
END_TEST

START_TEST(test_recipe_depends_on_its_key_alone)
{
    const stoker_transform list[] = {stoker_random_resized_crop(64, 64),
                                     stoker_random_horizontal_flip(0.5)};
    struct stk_geometry first[64];
    int n_equal = 0;

    compile(list, 2);
    for (uint64_t id = 0; id < 64; id++)
        first[id] = make(id, 500, 400);
    for (uint64_t id = 64; id-- > 0;) {
        struct stk_geometry again = make(id, 500, 400);
        ck_assert_mem_eq(&again.crop, &first[id].crop, sizeof again.crop);
        ck_assert(again.flip_horizontal == first[id].flip_horizontal);
        struct stk_geometry other;
        stk_recipe_make(&program, (struct stk_key){42, 4, id}, 500, 400, &other,
                        &err);
        n_equal += memcmp(&other.crop, &again.crop, sizeof other.crop) == 0;
    }
    ck_assert_int_lt(n_equal, 3);
}
END_TEST

START_TEST(test_flips_come_at_their_rate)
{
    enum { N = 40000 };
    const double rates[] = {0, 0.25, 0.5, 1};

    for (int i = 0; i < 4; i++) {
        const stoker_transform list[] = {
            stoker_center_crop(8, 8), stoker_random_horizontal_flip(rates[i]),
            stoker_random_vertical_flip(1 - rates[i])};
        int n_h = 0, n_v = 0, n_both = 0;
        compile(list, 3);
        for (uint64_t id = 0; id < N; id++) {
            struct stk_geometry g = make(id, 9, 9);
            n_h += g.flip_horizontal;
            n_v += g.flip_vertical;
            n_both += g.flip_horizontal && g.flip_vertical;
        }
        double p = rates[i], tolerance = p * (1 - p) > 0 ? 0.0101 : 0;
        ck_assert_double_eq_tol((double)n_h / N, p, tolerance + 1e-12);
        ck_assert_double_eq_tol((double)n_v / N, 1 - p, tolerance + 1e-12);
        ck_assert_double_eq_tol((double)n_both / N, p * (1 - p),
                                tolerance + 1e-12);
    }
}
END_TEST

START_TEST(test_two_sure_flips_are_none)
{
    const stoker_transform list[] = {stoker_center_crop(8, 8),
                                     stoker_random_horizontal_flip(1),
                                     stoker_random_horizontal_flip(1)};
    compile(list, 3);
    ck_assert(!make(5, 9, 9).flip_horizontal);
}
END_TEST

START_TEST(test_random_crop_reaches_every_place_and_refuses_small_images)
{
    const stoker_transform list[] = {stoker_resize(10, 0),
                                     stoker_random_crop(8, 8)};
    int seen[3][13] = {{0}};

    compile(list, 2);
    for (uint64_t id = 0; id < 4000; id++) {
        struct stk_geometry g = make(id, 40, 20);
        ck_assert_int_eq(g.grid_width, 20);
        seen[g.view.top][g.view.left]++;
    }
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 13; x++)
            ck_assert_int_gt(seen[y][x], 4000 / 39 / 2);
    struct stk_geometry g;
    compile(list + 1, 1);
    ck_assert_int_eq(
        stk_recipe_make(&program, (struct stk_key){0, 0, 0}, 7, 30, &g, &err),
        -ERANGE);
    ck_assert_ptr_nonnull(strstr(err.text, "8 x 8"));
    ck_assert_ptr_nonnull(strstr(err.text, "7 x 30"));
}
END_TEST

START_TEST(test_center_crop_rounds_as_python_and_pads_as_torchvision)
{
    const stoker_transform list[] = {stoker_center_crop(4, 4)};
    static const int32_t cases[][2] = {/* size, begin */
                                       {4, 0},  {5, 0},  {6, 1}, {7, 2},
                                       {8, 2},  {9, 2},  {3, 0}, {2, -1},
                                       {1, -1}, {11, 4}, {13, 4}};
    compile(list, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t size = cases[i][0], begin = cases[i][1];
        struct stk_geometry g = make(0, size, 100);
        ck_assert_int_eq(g.view.left, begin);
        ck_assert_int_eq(g.view.top, 48);
        ck_assert_int_eq(g.source.left, begin < 0 ? 0 : begin);
        ck_assert_int_eq(g.source.width, size < 4 ? size : 4);
        ck_assert_mem_eq(&g.report, &g.source, sizeof g.source);
    }
}
END_TEST

START_TEST(test_resize_keeps_the_ratio_as_torchvision)
{
    stoker_transform list[] = {stoker_resize(256, 0), stoker_center_crop(8, 8)};
    static const int32_t cases[][5] = {
        /* w, h, max_size, grid w, grid h */
        {500, 375, 0, 341, 256},   {375, 500, 0, 256, 341},
        {100, 100, 0, 256, 256},   {1, 3, 0, 256, 768},
        {1000, 100, 300, 300, 30}, {300, 299, 300, 256, 256},
    };
    for (size_t i = 0; i < 6; i++) {
        list[0].as.resize.max_size = cases[i][2];
        compile(list, 2);
        struct stk_geometry g = make(0, cases[i][0], cases[i][1]);
        ck_assert_int_eq(g.grid_width, cases[i][3]);
        ck_assert_int_eq(g.grid_height, cases[i][4]);
        ck_assert_int_eq(g.report.width, cases[i][0]);
    }
    list[0].as.resize.max_size = 257;
    compile(list, 2);
    struct stk_geometry g;
    ck_assert_int_eq(
        stk_recipe_make(&program, (struct stk_key){0}, 60000, 1, &g, &err),
        -ERANGE);
    ck_assert_int_eq(
        stk_recipe_make(&program, (struct stk_key){0}, 0, 1, &g, &err),
        -ERANGE);
}
END_TEST

START_TEST(test_source_is_the_smallest_that_the_taps_need)
{
    for (int bicubic = 0; bicubic < 2; bicubic++)
        for (int32_t in = 1; in < 60; in += 3)
            for (int32_t out = 1; out < 60; out += 4) {
                stoker_transform list[] = {stoker_resize(out, out),
                                           stoker_center_crop(5, 7)};
                list[0].as.resize.interpolation =
                    bicubic ? STOKER_BICUBIC : STOKER_BILINEAR;
                compile(list, 2);
                struct stk_geometry g = make(0, in, in);
                struct stk_taps taps;
                int32_t low = in, high = 0;
                stk_taps_init(&taps, in, out, g.interpolation);
                for (int32_t x = 0; x < out; x++) {
                    int32_t a, b;
                    if (x < g.view.left || x >= g.view.left + g.view.width)
                        continue;
                    stk_taps_bounds(&taps, x, &a, &b);
                    ck_assert(a >= 0 && a < b && b <= in);
                    low = a < low ? a : low;
                    high = b > high ? b : high;
                }
                ck_assert_int_eq(g.source.left, low);
                ck_assert_int_eq(g.source.width, high - low);
            }
}
END_TEST

START_TEST(test_vertical_first_by_pillow_13s_rule)
{
    static const int32_t cases[][3] = {
        /* w, h, first */
        {100, 500, 1}, {500, 500, 0}, {224, 500, 0}, {225, 226, 0},
        {225, 227, 1}, {200, 230, 1}, {100, 224, 0}, {100, 100, 0}};
    const stoker_transform list[] = {stoker_resize(224, 224)};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        compile(list, 1);
        ck_assert_int_eq(make(0, cases[i][0], cases[i][1]).vertical_first,
                         cases[i][2]);
        program.pixels = STOKER_PIXELS_PILLOW12;
        ck_assert(!make(0, cases[i][0], cases[i][1]).vertical_first);
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("recipe");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, test_exp_and_log_stay_within_an_ulp_or_two);
    tcase_add_test(tc, test_exp_and_log_at_their_ends);
    tcase_add_test(tc, test_exp_and_log_have_golden_bits);
    tcase_add_test(tc, test_windows_have_golden_values);
    tcase_add_test(tc, test_windows_follow_torchvisions_distribution);
    tcase_add_test(tc, test_extreme_images_take_the_central_window);
    tcase_add_test(tc, test_recipe_depends_on_its_key_alone);
    tcase_add_test(tc, test_flips_come_at_their_rate);
    tcase_add_test(tc, test_two_sure_flips_are_none);
    tcase_add_test(
        tc, test_random_crop_reaches_every_place_and_refuses_small_images);
    tcase_add_test(tc,
                   test_center_crop_rounds_as_python_and_pads_as_torchvision);
    tcase_add_test(tc, test_resize_keeps_the_ratio_as_torchvision);
    tcase_add_test(tc, test_source_is_the_smallest_that_the_taps_need);
    tcase_add_test(tc, test_vertical_first_by_pillow_13s_rule);
    Suite *suite = suite_create("recipe");
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
