/* The vertical pass and the finished elements in vectors of 16 bytes. */
#include "augment/place_vec128.h"
#include "base/vec128.h"

#define INLINE static inline __attribute__((always_inline))

enum { HALF = 1 << (STK_WEIGHT_BITS - 1), FEW_TAPS = 5 };

INLINE stk_u8x16 bytes_of(const stk_s32x4 sum[4])
{
    stk_s32x4 v[4];
    for (int k = 0; k < 4; k++)
        v[k] = sum[k] >> STK_WEIGHT_BITS;
    return stk_v_narrow8(stk_v_narrow16(v[0], v[1]),
                         stk_v_narrow16(v[2], v[3]));
}

/* The first n of 16 bytes. */
INLINE void put(uint8_t *to, size_t n, stk_u8x16 bytes)
{
    if (n >= 16)
        stk_v_store(to, bytes);
    else
        memcpy(to, &bytes, n);
}

/* One tap of four pixels: p << 7 and p << 16 with a weight's halves where the
 * machine multiplies words in pairs, else p with the weight. */
#if defined(__x86_64__)
INLINE stk_s32x4 weight_of(uint32_t halves)
{
    return (stk_s32x4){0} + (int32_t)halves;
}

INLINE stk_s32x4 add_tap(stk_s32x4 sum, stk_s32x4 row, stk_s32x4 weight)
{
    return stk_v_add_two(sum, (stk_s16x8)row, (stk_s16x8)weight);
}
#else
INLINE stk_s32x4 weight_of(uint32_t halves)
{
    return (stk_s32x4){0} +
           ((int16_t)(halves & 0xffff) * 128 + (int16_t)(halves >> 16));
}

INLINE stk_s32x4 add_tap(stk_s32x4 sum, stk_s32x4 row, stk_s32x4 weight)
{
    return sum + (row >> 16) * weight;
}
#endif

/* Rows and broadcast weights in registers where their number is known. */
struct few_taps {
    const uint32_t *row[FEW_TAPS];
    stk_s32x4 weight[FEW_TAPS];
};

/* Planes are padded to 16 dwords.  n_taps 0: the lists, else few. */
INLINE void down_planes(const struct stk_dword_taps *taps, size_t plane,
                        size_t n, uint8_t *const to[3], const int n_taps)
{
    const int32_t all = n_taps ? n_taps : taps->n;
    struct few_taps few;
    for (size_t t = 0; t < (size_t)n_taps; t++) {
        few.row[t] = taps->row[(taps->first + t) & taps->mask];
        few.weight[t] = weight_of(taps->halves[t * taps->step]);
    }
    for (size_t c = 0; c < 3; c++)
        for (size_t x = 0; x < n; x += 16) {
            stk_s32x4 sum[4];
            for (int k = 0; k < 4; k++)
                sum[k] = (stk_s32x4){0} + HALF;
            for (int32_t t = 0; t < all; t++) {
                stk_s32x4 weight =
                    n_taps ? few.weight[t] : weight_of(taps->halves[t]);
                const uint32_t *row = n_taps ? few.row[t] : taps->row[t];
                row += c * plane + x;
                for (int k = 0; k < 4; k++)
                    sum[k] = add_tap(sum[k], (stk_s32x4)stk_v_load(row + 4 * k),
                                     weight);
            }
            put(to[c] + x, n - x, bytes_of(sum));
        }
}

static void down(const struct stk_dword_taps *taps, size_t plane, size_t n,
                 uint8_t *const to[3])
{
    switch (taps->n) {
    case 1:
        down_planes(taps, plane, n, to, 1);
        break;
    case 2:
        down_planes(taps, plane, n, to, 2);
        break;
    case 3:
        down_planes(taps, plane, n, to, 3);
        break;
    case 4:
        down_planes(taps, plane, n, to, 4);
        break;
    case 5:
        down_planes(taps, plane, n, to, 5);
        break;
    default:
        down_planes(taps, plane, n, to, 0);
    }
}

/* Two rows at a time, weights as 11 + 11 bits. */
struct half_sums {
    struct stk_v_wide high[2], low[2];
};

INLINE void add_rows(struct half_sums *s, const uint8_t *a, const uint8_t *b,
                     int32_t k, int32_t l)
{
    stk_u8x16 x = stk_v_load(a), y = stk_v_load(b);
    struct stk_v_pairs two[2] = {
        stk_v_pair(stk_v_widen_low(x), stk_v_widen_low(y)),
        stk_v_pair(stk_v_widen_high(x), stk_v_widen_high(y))};
    for (int i = 0; i < 2; i++) {
        s->high[i] = stk_v_add(s->high[i], stk_v_dot(two[i], k >> 11, l >> 11));
        s->low[i] = stk_v_add(s->low[i], stk_v_dot(two[i], k & 2047, l & 2047));
    }
}

static void down_bytes(const struct stk_row_taps *taps, const uint8_t **rows,
                       size_t n, uint8_t *to)
{
    if (taps->n % 2) {
        taps->weight[taps->n] = 0;
        rows[taps->n] = rows[0];
    }
    for (size_t x = 0; x < n; x += 16) {
        struct half_sums s = {0};
        for (int32_t t = 0; t < taps->n; t += 2)
            add_rows(&s, rows[t] + x, rows[t + 1] + x, taps->weight[t],
                     taps->weight[t + 1]);
        stk_s32x4 sum[4];
        for (int i = 0; i < 2; i++) {
            sum[2 * i] = (s.high[i].low << 11) + s.low[i].low + HALF;
            sum[2 * i + 1] = (s.high[i].high << 11) + s.low[i].high + HALF;
        }
        put(to + x, n - x, bytes_of(sum));
    }
}

static void mirror(const uint8_t *from, size_t n, uint8_t *to)
{
    stk_u8x16 back = {15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    for (size_t x = 0; x < n; x += 16) {
        /* Reads up to 15 bytes in front of the row: slack. */
        const uint8_t *at = from + (ptrdiff_t)(n - x) - 16;
        put(to + x, n - x, stk_v_shuffle(stk_v_load(at), back));
    }
}

/* Elements of 2 and 4 bytes from tables, eight bytes a store. */
static void plane_of_halves(const uint32_t table[256], const uint8_t *from,
                            size_t n, uint8_t *to)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint64_t four = table[from[i]] | (uint64_t)table[from[i + 1]] << 16 |
                        (uint64_t)table[from[i + 2]] << 32 |
                        (uint64_t)table[from[i + 3]] << 48;
        memcpy(to + 2 * i, &four, 8);
    }
    for (; i < n; i++)
        memcpy(to + 2 * i, &table[from[i]], 2);
}

static void plane_of_floats(const uint32_t table[256], const uint8_t *from,
                            size_t n, uint8_t *to)
{
    size_t i = 0;
    for (; i + 2 <= n; i += 2) {
        uint64_t two = table[from[i]] | (uint64_t)table[from[i + 1]] << 32;
        memcpy(to + 4 * i, &two, 8);
    }
    if (i < n)
        memcpy(to + 4 * i, &table[from[i]], 4);
}

static void emit(const struct stk_emit *e, const uint8_t *const from[3],
                 size_t n, uint8_t *to)
{
    if (e->interleaved) {
        stk_place_plain.emit(e, from, n, to);
        return;
    }
    for (size_t c = 0; c < 3; c++, to += e->plane_bytes) {
        if (e->dtype == STOKER_U8)
            memcpy(to, from[c], n);
        else if (e->dtype == STOKER_F32)
            plane_of_floats(e->table[c], from[c], n, to);
        else
            plane_of_halves(e->table[c], from[c], n, to);
    }
}

static void no_fence(void)
{
}

const struct stk_place_kernels stk_place_vec128 = {
    .weights = stk_axis_weights,
    .pack = stk_pack_vec128,
    .halves = stk_axis_halves,
    .across = stk_across_vec128,
    .across_bytes = stk_across_bytes_vec128,
    .few_taps = FEW_TAPS,
    .down = down,
    .down_bytes = down_bytes,
    .mirror = mirror,
    .emit = emit,
    .fence = no_fence,
};
