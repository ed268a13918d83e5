/* place_tool CPU: the placer as a filter, for comparison with Pillow.  Reads
 * cases of eleven int32 (width, height, grid width, grid height, interpolation,
 * vertical first, flip, then the view: left, top, width, height) and the
 * image's RGB bytes; writes each view as RGB bytes.  Ends with its input. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "augment/place.h"
#include "augment/values.h"
#include "base/cpu.h"

enum { N_FIELDS = 11, STRIP = 8 };

static void set_case(const int32_t f[N_FIELDS], struct stk_program *p,
                     struct stk_geometry *g)
{
    *p = (struct stk_program){.out_width = f[9],
                              .out_height = f[10],
                              .dtype = STOKER_U8,
                              .layout = STOKER_NHWC};
    p->sample_bytes = (size_t)3 * (size_t)f[9] * (size_t)f[10];
    stk_values_fill(p);
    *g = (struct stk_geometry){.crop = {0, 0, f[1], f[0]},
                               .grid_width = f[2],
                               .grid_height = f[3],
                               .view = {f[8], f[7], f[10], f[9]},
                               .source = {0, 0, f[1], f[0]},
                               .interpolation = f[4],
                               .vertical_first = f[5],
                               .flip_horizontal = f[6]};
}

static void feed(struct stk_placer *placer, const uint8_t *rgb, size_t width,
                 size_t height)
{
    size_t stride = width + 2 * STK_STRIP_SLACK;
    uint8_t *planes = calloc(3 * STRIP, stride);
    if (!planes)
        exit(1);
    for (size_t y = 0; y < height; y += STRIP) {
        size_t n = height - y < STRIP ? height - y : STRIP;
        struct stk_strip strip = {.stride = stride, .n_rows = (int32_t)n};
        for (size_t c = 0; c < 3; c++) {
            uint8_t *to = planes + c * STRIP * stride + STK_STRIP_SLACK;
            strip.plane[c] = to;
            for (size_t r = 0; r < n; r++)
                for (size_t x = 0; x < width; x++)
                    to[r * stride + x] = rgb[((y + r) * width + x) * 3 + c];
        }
        stk_placer_rows(placer, &strip);
    }
    free(planes);
}

static int run_case(const int32_t f[N_FIELDS], int cpu)
{
    struct stk_program program;
    struct stk_geometry geometry;
    struct stk_placer *placer;
    stoker_error err;
    set_case(f, &program, &geometry);
    size_t bytes = 3 * (size_t)f[0] * (size_t)f[1];
    uint8_t *rgb = malloc(bytes), *out = malloc(program.sample_bytes);
    if (!rgb || !out || fread(rgb, 1, bytes, stdin) != bytes)
        return 1;
    if (stk_placer_open(&placer, &program, cpu, &err) < 0 ||
        stk_placer_begin(placer, &geometry, out, &err) < 0)
        return 1;
    feed(placer, rgb, (size_t)f[0], (size_t)f[1]);
    bool done = stk_placer_done(placer);
    stk_placer_close(&placer);
    fwrite(out, 1, program.sample_bytes, stdout);
    fflush(stdout);
    free(rgb);
    free(out);
    return done ? 0 : 1;
}

int main(int argc, char **argv)
{
    int32_t f[N_FIELDS];
    int cpu = stk_cpu_resolve(argc > 1 ? atoi(argv[1]) : STOKER_CPU_AUTO);
    if (cpu < 0)
        return 77; /* not on this machine */
    while (fread(f, sizeof f, 1, stdin) == 1)
        if (run_case(f, cpu) != 0)
            return 1;
    return 0;
}
