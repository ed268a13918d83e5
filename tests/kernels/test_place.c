/* Every cpu level of the placer against the plain oracle, between guard
 * pages: sizes, ratios, views beside the grid, flips, dtypes, layouts. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "augment/values.h"
#include "base/cpu.h"
#include "place_oracle.h"
#include "run_suite.h"

static uint64_t state;

static uint32_t draw(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % below);
}

/* Small sizes often, large ones sometimes. */
static int draw_size(int most)
{
    static const int likely[] = {1,  2,  3,  7,   16,  17, 31,
                                 33, 63, 64, 100, 224, 301};
    uint32_t kind = draw(4);
    int n = kind == 0 ? likely[draw(13)] : 1 + (int)draw(kind == 1 ? 24 : 260);
    if (draw(12) == 0)
        n = 1 + (int)draw((uint32_t)most);
    return n < most ? n : most;
}

static void make_program(struct stk_program *p)
{
    static const size_t bytes[] = {1, 2, 2, 4};
    static const float mean[] = {0.485f, 0.456f, 0.406f};
    static const float std[] = {0.229f, 0.224f, 0.225f};
    p->dtype = (int32_t)draw(4);
    p->layout = (int32_t)draw(2);
    p->sample_bytes =
        3 * (size_t)p->out_height * (size_t)p->out_width * bytes[p->dtype];
    bool normal = draw(2);
    p->has_normalize = normal;
    memcpy(p->mean, mean, sizeof mean);
    memcpy(p->std, std, sizeof std);
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++) {
            float t = (float)v * (1.0f / 255);
            t = normal ? (t - mean[c]) / std[c] : t;
            uint32_t bits;
            memcpy(&bits, &t, 4);
            p->table[c][v] = bits;
        }
    if (draw(2))
        stk_values_fill(p); /* what a program holds; else not a formula */
    if (p->dtype == STOKER_U8)
        stk_values_fill(p);
    if (p->dtype == STOKER_F16 || p->dtype == STOKER_BF16)
        for (int v = 0; v < 768; v++)
            p->table[v / 256][v % 256] &= 0xffff;
    if (p->dtype == STOKER_F32 && draw(3) == 0)
        for (int v = 0; v < 768; v++) /* no formula at all */
            p->table[v / 256][v % 256] = draw(1u << 31);
}

static void make_geometry(struct place_case *c, int most)
{
    struct stk_geometry *g = &c->geometry;
    g->crop = (struct stk_window){(int)draw(50), (int)draw(50), draw_size(most),
                                  draw_size(most)};
    g->grid_height = draw(6) == 0 ? g->crop.height : draw_size(300);
    g->grid_width = draw(6) == 0 ? g->crop.width : draw_size(300);
    g->view = (struct stk_window){0, 0, g->grid_height, g->grid_width};
    if (draw(3) == 0) {
        g->view.height = draw_size(300);
        g->view.width = draw_size(300);
        g->view.top = (g->grid_height - g->view.height) / 2;
        g->view.left = (g->grid_width - g->view.width) / 2;
    }
    g->interpolation = draw(2) ? STOKER_BILINEAR : STOKER_BICUBIC;
    g->vertical_first = draw(2);
    g->flip_horizontal = draw(2);
    g->flip_vertical = draw(3) == 0;
    oracle_set_source(g);
    c->program.out_height = g->view.height;
    c->program.out_width = g->view.width;
    c->program.interpolation = g->interpolation;
}

/* Extremes as often as noise, so that sums are pushed over both ends. */
static void make_pixels(struct place_case *c)
{
    const struct stk_window *crop = &c->geometry.crop;
    size_t n = (size_t)crop->height * (size_t)crop->width;
    uint32_t kind = draw(3);
    for (int ch = 0; ch < 3; ch++) {
        c->pixel[ch] = malloc(n);
        for (size_t i = 0; i < n; i++)
            c->pixel[ch][i] = kind == 0   ? 255
                              : kind == 1 ? (uint8_t)(draw(2) * 255)
                                          : (uint8_t)draw(256);
    }
}

static void check_case(struct place_case *c)
{
    make_program(&c->program);
    make_pixels(c);
    uint8_t *want = malloc(c->program.sample_bytes);
    oracle_place(c, want);
    int rows = draw(2) ? 8 : 1 + (int)draw(16);
    bool at_end = draw(3);
    for (int cpu = STOKER_CPU_SCALAR; cpu <= STOKER_CPU_VEC128; cpu++)
        if (stk_cpu_resolve(cpu) == cpu)
            oracle_check(c, cpu, rows, want, at_end);
    free(want);
    for (int ch = 0; ch < 3; ch++)
        free(c->pixel[ch]);
}

START_TEST(test_every_level_writes_what_the_definition_says)
{
    state = (uint64_t)_i * 1000003 + 12345;
    for (int i = 0; i < 150; i++) {
        struct place_case c = {0};
        make_geometry(&c, 1200);
        check_case(&c);
    }
}
END_TEST

START_TEST(test_huge_ratios_are_exact)
{
    static const int size[][4] = {{8000, 3, 1, 1},    {3, 8000, 2, 1},
                                  {1, 1, 300, 200},   {5000, 7, 224, 224},
                                  {9, 5000, 31, 224}, {4000, 600, 224, 224},
                                  {2, 2, 500, 3},     {700, 700, 8, 5}};
    for (size_t i = 0; i < 8 * 8; i++) {
        const int *s = size[i % 8];
        struct place_case c = {0};
        state = i;
        make_geometry(&c, 2);
        struct stk_geometry *g = &c.geometry;
        g->crop = (struct stk_window){0, 0, s[1], s[0]};
        g->grid_width = s[2];
        g->grid_height = s[3];
        g->view = (struct stk_window){0, 0, s[3], s[2]};
        oracle_set_source(g);
        c.program.out_width = s[2];
        c.program.out_height = s[3];
        check_case(&c);
    }
}
END_TEST

/* From half to forty times, where kernels change their ways. */
START_TEST(test_every_ratio_is_exact)
{
    for (int w = 7; w < 2500; w += 1 + w / 16) {
        struct place_case c = {0};
        state = (uint64_t)w * 977;
        make_geometry(&c, 2);
        struct stk_geometry *g = &c.geometry;
        g->crop = (struct stk_window){0, 0, 9, w};
        if (draw(2))
            g->crop = (struct stk_window){0, 0, w, 9};
        g->grid_width = g->crop.width == 9 ? 70 : 61;
        g->grid_height = g->crop.width == 9 ? 61 : 5;
        g->view = (struct stk_window){0, 0, g->grid_height, g->grid_width};
        oracle_set_source(g);
        c.program.out_width = g->grid_width;
        c.program.out_height = g->grid_height;
        check_case(&c);
    }
}
END_TEST

START_TEST(test_a_placer_does_not_allocate_again_for_the_same_sizes)
{
    struct stk_program p = {.out_height = 20,
                            .out_width = 20,
                            .dtype = STOKER_U8,
                            .sample_bytes = 1200};
    struct stk_geometry g = {.crop = {0, 0, 50, 50},
                             .grid_height = 20,
                             .grid_width = 20,
                             .view = {0, 0, 20, 20},
                             .source = {0, 0, 50, 50},
                             .interpolation = STOKER_BICUBIC};
    struct stk_placer *placer;
    stoker_error err;
    uint8_t target[1200];
    ck_assert_int_eq(stk_placer_open(&placer, &p, stk_cpu_best(), &err), 0);
    size_t bytes = 0;
    for (int i = 0; i < 6; i++) {
        g.vertical_first = i & 1;
        ck_assert_int_eq(stk_placer_begin(placer, &g, target, &err), 0);
        if (i < 2)
            bytes = stk_placer_scratch_bytes(placer);
        ck_assert_uint_eq(stk_placer_scratch_bytes(placer), bytes);
        ck_assert(!stk_placer_done(placer));
    }
    stk_placer_close(&placer);
    ck_assert_ptr_null(placer);
}
END_TEST

int main(void)
{
    for (int cpu = STOKER_CPU_AVX2; cpu <= STOKER_CPU_VEC128; cpu++)
        if (stk_cpu_resolve(cpu) != cpu)
            fprintf(stderr, "skipped on this machine: %s\n", stk_cpu_name(cpu));
    Suite *s = suite_create("place");
    TCase *tc = tcase_create("kernels");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, test_every_level_writes_what_the_definition_says, 0,
                        4);
    tcase_add_test(tc, test_huge_ratios_are_exact);
    tcase_add_test(tc, test_every_ratio_is_exact);
    tcase_add_test(tc,
                   test_a_placer_does_not_allocate_again_for_the_same_sizes);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
