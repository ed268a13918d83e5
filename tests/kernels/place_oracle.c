/* The oracle of placing: see place_oracle.h. */
#include "place_oracle.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static double filter(double x, int interpolation)
{
    x = fabs(x);
    if (interpolation == STOKER_BILINEAR)
        return x < 1 ? 1 - x : 0;
    if (x < 1)
        return ((-0.5 + 2) * x - (-0.5 + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

/* The taps of output x of a line of n pixels that becomes m. */
static int taps_of(int x, int n, int m, int interpolation, int *first,
                   int **weight)
{
    double scale = (double)n / m, stretch = scale < 1 ? 1 : scale;
    double support = (interpolation == STOKER_BICUBIC ? 2 : 1) * stretch;
    double centre = (x + 0.5) * scale, sum = 0, inverse = 1 / stretch;
    int low = (int)(centre - support + 0.5);
    int high = (int)(centre + support + 0.5);
    low = low < 0 ? 0 : low;
    high = high > n ? n : high;
    double *w = malloc(sizeof *w * (size_t)(high - low));
    *weight = malloc(sizeof **weight * (size_t)(high - low));
    for (int i = 0; i < high - low; i++) {
        w[i] = filter((i + low - centre + 0.5) * inverse, interpolation);
        sum += w[i];
    }
    for (int i = 0; i < high - low; i++) {
        double k = sum != 0 ? w[i] / sum : w[i];
        (*weight)[i] = (int)((k < 0 ? -0.5 : 0.5) + k * (1 << 22));
    }
    free(w);
    *first = low;
    return high - low;
}

/* Resizes lines: line y's pixel x is at src[y * line + x * step]. */
static uint8_t *resize(const uint8_t *src, int width, int height, int m,
                       bool across, int interpolation)
{
    int n = across ? width : height, lines = across ? height : width;
    uint8_t *to = malloc((size_t)m * (size_t)lines + 1);
    for (int x = 0; x < m; x++) {
        int first, *k, taps = taps_of(x, n, m, interpolation, &first, &k);
        for (int y = 0; y < lines; y++) {
            int sum = 1 << 21;
            for (int i = 0; i < taps; i++)
                sum += k[i] * (across ? src[y * width + first + i]
                                      : src[(first + i) * width + y]);
            sum >>= 22;
            to[across ? y * m + x : x * lines + y] =
                (uint8_t)(sum < 0     ? 0
                          : sum > 255 ? 255
                                      : sum);
        }
        free(k);
    }
    return to;
}

static uint8_t *resize_plane(const struct stk_geometry *g, const uint8_t *src)
{
    int w = g->crop.width, h = g->crop.height;
    uint8_t *now = malloc((size_t)w * (size_t)h);
    memcpy(now, src, (size_t)w * (size_t)h);
    for (int pass = 0; pass < 2; pass++) {
        bool across = (pass == 0) != g->vertical_first;
        int m = across ? g->grid_width : g->grid_height;
        if (m == (across ? w : h))
            continue;
        uint8_t *next = resize(now, w, h, m, across, g->interpolation);
        free(now);
        now = next;
        *(across ? &w : &h) = m;
    }
    return now;
}

void oracle_place(const struct place_case *c, uint8_t *target)
{
    const struct stk_geometry *g = &c->geometry;
    const struct stk_program *p = &c->program;
    int ow = p->out_width, oh = p->out_height;
    size_t bytes = p->sample_bytes / (3 * (size_t)ow * (size_t)oh);
    for (int ch = 0; ch < 3; ch++) {
        uint8_t *grid = resize_plane(g, c->pixel[ch]);
        for (int y = 0; y < oh; y++)
            for (int x = 0; x < ow; x++) {
                int gy = g->view.top + (g->flip_vertical ? oh - 1 - y : y);
                int gx = g->view.left + (g->flip_horizontal ? ow - 1 - x : x);
                bool in = gy >= 0 && gx >= 0 && gy < g->grid_height &&
                          gx < g->grid_width;
                uint32_t bits =
                    p->table[ch][in ? grid[gy * g->grid_width + gx] : 0];
                size_t at = p->layout == STOKER_NHWC
                                ? ((size_t)y * ow + x) * 3 + ch
                                : ((size_t)ch * oh + y) * ow + x;
                memcpy(target + at * bytes, &bits, bytes);
            }
        free(grid);
    }
}

static void needed(int crop, int grid, int view, int size, int interpolation,
                   int *first, int *count)
{
    int low = view > 0 ? view : 0;
    int high = view + size < grid ? view + size : grid;
    *first = 0;
    *count = 0;
    if (high <= low)
        return;
    if (crop == grid) {
        *first = low;
        *count = high - low;
        return;
    }
    int *k, last, n;
    taps_of(low, crop, grid, interpolation, first, &k);
    free(k);
    n = taps_of(high - 1, crop, grid, interpolation, &last, &k);
    free(k);
    *count = last + n - *first;
}

void oracle_set_source(struct stk_geometry *g)
{
    struct stk_window *s = &g->source;
    needed(g->crop.width, g->grid_width, g->view.left, g->view.width,
           g->interpolation, &s->left, &s->width);
    needed(g->crop.height, g->grid_height, g->view.top, g->view.height,
           g->interpolation, &s->top, &s->height);
    if (s->width == 0 || s->height == 0)
        s->width = s->height = 0;
    s->left += g->crop.left;
    s->top += g->crop.top;
}

struct guarded guarded_map(size_t bytes, bool at_end)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t inner = (bytes + page - 1) / page * page;
    struct guarded g = {.bytes = bytes, .map_bytes = inner + 2 * page};
    g.map =
        mmap(NULL, g.map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(g.map, MAP_FAILED);
    ck_assert_int_eq(mprotect(g.map + page, inner, PROT_READ | PROT_WRITE), 0);
    memset(g.map + page, 0xa5, inner);
    g.data = g.map + page + (at_end ? inner - bytes : 0);
    return g;
}

void guarded_unmap(struct guarded *g)
{
    munmap(g->map, g->map_bytes);
}

/* Each strip ends (or begins) beside the page without access. */
static void feed(const struct place_case *c, struct stk_placer *placer,
                 int strip_rows, bool at_end)
{
    const struct stk_window *s = &c->geometry.source;
    const struct stk_window *crop = &c->geometry.crop;
    size_t stride = (size_t)s->width + 2 * STK_STRIP_SLACK;
    struct guarded g[3];
    for (int ch = 0; ch < 3; ch++)
        g[ch] = guarded_map(stride * (size_t)strip_rows, at_end);
    for (int y = 0; y < s->height; y += strip_rows) {
        int n = s->height - y < strip_rows ? s->height - y : strip_rows;
        struct stk_strip strip = {.stride = stride, .n_rows = n};
        for (int ch = 0; ch < 3; ch++) {
            size_t skipped = at_end ? stride * (size_t)(strip_rows - n) : 0;
            uint8_t *first = g[ch].data + skipped + STK_STRIP_SLACK;
            const uint8_t *from = c->pixel[ch] + s->left - crop->left;
            strip.plane[ch] = first;
            for (int r = 0; r < n; r++)
                memcpy(first + (size_t)r * stride,
                       from + (size_t)(s->top - crop->top + y + r) *
                                  (size_t)crop->width,
                       (size_t)s->width);
        }
        stk_placer_rows(placer, &strip);
    }
    for (int ch = 0; ch < 3; ch++)
        guarded_unmap(&g[ch]);
}

void oracle_check(const struct place_case *c, int cpu, int strip_rows,
                  const uint8_t *want, bool at_end)
{
    const struct stk_geometry *g = &c->geometry;
    struct stk_placer *placer;
    stoker_error err;
    ck_assert_int_eq(stk_placer_open(&placer, &c->program, cpu, &err), 0);
    size_t bytes = c->program.sample_bytes;
    struct guarded target = guarded_map(bytes, at_end);
    ck_assert_int_eq(stk_placer_begin(placer, g, target.data, &err), 0);
    feed(c, placer, strip_rows, at_end);
    ck_assert(stk_placer_done(placer));
    stk_placer_close(&placer);
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *end = target.map + target.map_bytes - page;
    bool outside = false;
    for (uint8_t *q = target.map + page; q < end; q++)
        if (q < target.data || q >= target.data + bytes)
            outside |= *q != 0xa5;
    ck_assert_msg(!outside, "cpu %d wrote outside the sample", cpu);
    size_t i = 0;
    while (i < bytes && target.data[i] == want[i])
        i++;
    if (i < bytes)
        ck_abort_msg(
            "cpu %d, byte %zu of %zu: %d for %d; crop %dx%d, grid %dx%d, "
            "view %d,%d %dx%d, interpolation %d, %s first, flips %d %d, "
            "dtype %d, layout %d, strips of %d",
            cpu, i, bytes, target.data[i], want[i], g->crop.width,
            g->crop.height, g->grid_width, g->grid_height, g->view.left,
            g->view.top, g->view.width, g->view.height, g->interpolation,
            g->vertical_first ? "vertical" : "horizontal", g->flip_horizontal,
            g->flip_vertical, c->program.dtype, c->program.layout, strip_rows);
    guarded_unmap(&target);
}
