/* The horizontal pass in vectors of 16 bytes: four outputs a vector, two taps a
 * sum, a weight as 11 + 11 bits; long filters 16 taps of an output. */
#include "augment/place_vec128.h"
#include "base/vec128.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    FAR = -1, /* anything: 16 taps of one output at a time */
    STEP, /* 16 bytes hold two taps of four outputs, and move with the taps */
    NEAR, /* 16 bytes hold all taps of four neighbouring outputs */
    HALF = 1 << (STK_WEIGHT_BITS - 1),
    NEAR_PAIRS = 5,  /* pairs of taps up to which all is in one function */
    STEP_PAIRS = 18, /* beyond which all is FAR */
};

/* Four outputs: where their bytes begin, which are taken, and high and low
 * weights for each pair of taps. */
struct group {
    int32_t base[4]; /* [0] is used */
    stk_u8x16 pick;
    stk_s16x8 weight[];
};

/* One output: its first tap; high and low weights of 16 taps, two vectors
 * each. */
struct far_output {
    int32_t first[4]; /* [0] is used */
    stk_s16x8 weight[];
};

static size_t group_bytes(const struct stk_axis *axis)
{
    size_t taps = (size_t)axis->taps;
    return axis->packing == FAR ? 16 + (taps + 15) / 16 * 64
                                : 32 + (taps + 1) / 2 * 32;
}

/* The first byte that outputs i ... i + 3 read, and the largest distance of
 * their first taps from it.  36 taps and a vector never leave the slack. */
static int32_t base_of(const struct stk_axis *axis, size_t i, int32_t *base)
{
    int32_t a = axis->first[i], b = axis->first[i + 3];
    *base = a < b ? a : b; /* they rise, or fall where mirrored */
    return (a < b ? b : a) - *base;
}

static int32_t choose(const struct stk_axis *axis)
{
    int32_t base, pairs = (axis->taps + 1) / 2, most = 0;
    if (pairs > STEP_PAIRS)
        return FAR;
    for (size_t i = 0; i < axis->padded; i += 4) {
        int32_t distance = base_of(axis, i, &base);
        most = distance > most ? distance : most;
    }
    if (pairs <= NEAR_PAIRS && most + 2 * pairs <= 16)
        return NEAR;
    return most + 2 <= 16 ? STEP : FAR;
}

static void pack_near(struct stk_axis *axis)
{
    size_t step = group_bytes(axis), n = axis->padded;
    for (size_t i = 0; i < n; i += 4) {
        uint8_t *packed = axis->packed + i / 4 * step, pick[16];
        struct group *g = (struct group *)(void *)packed;
        base_of(axis, i, &g->base[0]);
        for (size_t k = 0; k < 8; k++) {
            size_t at = 2 * STK_V_TWO(k / 2, k % 2);
            int32_t first = axis->first[i + k / 2] - g->base[0];
            pick[at] = (uint8_t)(first + (int32_t)(k % 2));
            pick[at + 1] = 0x80;
        }
        g->pick = stk_v_load(pick);
        for (int32_t t = 0; t < axis->taps; t += 2) {
            int16_t *high = (int16_t *)&g->weight[t], *low = high + 8;
            for (size_t k = 0; k < 8; k++) {
                int32_t tap = t + (int32_t)(k % 2), weight = 0;
                if (tap < axis->taps)
                    weight = axis->weight[(size_t)tap * n + i + k / 2];
                high[STK_V_TWO(k / 2, k % 2)] = (int16_t)(weight >> 11);
                low[STK_V_TWO(k / 2, k % 2)] = (int16_t)(weight & 2047);
            }
        }
    }
}

/* An output's first tap moves to the left where 16 bytes a step would read
 * behind the slack; its weights move with it. */
static void pack_far(struct stk_axis *axis)
{
    size_t step = group_bytes(axis), n = axis->padded;
    int32_t chunks = (axis->taps + 15) / 16;
    int32_t limit = axis->in + STK_STRIP_SLACK - 16 * chunks;
    for (size_t i = 0; i < n; i++) {
        uint8_t *packed = axis->packed + i * step;
        struct far_output *o = (struct far_output *)(void *)packed;
        int32_t moved = axis->first[i] > limit ? axis->first[i] - limit : 0;
        o->first[0] = axis->first[i] - moved;
        int16_t *to = (int16_t *)o->weight;
        for (int32_t s = 0; s < 16 * chunks; s++) {
            int32_t t = s - moved, k = 0;
            if (t >= 0 && t < axis->count[i])
                k = axis->weight[(size_t)t * n + i];
            int32_t at = s / 16 * 32 + s % 16;
            to[at] = (int16_t)(k >> 11);
            to[at + 16] = (int16_t)(k & 2047);
        }
    }
}

void stk_pack_vec128(struct stk_axis *axis)
{
    axis->packing = choose(axis);
    if (axis->packing == FAR)
        pack_far(axis);
    else
        pack_near(axis);
}

INLINE stk_s32x4 joined(stk_s32x4 high, stk_s32x4 low)
{
    return (high << 11) + low;
}

/* All pairs of taps out of 16 bytes; pick and weight are copies of the group's
 * that stay in registers. */
INLINE stk_s32x4 near_of(const stk_u8x16 *pick, const stk_s16x8 *weight,
                         const uint8_t *at, const int pairs)
{
    stk_u8x16 v = stk_v_load(at);
    stk_s32x4 high = {0}, low = high + HALF;
    for (int p = 0; p < pairs; p++) {
        stk_s16x8 two = (stk_s16x8)stk_v_shuffle(v, pick[p]);
        high = stk_v_add_two(high, two, weight[2 * p]);
        low = stk_v_add_two(low, two, weight[2 * p + 1]);
    }
    return joined(high, low);
}

INLINE stk_s32x4 step_of(stk_u8x16 pick, const stk_s16x8 *weight,
                         const uint8_t *at, int pairs)
{
    stk_s32x4 high = {0}, low = high + HALF;
    for (int p = 0; p < pairs; p++, weight += 2) {
        stk_u8x16 v = stk_v_load(at + 2 * p);
        stk_s16x8 two = (stk_s16x8)stk_v_shuffle(v, pick);
        high = stk_v_add_two(high, two, weight[0]);
        low = stk_v_add_two(low, two, weight[1]);
    }
    return joined(high, low);
}

/* One output's partial sums. */
INLINE stk_s32x4 far_sums(const uint8_t *packed, const uint8_t *row, int chunks)
{
    const struct far_output *o =
        (const struct far_output *)(const void *)packed;
    const uint8_t *at = row + o->first[0];
    const stk_s16x8 *weight = o->weight;
    stk_s32x4 high = {0}, low = {0};
    for (int c = 0; c < chunks; c++, at += 16, weight += 4) {
        stk_u8x16 v = stk_v_load(at);
        stk_s16x8 a = stk_v_widen_low(v), b = stk_v_widen_high(v);
        high = stk_v_add_two(high, a, weight[0]);
        high = stk_v_add_two(high, b, weight[1]);
        low = stk_v_add_two(low, a, weight[2]);
        low = stk_v_add_two(low, b, weight[3]);
    }
    return joined(high, low);
}

INLINE stk_s32x4 far_of(const uint8_t *packed, size_t step, const uint8_t *row,
                        int chunks)
{
    return stk_v_sums(far_sums(packed, row, chunks),
                      far_sums(packed + step, row, chunks),
                      far_sums(packed + 2 * step, row, chunks),
                      far_sums(packed + 3 * step, row, chunks)) +
           HALF;
}

struct job {
    const uint8_t *const *from;
    size_t stride;
    int32_t n_rows;
    uint32_t *const *dwords; /* or NULL, then */
    uint8_t *const *bytes;
    ptrdiff_t step;
};

/* Where a group's pixels of one plane go. */
struct spot {
    size_t plane, at;
    ptrdiff_t left; /* pixels from here to the row's end */
};

INLINE void put(const struct job *job, struct spot to, int32_t r, stk_s32x4 sum,
                const bool dwords, const bool is_cubic)
{
    if (dwords) {
        stk_s32x4 p = sum >> STK_WEIGHT_BITS;
        p = is_cubic ? stk_v_clip32(p, 255) : p;
        stk_v_store(job->dwords[r] + to.at, (stk_u8x16)((p << 16) | (p << 7)));
    } else if (to.left > 0) {
        stk_s16x8 words =
            stk_v_narrow16(sum >> STK_WEIGHT_BITS, sum >> STK_WEIGHT_BITS);
        stk_u8x16 bytes = stk_v_narrow8(words, words);
        uint8_t *at = job->bytes[to.plane] + r * job->step + (ptrdiff_t)to.at;
        if (to.left >= 4)
            memcpy(at, &bytes, 4);
        else
            memcpy(at, &bytes, (size_t)to.left);
    }
}

/* fixed: pairs known while compiling, 0 for any number, step by step. */
INLINE void run_near(const struct stk_axis *axis, const struct job *job,
                     const int fixed, const bool dwords, const bool is_cubic)
{
    const size_t bytes = group_bytes(axis), stride = job->stride;
    const size_t padded = axis->padded;
    const int32_t n_rows = job->n_rows;
    const int pairs = (axis->taps + 1) / 2;
    for (size_t i = 0; i < padded; i += 4) {
        const uint8_t *packed = axis->packed + i / 4 * bytes;
        const struct group *g = (const struct group *)(const void *)packed;
        const ptrdiff_t left = axis->n - (ptrdiff_t)i;
        stk_s16x8 weight[2 * NEAR_PAIRS];
        stk_u8x16 pick[NEAR_PAIRS] = {g->pick};
        for (int p = 1; p < fixed; p++)
            pick[p] = (stk_u8x16)((stk_s16x8)pick[p - 1] + 2);
        for (int k = 0; k < 2 * fixed; k++)
            weight[k] = g->weight[k];
        for (size_t c = 0; c < 3; c++) {
            const uint8_t *at = job->from[c] + g->base[0];
            const struct spot to = {c, dwords ? c * padded + i : i, left};
            for (int32_t r = 0; r < n_rows; r++, at += stride) {
                stk_s32x4 sum = fixed ? near_of(pick, weight, at, fixed)
                                      : step_of(pick[0], g->weight, at, pairs);
                put(job, to, r, sum, dwords, is_cubic);
            }
        }
    }
}

/* fixed: vectors of an output's taps, 0 for any number. */
INLINE void run_far(const struct stk_axis *axis, const struct job *job,
                    const int fixed, const bool dwords, const bool is_cubic)
{
    const size_t step = group_bytes(axis), stride = job->stride;
    const size_t padded = axis->padded;
    const int32_t n_rows = job->n_rows;
    const int chunks = fixed ? fixed : (axis->taps + 15) / 16;
    for (size_t i = 0; i < padded; i += 4) {
        const ptrdiff_t left = axis->n - (ptrdiff_t)i;
        const uint8_t *packed = axis->packed + i * step;
        for (size_t c = 0; c < 3; c++) {
            const uint8_t *row = job->from[c];
            const struct spot to = {c, dwords ? c * padded + i : i, left};
            for (int32_t r = 0; r < n_rows; r++, row += stride)
                put(job, to, r, far_of(packed, step, row, chunks), dwords,
                    is_cubic);
        }
    }
}

INLINE void choose_run(const struct stk_axis *axis, const struct job *job,
                       const bool dwords, const bool is_cubic)
{
    int pairs = (axis->taps + 1) / 2;
    if (axis->packing == FAR && axis->taps <= 16)
        run_far(axis, job, 1, dwords, is_cubic);
    else if (axis->packing == FAR && axis->taps <= 32)
        run_far(axis, job, 2, dwords, is_cubic);
    else if (axis->packing == FAR && axis->taps <= 48)
        run_far(axis, job, 3, dwords, is_cubic);
    else if (axis->packing == FAR && axis->taps <= 64)
        run_far(axis, job, 4, dwords, is_cubic);
    else if (axis->packing == FAR)
        run_far(axis, job, 0, dwords, is_cubic);
    else if (axis->packing == NEAR && pairs == 1)
        run_near(axis, job, 1, dwords, is_cubic);
    else if (axis->packing == NEAR && pairs == 2)
        run_near(axis, job, 2, dwords, is_cubic);
    else if (axis->packing == NEAR && pairs == 3)
        run_near(axis, job, 3, dwords, is_cubic);
    else if (axis->packing == NEAR && pairs == 4)
        run_near(axis, job, 4, dwords, is_cubic);
    else
        run_near(axis, job, 0, dwords, is_cubic);
}

void stk_across_vec128(const struct stk_axis *axis,
                       const uint8_t *const from[3], size_t stride,
                       int32_t n_rows, uint32_t *const *to)
{
    struct job job = {from, stride, n_rows, to, NULL, 0};
    if (axis->cubic)
        choose_run(axis, &job, true, true);
    else
        choose_run(axis, &job, true, false);
}

void stk_across_bytes_vec128(const struct stk_axis *axis,
                             const uint8_t *const from[3], size_t stride,
                             int32_t n_rows, uint8_t *const to[3],
                             ptrdiff_t to_stride)
{
    struct job job = {from, stride, n_rows, NULL, to, to_stride};
    choose_run(axis, &job, false, false);
}
