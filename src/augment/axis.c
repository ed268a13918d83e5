/* Weights as Pillow's Resample.c computes them: plain double arithmetic,
 * never contracted, then 22 bits.  The vector kernels repeat it 8 at a time. */
#include "augment/axis.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

#include "stoker/stoker.h"

static int interpolation_of(const struct stk_axis *axis)
{
    return axis->cubic ? STOKER_BICUBIC : STOKER_BILINEAR;
}

struct stk_taps stk_axis_taps(const struct stk_axis *axis)
{
    struct stk_taps taps;
    stk_taps_init(&taps, axis->crop, axis->grid, interpolation_of(axis));
    return taps;
}

static int make_room(struct stk_axis *axis)
{
    size_t n = axis->padded, t = (size_t)axis->max_taps;
    /* The widest packing holds three bytes a tap of 16, rounded up. */
    size_t packed = n / STK_AXIS_GROUP * (t + 24) * 64;
    size_t weights = n * t * sizeof(int32_t), work = t * 8 * sizeof(double);
    size_t list = n * sizeof(int32_t), total = packed + weights + work;
    if (stk_scratch_reserve(&axis->memory, total + 2 * list) < 0)
        return -ENOMEM;
    uint8_t *at = axis->memory.data;
    axis->packed = at;
    axis->work = (double *)(void *)(at += packed);
    axis->weight = (int32_t *)(void *)(at += work);
    axis->first = (int32_t *)(void *)(at += weights);
    axis->count = (int32_t *)(void *)(at += list);
    return 0;
}

int stk_axis_set(struct stk_axis *axis, const struct stk_axis_want *want)
{
    int32_t end = want->view_first + want->view_size;
    int32_t low = want->view_first > 0 ? want->view_first : 0;
    int32_t high = end < want->grid ? end : want->grid;
    axis->n = high > low ? high - low : 0;
    axis->before = low - want->view_first;
    if (axis->before > want->view_size)
        axis->before = want->view_size;
    axis->after = want->view_size - axis->before - axis->n;
    if (want->mirrored) {
        int32_t swap = axis->before;
        axis->before = axis->after;
        axis->after = swap;
    }
    axis->crop = want->crop;
    axis->grid = want->grid;
    axis->skipped = want->source_first;
    axis->in = want->source_size;
    axis->identity = want->crop == want->grid;
    axis->mirrored = want->mirrored;
    axis->cubic = want->cubic;
    axis->grid_first = want->mirrored ? high - 1 : low;
    if (axis->identity || axis->n == 0)
        return 0;
    axis->padded = stk_round_up((size_t)axis->n, STK_AXIS_GROUP);
    double most = ceil(stk_axis_taps(axis).support) * 2.0 + 1.0;
    axis->max_taps = most < axis->crop ? (int32_t)most : axis->crop;
    return make_room(axis);
}

void stk_axis_fini(struct stk_axis *axis)
{
    stk_scratch_fini(&axis->memory);
}

static int32_t rounded(double w)
{
    const double one = 1 << STK_WEIGHT_BITS;
    return w < 0 ? (int32_t)(-0.5 + w * one) : (int32_t)(0.5 + w * one);
}

static void weights_of(struct stk_axis *axis, size_t i,
                       const struct stk_taps *taps)
{
    int32_t x = axis->grid_first + (axis->mirrored ? -(int32_t)i : (int32_t)i);
    int32_t low, high, kind = interpolation_of(axis);
    double centre = stk_taps_centre(taps, x), sum = 0.0;
    stk_taps_bounds(taps, x, &low, &high);
    int32_t n = high - low;
    for (int32_t t = 0; t < n; t++) {
        axis->work[t] = stk_taps_weight(taps, kind, centre, low + t);
        sum += axis->work[t];
    }
    axis->first[i] = low - axis->skipped;
    axis->count[i] = n;
    assert(n <= axis->max_taps);
    assert(low >= axis->skipped && high <= axis->skipped + axis->in);
    int32_t *weight = axis->weight + i;
    for (int32_t t = 0; t < axis->max_taps; t++, weight += axis->padded) {
        double w = t < n ? axis->work[t] : 0.0;
        *weight = rounded(sum != 0.0 ? w / sum : w);
    }
    if (n > axis->taps)
        axis->taps = n;
}

void stk_axis_weights(struct stk_axis *axis)
{
    struct stk_taps taps = stk_axis_taps(axis);
    size_t n = (size_t)axis->n;
    axis->taps = 0;
    for (size_t i = 0; i < n; i++)
        weights_of(axis, i, &taps);
    for (size_t i = n; i < axis->padded; i++) {
        axis->first[i] = axis->first[n - 1];
        axis->count[i] = 0;
        for (int32_t t = 0; t < axis->max_taps; t++)
            axis->weight[(size_t)t * axis->padded + i] = 0;
    }
}
