/* The scalar kernels: the definition of every pixel, and portable C in loops
 * that a compiler turns into vectors where there are no hand-written ones. */
#include "augment/place_kernels.h"

#include <string.h>

enum { HALF = 1 << (STK_WEIGHT_BITS - 1), BLOCK = 32 };

static inline uint8_t clipped(int32_t sum)
{
    int32_t v = sum >> STK_WEIGHT_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void no_pack(struct stk_axis *axis)
{
    axis->packing = 0;
}

bool stk_axis_halves(struct stk_axis *axis)
{
    uint32_t *to = (uint32_t *)(void *)axis->packed;
    size_t n = (size_t)axis->taps * axis->padded;
    int32_t most = 0;
    for (size_t i = 0; i < n; i++) {
        int32_t k = axis->weight[i];
        most = k > most ? k : most;
        to[i] = stk_halves_of(k);
    }
    return most <= STK_TAP_LIMIT;
}

static inline uint8_t pixel_of(const struct stk_axis *axis, const uint8_t *row,
                               size_t i)
{
    const int32_t *weight = axis->weight + i;
    const uint8_t *p = row + axis->first[i];
    int32_t sum = HALF;
    for (int32_t t = 0; t < axis->count[i]; t++, weight += axis->padded)
        sum += p[t] * *weight;
    return clipped(sum);
}

static void across(const struct stk_axis *axis, const uint8_t *const from[3],
                   size_t stride, int32_t n_rows, uint32_t *const *to)
{
    for (int32_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < 3; c++) {
            const uint8_t *row = from[c] + (size_t)r * stride;
            uint32_t *out = to[r] + c * axis->padded;
            for (size_t i = 0; i < (size_t)axis->n; i++)
                out[i] = pixel_of(axis, row, i) * 0x10080u;
        }
}

static void across_bytes(const struct stk_axis *axis,
                         const uint8_t *const from[3], size_t stride,
                         int32_t n_rows, uint8_t *const to[3],
                         ptrdiff_t to_stride)
{
    for (int32_t r = 0; r < n_rows; r++)
        for (size_t c = 0; c < 3; c++) {
            const uint8_t *row = from[c] + (size_t)r * stride;
            uint8_t *out = to[c] + r * to_stride;
            for (size_t i = 0; i < (size_t)axis->n; i++)
                out[i] = pixel_of(axis, row, i);
        }
}

static void write_sums(const int32_t *sum, size_t n, uint8_t *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = clipped(sum[i]);
}

static void down(const struct stk_dword_taps *taps, size_t plane, size_t n,
                 uint8_t *const to[3])
{
    for (size_t c = 0; c < 3; c++)
        for (size_t x = 0; x < n; x += BLOCK) {
            size_t m = n - x < BLOCK ? n - x : BLOCK;
            int32_t sum[BLOCK];
            for (size_t i = 0; i < BLOCK; i++)
                sum[i] = HALF;
            for (size_t t = 0; t < (size_t)taps->n; t++) {
                const uint32_t *row = taps->row[(taps->first + t) & taps->mask];
                uint32_t halves = taps->halves[t * taps->step];
                int32_t weight =
                    (int16_t)(halves & 0xffff) * 128 + (int16_t)(halves >> 16);
                row += c * plane + x;
                for (size_t i = 0; i < m; i++)
                    sum[i] += (int32_t)(row[i] >> 16) * weight;
            }
            write_sums(sum, m, to[c] + x);
        }
}

static void down_bytes(const struct stk_row_taps *taps, const uint8_t **rows,
                       size_t n, uint8_t *to)
{
    for (size_t x = 0; x < n; x += BLOCK) {
        int32_t sum[BLOCK];
        for (size_t i = 0; i < BLOCK; i++)
            sum[i] = HALF;
        for (int32_t t = 0; t < taps->n; t++) {
            const uint8_t *row = rows[t] + x; /* reads into the slack */
            for (size_t i = 0; i < BLOCK; i++)
                sum[i] += row[i] * taps->weight[t];
        }
        write_sums(sum, n - x < BLOCK ? n - x : BLOCK, to + x);
    }
}

static void mirror(const uint8_t *from, size_t n, uint8_t *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[n - 1 - i];
}

static void emit(const struct stk_emit *e, const uint8_t *const from[3],
                 size_t n, uint8_t *to)
{
    size_t bytes = e->dtype == STOKER_U8 ? 1 : e->dtype == STOKER_F32 ? 4 : 2;
    size_t step = e->interleaved ? 3 * bytes : bytes;
    size_t channel = e->interleaved ? bytes : e->plane_bytes;
    for (size_t c = 0; c < 3; c++) {
        const uint32_t *table = e->table[c];
        uint8_t *out = to + c * channel;
        for (size_t i = 0; i < n; i++, out += step) {
            uint32_t bits = table[from[c][i]];
            uint16_t half = (uint16_t)bits;
            if (bytes == 1)
                *out = (uint8_t)bits;
            else if (bytes == 2)
                memcpy(out, &half, 2);
            else
                memcpy(out, &bits, 4);
        }
    }
}

static void no_fence(void)
{
}

const struct stk_place_kernels stk_place_plain = {
    .weights = stk_axis_weights,
    .pack = no_pack,
    .halves = stk_axis_halves,
    .across = across,
    .across_bytes = across_bytes,
    .down = down,
    .down_bytes = down_bytes,
    .mirror = mirror,
    .emit = emit,
    .fence = no_fence,
};
