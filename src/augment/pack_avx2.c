/* Packing a horizontal axis for AVX2: eight outputs a group, their weights as
 * 11 + 11 bits. */
#include "augment/place_avx2.h"

/* The first byte that n outputs from i on read, and the largest distance of
 * their first taps from it.  36 taps and a vector never leave the slack. */
static int32_t base_of(const struct stk_axis *axis, size_t i, size_t n,
                       int32_t *base)
{
    const int32_t *first = axis->first + i;
    int32_t a = first[0], b = first[n - 1];
    *base = a < b ? a : b; /* they rise, or fall where mirrored */
    return (a < b ? b : a) - *base;
}

static int32_t choose(const struct stk_axis *axis)
{
    int32_t pairs = (axis->taps + 1) / 2, most_4 = 0, most_8 = 0;
    if (pairs > STK_8_STEP_PAIRS)
        return STK_8_FAR;
    for (size_t i = 0; i < axis->padded; i += 4) {
        int32_t base, distance = base_of(axis, i, 4, &base);
        most_4 = distance > most_4 ? distance : most_4;
        distance = i % 8 ? 0 : base_of(axis, i, 8, &base);
        most_8 = distance > most_8 ? distance : most_8;
    }
    /* Of an odd number's last pair the second has no weight. */
    if (pairs <= STK_8_CLOSE_PAIRS && most_8 + axis->taps <= 16)
        return STK_8_CLOSE;
    if (pairs <= STK_8_NEAR_PAIRS && most_4 + axis->taps <= 16)
        return STK_8_NEAR;
    return most_4 + 2 <= 16 ? STK_8_STEP : STK_8_FAR;
}

static void pack_near(struct stk_axis *axis)
{
    size_t step = stk_group8_bytes(axis), n = axis->padded;
    size_t four = axis->packing == STK_8_CLOSE ? 0 : 4, many = 8 - four;
    for (size_t i = 0; i < n; i += 8) {
        uint8_t *packed = axis->packed + i / 8 * step;
        struct stk_group8 *g = (struct stk_group8 *)(void *)packed;
        base_of(axis, i, many, &g->base[0]);
        base_of(axis, i + four, many, &g->base[1]);
        const void *first = axis->first + i;
        __m256i at = _mm256_inserti128_si256(_mm256_set1_epi32(g->base[0]),
                                             _mm_set1_epi32(g->base[1]), 1);
        at = _mm256_sub_epi32(_mm256_load_si256((const __m256i *)first), at);
        /* In each dword the bytes of two words: at, none, at + 1, none. */
        at = _mm256_or_si256(at, _mm256_slli_epi32(at, 16));
        g->pick = _mm256_add_epi32(at, _mm256_set1_epi32((int)0x80018000));
        for (int32_t t = 0; t < axis->taps; t += 2) {
            const int32_t *k = axis->weight + (size_t)t * n + i;
            __m256i a = _mm256_load_si256((const __m256i *)(const void *)k);
            __m256i b = _mm256_setzero_si256();
            __m256i low = _mm256_set1_epi32(2047);
            if (t + 1 < axis->taps)
                b = _mm256_load_si256((const __m256i *)(const void *)(k + n));
            g->weight[t] = _mm256_blend_epi16(
                _mm256_srai_epi32(a, 11),
                _mm256_slli_epi32(_mm256_srai_epi32(b, 11), 16), 0xaa);
            g->weight[t + 1] = _mm256_or_si256(
                _mm256_and_si256(a, low),
                _mm256_slli_epi32(_mm256_and_si256(b, low), 16));
        }
    }
}

/* An output's first tap moves to the left where 16 bytes a step would read
 * behind the slack; its weights move with it. */
static void pack_far(struct stk_axis *axis)
{
    size_t step = stk_group8_bytes(axis), n = axis->padded;
    int32_t chunks = (axis->taps + 15) / 16;
    int32_t limit = axis->in + STK_STRIP_SLACK - 16 * chunks;
    for (size_t i = 0; i < n; i++) {
        uint8_t *packed = axis->packed + i * step;
        struct stk_far8 *o = (struct stk_far8 *)(void *)packed;
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

void stk_pack_avx2(struct stk_axis *axis)
{
    axis->packing = choose(axis);
    if (axis->packing == STK_8_FAR)
        pack_far(axis);
    else
        pack_near(axis);
}
