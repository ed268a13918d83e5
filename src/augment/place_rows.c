/* The way of rows: strip -> passes -> finished row, each written once.  A row
 * of u8 planes is made at its final address by the last pass; other dtypes and
 * layouts go through a staged row of bytes that stays in the first cache. */
#include <assert.h>
#include <string.h>

#include "augment/place_state.h"
#include "base/clock.h"

enum { PREFETCH_ROWS = 4 };

/* Time is taken on one strip a sample, which stands for all in proportion to
 * its rows: reading the clock at each strip costs a tenth. */
static int64_t clock_now(const struct stk_placer *p)
{
    return p->is_timed ? stk_now_ns() : 0;
}

static int64_t share_of_all(const struct stk_placer *p, int64_t ns)
{
    return ns * p->n_rows / p->timed_rows;
}

/* Ends the share of the first pass, begun at start. */
static void first_pass_ends(struct stk_placer *p, int64_t start)
{
    if (!p->is_timed)
        return;
    int64_t ns = share_of_all(p, stk_now_ns() - start);
    p->times.resample_ns += ns;
    p->times.emit_ns -= ns; /* which counts all of the strip */
}

/* true where the last pass may write elements itself. */
static bool is_direct(const struct stk_placer *p)
{
    return p->emit.dtype == STOKER_U8 && !p->emit.interleaved;
}

/* Bytes from one output row to the next; a vertical flip goes up. */
static ptrdiff_t row_step(const struct stk_placer *p)
{
    ptrdiff_t bytes = (ptrdiff_t)p->element_bytes * p->program->out_width;
    if (p->emit.interleaved)
        bytes *= 3;
    return p->flip_vertical ? -bytes : bytes;
}

/* Where the last pass puts output rows j, j + 1, ...: to and the step. */
static ptrdiff_t aim(const struct stk_placer *p, int32_t j, uint8_t *to[3])
{
    uint8_t *row = is_direct(p) ? stk_placer_row(p, j) : NULL;
    for (size_t c = 0; c < 3; c++)
        to[c] = row ? row + c * p->emit.plane_bytes : p->stage.first[c];
    return row ? row_step(p) : (ptrdiff_t)p->stage.stride;
}

/* Turns n staged rows into elements of rows j, j + 1, ... */
static void emit_rows(struct stk_placer *p, int32_t j, int32_t n)
{
    if (is_direct(p))
        return;
    for (int32_t i = 0; i < n; i++) {
        size_t at = (size_t)i * p->stage.stride;
        const uint8_t *from[3] = {p->stage.first[0] + at,
                                  p->stage.first[1] + at,
                                  p->stage.first[2] + at};
        p->kernels->emit(&p->emit, from, (size_t)p->x.n,
                         stk_placer_row(p, j + i));
    }
}

/* Asks for a line that will be written.  Compilers give prefetchw only where
 * told of it; x86-64 processors without it take it for a no-operation. */
static inline void prefetch_line(const uint8_t *line)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*line));
#else
    __builtin_prefetch(line, 1, 3);
#endif
}

/* Output rows come from DRAM: asks for the lines of one that is made some
 * rows later.  Rows of floats are streamed past the caches. */
static void prefetch_row(const struct stk_placer *p, const uint8_t *row)
{
    if (p->emit.dtype == STOKER_F32)
        return;
    size_t bytes = (size_t)p->x.n * p->element_bytes;
    size_t planes = p->emit.interleaved ? 1 : 3;
    if (p->emit.interleaved)
        bytes *= 3;
    for (size_t c = 0; c < planes; c++)
        for (size_t x = 0; x < bytes; x += 64)
            prefetch_line(row + c * p->emit.plane_bytes + x);
}

/* Rows of the strip that are output rows themselves: skips those before the
 * view's first, and returns how many there are from *first on. */
static int32_t copied_rows(const struct stk_placer *p, int32_t n,
                           int32_t *first)
{
    int32_t start = p->y.grid_first - p->y.skipped;
    int32_t low = p->rows_in > start ? p->rows_in : start;
    int32_t high = p->rows_in + n;
    if (high > start + p->y.n)
        high = start + p->y.n;
    *first = low - p->rows_in;
    return high > low ? high - low : 0;
}

static void copy(struct stk_placer *p, const struct stk_strip *strip)
{
    int32_t first, n = copied_rows(p, strip->n_rows, &first);
    int32_t last =
        p->x.mirrored ? p->x.grid_first - (p->x.n - 1) : p->x.grid_first;
    size_t left = (size_t)(last - p->x.skipped), width = (size_t)p->x.n;
    for (int32_t i = 0; i < n; i++) {
        const uint8_t *from[3];
        uint8_t *to[3];
        aim(p, p->rows_out, to);
        for (size_t c = 0; c < 3; c++) {
            from[c] =
                strip->plane[c] + (size_t)(first + i) * strip->stride + left;
            if (p->x.mirrored)
                p->kernels->mirror(from[c], width, to[c]);
            else if (is_direct(p))
                memcpy(to[c], from[c], width);
        }
        if (p->x.mirrored)
            emit_rows(p, p->rows_out, 1);
        else if (!is_direct(p))
            p->kernels->emit(&p->emit, from, width,
                             stk_placer_row(p, p->rows_out));
        p->rows_out++;
    }
}

static void across(struct stk_placer *p, const struct stk_strip *strip)
{
    int32_t first, n = copied_rows(p, strip->n_rows, &first);
    if (n == 0)
        return;
    const uint8_t *from[3];
    uint8_t *to[3];
    ptrdiff_t step = aim(p, p->rows_out, to);
    for (size_t c = 0; c < 3; c++)
        from[c] = strip->plane[c] + (size_t)first * strip->stride;
    int64_t start = clock_now(p);
    p->kernels->across_bytes(&p->x, from, strip->stride, n, to, step);
    first_pass_ends(p, start);
    emit_rows(p, p->rows_out, n);
    p->rows_out += n;
}

/* true when all taps of the next output row have come in. */
static bool is_ready(const struct stk_placer *p)
{
    int32_t j = p->rows_out;
    return j < p->y.n && p->y.first[j] + p->y.count[j] <= p->rows_in;
}

/* Lists the taps of output row j: a weight without halves as two. */
static void list_halves(struct stk_placer *p, int32_t j,
                        struct stk_dword_taps *taps)
{
    const int32_t *weight = p->y.weight + j;
    size_t row = (size_t)p->y.first[j];
    taps->n = 0;
    for (int32_t t = 0; t < p->y.count[j]; t++, row++) {
        int32_t rest = weight[(size_t)t * p->y.padded];
        while (rest > STK_TAP_LIMIT) {
            p->tap_rows[taps->n] = p->ring_row[row & (p->n_ring - 1)];
            p->taps.packed[taps->n++] = stk_halves_of(rest / 2);
            rest -= rest / 2;
        }
        p->tap_rows[taps->n] = p->ring_row[row & (p->n_ring - 1)];
        p->taps.packed[taps->n++] = stk_halves_of(rest);
    }
    taps->row = (const uint32_t *const *)p->tap_rows;
    taps->first = 0;
    taps->mask = SIZE_MAX;
    taps->halves = p->taps.packed;
    taps->step = 1;
}

/* Few taps are taken out of the ring and the axis as they lie there. */
static void aim_taps(struct stk_placer *p, int32_t j,
                     struct stk_dword_taps *taps)
{
    taps->n = p->y.count[j];
    if (taps->n > p->kernels->few_taps || !p->y_is_packed) {
        list_halves(p, j, taps);
        return;
    }
    taps->row = p->ring_row;
    taps->first = (size_t)p->y.first[j];
    taps->mask = p->n_ring - 1;
    taps->step = p->y.padded;
    taps->halves = (const uint32_t *)(const void *)p->y.packed + j;
}

static void down_ready(struct stk_placer *p)
{
    if (!is_ready(p))
        return;
    const bool direct = is_direct(p);
    const size_t width = (size_t)p->x.n;
    const ptrdiff_t step = row_step(p);
    struct stk_dword_taps taps = {.cubic = p->y.cubic};
    uint8_t *row = stk_placer_row(p, p->rows_out);
    for (; is_ready(p); p->rows_out++, row += step) {
        uint8_t *out[3];
        for (size_t c = 0; c < 3; c++)
            out[c] = direct ? row + c * p->emit.plane_bytes : p->stage.first[c];
        aim_taps(p, p->rows_out, &taps);
        if (p->rows_out + PREFETCH_ROWS < p->y.n)
            prefetch_row(p, row + PREFETCH_ROWS * step);
        p->kernels->down(&taps, p->ring_plane, width, out);
        if (!direct)
            p->kernels->emit(&p->emit, (const uint8_t *const *)out, width, row);
    }
}

static void across_down(struct stk_placer *p, const struct stk_strip *strip,
                        int64_t start)
{
    const uint8_t *from[3] = {strip->plane[0], strip->plane[1],
                              strip->plane[2]};
    for (int32_t first = 0; first < strip->n_rows; first += STK_CHUNK_ROWS) {
        uint32_t *to[STK_CHUNK_ROWS];
        int32_t n = strip->n_rows - first;
        if (n > STK_CHUNK_ROWS)
            n = STK_CHUNK_ROWS;
        for (int32_t i = 0; i < n; i++)
            to[i] = p->ring + ((size_t)(p->rows_in + i) & (p->n_ring - 1)) * 3 *
                                  p->ring_plane;
        p->kernels->across(&p->x, from, strip->stride, n, to);
        for (size_t c = 0; c < 3; c++)
            from[c] += (size_t)n * strip->stride;
        p->rows_in += n;
        first_pass_ends(p, start);
        down_ready(p);
        start = clock_now(p);
    }
}

/* Lists the taps of output row j in one plane's bytes, from column left on. */
static void list_taps(struct stk_placer *p, int32_t j, size_t plane,
                      size_t left)
{
    const int32_t *weight = p->y.weight + j;
    p->taps.n = p->y.count[j];
    for (int32_t t = 0; t < p->taps.n; t++, weight += p->y.padded) {
        size_t slot = (size_t)(p->y.first[j] + t) & (p->n_ring - 1);
        p->tap_rows[t] = p->at[plane][slot] + left;
        p->taps.weight[t] = *weight;
    }
}

/* Vertical pass from bytes: row j of the window's own columns. */
static void down_row(struct stk_placer *p, int32_t j, size_t left, size_t n,
                     uint8_t *const to[3])
{
    for (size_t c = 0; c < 3; c++) {
        list_taps(p, j, c, left);
        p->kernels->down_bytes(&p->taps, (const uint8_t **)p->tap_rows, n,
                               to[c]);
    }
}

static void down(struct stk_placer *p)
{
    int32_t last =
        p->x.mirrored ? p->x.grid_first - (p->x.n - 1) : p->x.grid_first;
    size_t left = (size_t)(last - p->x.skipped), width = (size_t)p->x.n;
    for (; is_ready(p); p->rows_out++) {
        uint8_t *out[3];
        aim(p, p->rows_out, out);
        if (p->x.mirrored) {
            uint8_t *spare[3];
            for (size_t c = 0; c < 3; c++)
                spare[c] = p->stage.first[c] + p->stage.stride;
            down_row(p, p->rows_out, left, width, spare);
            for (size_t c = 0; c < 3; c++)
                p->kernels->mirror(spare[c], width, out[c]);
        } else
            down_row(p, p->rows_out, left, width, out);
        emit_rows(p, p->rows_out, 1);
    }
}

static void down_across(struct stk_placer *p)
{
    while (is_ready(p)) {
        int64_t start = clock_now(p);
        int32_t j = p->rows_out, n = 0;
        while (n < STK_STAGE_ROWS && is_ready(p)) {
            uint8_t *to[3];
            for (size_t c = 0; c < 3; c++)
                to[c] = p->between.first[c] + (size_t)n * p->between.stride;
            down_row(p, p->rows_out++, 0, (size_t)p->x.in, to);
            n++;
        }
        first_pass_ends(p, start);
        uint8_t *out[3];
        ptrdiff_t step = aim(p, j, out);
        const uint8_t *from[3] = {p->between.first[0], p->between.first[1],
                                  p->between.first[2]};
        p->kernels->across_bytes(&p->x, from, p->between.stride, n, out, step);
        emit_rows(p, j, n);
    }
}

/* A strip's rows are read where they lie; what the next output rows still
 * need when the strip goes is copied into the ring. */
static void down_from_bytes(struct stk_placer *p, const struct stk_strip *strip)
{
    int32_t begin = p->rows_in;
    for (int32_t i = 0; i < strip->n_rows; i++)
        for (size_t c = 0; c < 3; c++)
            p->at[c][(size_t)(begin + i) & (p->n_ring - 1)] =
                strip->plane[c] + (size_t)i * strip->stride;
    p->rows_in += strip->n_rows;
    if (p->route == STK_ROUTE_DOWN)
        down(p);
    else
        down_across(p);
    if (stk_placer_done(p))
        return;
    int32_t keep = p->y.first[p->rows_out];
    for (int32_t r = keep > begin ? keep : begin; r < p->rows_in; r++)
        for (size_t c = 0; c < 3; c++) {
            size_t slot = (size_t)r & (p->n_ring - 1);
            uint8_t *to = p->held.first[c] + slot * p->held.stride;
            memcpy(to, p->at[c][slot], (size_t)p->x.in);
            p->at[c][slot] = to;
        }
}

void stk_placer_rows(struct stk_placer *p, const struct stk_strip *strip)
{
    assert(strip->n_rows >= 1 && strip->n_rows <= STK_STRIP_ROWS);
    if (stk_placer_done(p))
        return;
    p->timed_rows = strip->n_rows;
    p->is_timed =
        p->timed_row >= p->rows_in && p->timed_row < p->rows_in + strip->n_rows;
    int64_t start = clock_now(p);
    switch (p->route) {
    case STK_ROUTE_NOTHING:
        break;
    case STK_ROUTE_COPY:
        copy(p, strip);
        p->rows_in += strip->n_rows;
        break;
    case STK_ROUTE_ACROSS:
        across(p, strip);
        p->rows_in += strip->n_rows;
        break;
    case STK_ROUTE_ACROSS_DOWN:
        across_down(p, strip, start);
        break;
    case STK_ROUTE_DOWN:
    case STK_ROUTE_DOWN_ACROSS:
        down_from_bytes(p, strip);
        break;
    }
    if (stk_placer_done(p))
        p->kernels->fence();
    if (p->is_timed)
        p->times.emit_ns += share_of_all(p, stk_now_ns() - start);
}
