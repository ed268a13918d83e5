/* Setting up a sample: which passes run, weights, scratch, and what the grid
 * does not reach.  The rows' own way is in place_rows.c. */
#include "augment/place_state.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/clock.h"

int stk_placer_open(struct stk_placer **out, const struct stk_program *program,
                    int cpu, stoker_error *err)
{
    struct stk_placer *p = stk_calloc_aligned(1, sizeof *p);
    if (!p)
        return stk_fail(err, -ENOMEM, "no memory for a placer");
    p->program = program;
    p->kernels = stk_place_kernels_of(cpu);
    stk_emit_init(&p->emit, program, p->kernels);
    size_t elements =
        3 * (size_t)program->out_height * (size_t)program->out_width;
    p->element_bytes = program->sample_bytes / elements;
    *out = p;
    return 0;
}

void stk_placer_close(struct stk_placer **placer)
{
    struct stk_placer *p = *placer;
    if (!p)
        return;
    stk_axis_fini(&p->x);
    stk_axis_fini(&p->y);
    stk_scratch_fini(&p->ring_memory);
    stk_scratch_fini(&p->row_memory);
    stk_scratch_fini(&p->tap_memory);
    stk_free(p);
    *placer = NULL;
}

static enum stk_route route_of(const struct stk_placer *p, bool vertical_first)
{
    if (p->x.n == 0 || p->y.n == 0)
        return STK_ROUTE_NOTHING;
    if (p->x.identity)
        return p->y.identity ? STK_ROUTE_COPY : STK_ROUTE_DOWN;
    if (p->y.identity)
        return STK_ROUTE_ACROSS;
    return vertical_first ? STK_ROUTE_DOWN_ACROSS : STK_ROUTE_ACROSS_DOWN;
}

static int set_axes(struct stk_placer *p, const struct stk_geometry *g)
{
    bool cubic = g->interpolation == STOKER_BICUBIC;
    struct stk_axis_want x = {
        .crop = g->crop.width,
        .grid = g->grid_width,
        .view_first = g->view.left,
        .view_size = g->view.width,
        .source_first = g->source.left - g->crop.left,
        .source_size = g->source.width,
        .mirrored = g->flip_horizontal,
        .cubic = cubic,
    };
    /* A vertical flip is in the addresses of rows, not in the weights. */
    struct stk_axis_want y = {
        .crop = g->crop.height,
        .grid = g->grid_height,
        .view_first = g->view.top,
        .view_size = g->view.height,
        .source_first = g->source.top - g->crop.top,
        .source_size = g->source.height,
        .cubic = cubic,
    };
    int rc = stk_axis_set(&p->x, &x);
    return rc < 0 ? rc : stk_axis_set(&p->y, &y);
}

/* Cuts n_rows rows of three planes of width bytes from *at. */
static void cut_rows(struct stk_rows *rows, uint8_t **at, size_t n_rows,
                     size_t stride)
{
    rows->stride = stride;
    for (size_t c = 0; c < 3; c++, *at += n_rows * stride)
        rows->first[c] = *at + STK_STRIP_SLACK;
}

/* Bytes from row to row: slack on both sides, and never a multiple of 4 KiB,
 * which would put all rows of a ring in one set of the cache. */
static size_t stride_of(int32_t width)
{
    size_t stride = stk_round_up((size_t)width, 64) + 2 * STK_STRIP_SLACK;
    return stride % 4096 ? stride : stride + 64;
}

static int make_rows(struct stk_placer *p)
{
    size_t wide = stride_of(p->x.in), narrow = stride_of(p->x.n);
    size_t n_between = p->route == STK_ROUTE_DOWN_ACROSS ? STK_STAGE_ROWS : 0;
    size_t bytes = 3 * (n_between * wide + STK_STAGE_ROWS * narrow);
    if (stk_scratch_reserve(&p->row_memory, bytes) < 0)
        return -ENOMEM;
    uint8_t *at = p->row_memory.data;
    cut_rows(&p->between, &at, n_between, wide);
    cut_rows(&p->stage, &at, STK_STAGE_ROWS, narrow);
    return 0;
}

/* The ring holds what the taps of one output row need, and what comes in
 * before the next rows are made. */
static int make_ring(struct stk_placer *p)
{
    p->n_ring = 0;
    if (p->y.identity)
        return 0;
    bool bytes = p->route != STK_ROUTE_ACROSS_DOWN;
    size_t more = bytes ? STK_STRIP_ROWS : STK_CHUNK_ROWS, n = more;
    while (n < (size_t)p->y.taps + more)
        n *= 2;
    size_t stride = bytes ? stride_of(p->x.in) : p->x.padded * 4;
    if (stk_scratch_reserve(&p->ring_memory, 3 * n * stride) < 0)
        return -ENOMEM;
    uint8_t *at = p->ring_memory.data;
    p->ring = (uint32_t *)(void *)at;
    p->ring_plane = p->x.padded;
    if (bytes)
        cut_rows(&p->held, &at, n, stride);

    size_t list = 2 * (size_t)p->y.taps + 4, pointers = list + 3 * n;
    size_t weights = list + 3 * (list + 4);
    if (stk_scratch_reserve(&p->tap_memory, pointers * sizeof(void *) +
                                                weights * sizeof(uint32_t)) < 0)
        return -ENOMEM;
    const void **lists = (const void **)(void *)p->tap_memory.data;
    p->tap_rows = lists;
    for (size_t c = 0; c < 3; c++)
        p->at[c] = (const uint8_t **)(lists + list + c * n);
    p->taps.weight = (int32_t *)(void *)(lists + pointers);
    p->taps.packed = (uint32_t *)p->taps.weight + list;
    p->n_ring = n;
    p->ring_row = (const uint32_t **)p->at[0];
    for (size_t r = 0; r < n && !bytes; r++)
        p->ring_row[r] = p->ring + r * 3 * p->ring_plane;
    return 0;
}

/* Writes n pixels of value 0, as torchvision pads before it normalises. */
static void fill(const struct stk_placer *p, uint8_t *to, int32_t n)
{
    static const uint8_t zeros[64 + STK_STRIP_SLACK];
    const uint8_t *const from[3] = {zeros, zeros, zeros};
    size_t step = p->element_bytes * (p->emit.interleaved ? 3 : 1);
    while (n > 0) {
        int32_t m = n < 64 ? n : 64;
        p->kernels->emit(&p->emit, from, (size_t)m, to);
        to += (size_t)m * step;
        n -= m;
    }
}

static uint8_t *view_row(const struct stk_placer *p, int32_t row)
{
    if (p->flip_vertical)
        row = p->program->out_height - 1 - row;
    size_t pixels = (size_t)row * (size_t)p->program->out_width;
    return p->target +
           pixels * p->element_bytes * (p->emit.interleaved ? 3 : 1);
}

uint8_t *stk_placer_row(const struct stk_placer *p, int32_t j)
{
    size_t step = p->element_bytes * (p->emit.interleaved ? 3 : 1);
    return view_row(p, p->y.before + j) + (size_t)p->x.before * step;
}

static void fill_outside(const struct stk_placer *p)
{
    int32_t height = p->program->out_height, width = p->program->out_width;
    size_t step = p->element_bytes * (p->emit.interleaved ? 3 : 1);
    if (p->y.n == height && p->x.n == width)
        return;
    for (int32_t row = 0; row < height; row++) {
        uint8_t *to = view_row(p, row);
        if (row < p->y.before || row >= p->y.before + p->y.n) {
            fill(p, to, width);
            continue;
        }
        fill(p, to, p->x.before);
        fill(p, to + (size_t)(width - p->x.after) * step, p->x.after);
    }
}

int stk_placer_begin(struct stk_placer *p, const struct stk_geometry *g,
                     void *target, stoker_error *err)
{
    int64_t start = stk_now_ns();
    assert(g->view.height == p->program->out_height);
    assert(g->view.width == p->program->out_width);
    p->target = target;
    p->flip_vertical = g->flip_vertical;
    p->rows_in = p->rows_out = 0;
    p->times = (struct stk_place_times){0};
    p->n_rows = g->source.height;
    /* Knuth's multiplier: no rhythm that samples could share. */
    uint32_t any = ++p->n_samples * 2654435761u >> 8;
    p->timed_row = (int32_t)(any % (uint32_t)(p->n_rows > 0 ? p->n_rows : 1));
    if (set_axes(p, g) < 0)
        goto out;
    p->route = route_of(p, g->vertical_first);
    if (p->route == STK_ROUTE_NOTHING)
        p->y.n = 0; /* all rows are outside */
    else {
        if (!p->x.identity) {
            p->kernels->weights(&p->x);
            p->kernels->pack(&p->x);
        }
        if (!p->y.identity)
            p->kernels->weights(&p->y);
        if (p->route == STK_ROUTE_ACROSS_DOWN)
            p->y_is_packed = p->kernels->halves(&p->y);
        if (make_rows(p) < 0 || make_ring(p) < 0)
            goto out;
    }
    int64_t weighed = stk_now_ns();
    fill_outside(p);
    p->times.resample_ns = weighed - start;
    return 0;
out:
    return stk_fail(err, -ENOMEM, "no memory to place a %dx%d window",
                    g->source.width, g->source.height);
}

bool stk_placer_done(const struct stk_placer *p)
{
    return p->rows_out == p->y.n;
}

void stk_placer_times(const struct stk_placer *p, struct stk_place_times *times)
{
    *times = p->times;
}

size_t stk_placer_scratch_bytes(const struct stk_placer *p)
{
    return p->x.memory.bytes + p->y.memory.bytes + p->ring_memory.bytes +
           p->row_memory.bytes + p->tap_memory.bytes;
}
