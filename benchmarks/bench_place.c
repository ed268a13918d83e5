/* Placing alone: ms an image of each part, by cpu level, dtype, filter and
 * order of passes, over windows as RandomResizedCrop draws them from
 * ImageNet-like sizes, and over megapixel windows. Strips of 8 rows, hot.  Sums
 * over windows of the least of some repeats, so that a busy machine shows less.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "augment/place.h"
#include "augment/values.h"
#include "base/clock.h"
#include "base/cpu.h"

enum { N_WINDOWS = 200, N_SLOTS = 64, STRIP = 8, REPEATS = 9 };

static uint64_t state = 88172645463325252u;

static double uniform(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) / 9007199254740992.0;
}

/* torchvision's RandomResizedCrop with its defaults. */
static struct stk_window draw_window(int width, int height)
{
    for (int i = 0; i < 10; i++) {
        double area = width * height * (0.08 + 0.92 * uniform());
        double ratio = exp(log(0.75) + log(16.0 / 9.0) * uniform());
        int w = (int)lround(sqrt(area * ratio));
        int h = (int)lround(sqrt(area / ratio));
        if (w > 0 && h > 0 && w <= width && h <= height)
            return (struct stk_window){0, 0, h, w};
    }
    int side = width < height ? width : height;
    return (struct stk_window){0, 0, side, side};
}

struct bench {
    struct stk_program program;
    struct stk_geometry geometry[N_WINDOWS];
    uint8_t *source, *slots;
    size_t stride, plane;
};

static void make_program(struct stk_program *p, int dtype)
{
    static const size_t bytes[] = {1, 2, 2, 4};
    *p = (struct stk_program){.out_height = 224, .out_width = 224};
    p->dtype = dtype;
    p->sample_bytes = (size_t)3 * 224 * 224 * bytes[dtype];
    if (dtype != STOKER_U8) {
        p->has_normalize = true;
        for (int c = 0; c < 3; c++) {
            p->mean[c] = (float[]){0.485f, 0.456f, 0.406f}[c];
            p->std[c] = (float[]){0.229f, 0.224f, 0.225f}[c];
        }
    }
    stk_values_fill(p);
}

static void place(const struct bench *b, struct stk_placer *placer, int i,
                  double least[1], double parts[2])
{
    const struct stk_geometry *g = &b->geometry[i];
    struct stk_place_times times;
    stoker_error err;
    int64_t start = stk_now_ns();
    size_t slot = (size_t)(i % N_SLOTS) * (3 * 224 * 224 * 4 + 64);
    if (stk_placer_begin(placer, g, b->slots + slot, &err) < 0)
        exit(1);
    for (int y = 0; y < g->source.height; y += STRIP) {
        struct stk_strip strip = {.stride = b->stride, .n_rows = STRIP};
        if (g->source.height - y < STRIP)
            strip.n_rows = g->source.height - y;
        /* As from the decoder: always the same few rows, hot. */
        for (size_t c = 0; c < 3; c++)
            strip.plane[c] = b->source + c * b->plane + STK_STRIP_SLACK;
        stk_placer_rows(placer, &strip);
    }
    if (!stk_placer_done(placer))
        exit(2);
    stk_placer_times(placer, &times);
    double ns = (double)(stk_now_ns() - start);
    least[0] = ns < least[0] ? ns : least[0];
    parts[0] += (double)times.resample_ns;
    parts[1] += (double)times.emit_ns;
}

/* order: 0 or 1, or -1 for what Pillow 13 does. */
static void run(struct bench *b, const char *name, int width, int height,
                int cpu, int dtype, int interpolation, int order)
{
    static const char *const dtypes[] = {"u8", "f16", "bf16", "f32"};
    int n = width > 1000 ? N_WINDOWS / 10 : N_WINDOWS;
    make_program(&b->program, dtype);
    state = 88172645463325252u;
    for (int i = 0; i < n; i++) {
        struct stk_geometry *g = &b->geometry[i];
        int w = width > 1000 ? width : (int)(width * (0.7 + 0.6 * uniform()));
        *g = (struct stk_geometry){.crop = draw_window(w, height),
                                   .grid_height = 224,
                                   .grid_width = 224,
                                   .view = {0, 0, 224, 224},
                                   .interpolation = interpolation,
                                   .flip_horizontal = i & 1};
        g->source = g->crop;
        g->vertical_first =
            order >= 0 ? order
                       : g->crop.height > 224 &&
                             g->crop.height - 224 > 2 * (g->crop.width - 224);
    }
    struct stk_placer *placer;
    stoker_error err;
    if (stk_placer_open(&placer, &b->program, cpu, &err) < 0)
        exit(1);
    /* The total is measured whole; its parts are shares of all repeats. */
    static double least[N_WINDOWS];
    double share[2] = {0, 0}, total = 0, parts[2];
    for (int i = 0; i < n; i++)
        least[i] = 1e30;
    for (int r = 0; r < REPEATS; r++)
        for (int i = 0; i < n; i++)
            place(b, placer, i, &least[i], share);
    for (int i = 0; i < n; i++)
        total += least[i] / n / 1e6;
    for (int k = 0; k < 2; k++)
        parts[k] = total * share[k] / (share[0] + share[1]);
    stk_placer_close(&placer);
    printf("%-8s %-6s %-4s %-8s %-10s %8.4f %8.4f %8.4f\n", name,
           stk_cpu_name(cpu), dtypes[dtype],
           interpolation == STOKER_BICUBIC ? "bicubic" : "bilinear",
           order < 0 ? "pillow13"
           : order   ? "vertical"
                     : "horizontal",
           parts[0], parts[1], parts[0] + parts[1]);
}

/* Arguments name the one cpu level to run, and the one line of its table. */
int main(int argc, char **argv)
{
    static const struct line {
        const char *name;
        int width, height, dtype, interpolation, order;
    } lines[] = {
        {"imagenet", 468, 401, STOKER_U8, STOKER_BILINEAR, 0},
        {"imagenet", 468, 401, STOKER_F16, STOKER_BILINEAR, 0},
        {"imagenet", 468, 401, STOKER_BF16, STOKER_BILINEAR, 0},
        {"imagenet", 468, 401, STOKER_F32, STOKER_BILINEAR, 0},
        {"imagenet", 468, 401, STOKER_U8, STOKER_BILINEAR, 1},
        {"imagenet", 468, 401, STOKER_U8, STOKER_BILINEAR, -1},
        {"imagenet", 468, 401, STOKER_U8, STOKER_BICUBIC, 0},
        {"imagenet", 468, 401, STOKER_U8, STOKER_BICUBIC, 1},
        {"12 Mpx", 4000, 3000, STOKER_U8, STOKER_BILINEAR, 0},
        {"12 Mpx", 4000, 3000, STOKER_U8, STOKER_BILINEAR, 1},
        {"12 Mpx", 4000, 3000, STOKER_U8, STOKER_BICUBIC, 0},
    };
    int only = argc > 2 ? atoi(argv[2]) : -1;
    struct bench *b = calloc(1, sizeof *b);
    b->stride = 4608 + 2 * STK_STRIP_SLACK;
    b->plane = b->stride * STRIP;
    b->source = malloc(3 * b->plane);
    b->slots = aligned_alloc(64, (size_t)N_SLOTS * (3 * 224 * 224 * 4 + 64));
    memset(b->slots, 1, (size_t)N_SLOTS * (3 * 224 * 224 * 4 + 64));
    for (size_t i = 0; i < 3 * b->plane; i++)
        b->source[i] = (uint8_t)(uniform() * 256);
    puts("ms/image:                                     resample     emit     "
         " sum");
    for (int cpu = STOKER_CPU_VEC128; cpu >= STOKER_CPU_SCALAR; cpu--) {
        if (stk_cpu_resolve(cpu) != cpu ||
            (argc > 1 && strcmp(argv[1], stk_cpu_name(cpu)) != 0))
            continue;
        for (int i = 0; i < (int)(sizeof lines / sizeof *lines); i++) {
            const struct line *l = &lines[i];
            if (only < 0 || only == i)
                run(b, l->name, l->width, l->height, cpu, l->dtype,
                    l->interpolation, l->order);
        }
    }
    free(b->source);
    free(b->slots);
    free(b);
    return 0;
}
