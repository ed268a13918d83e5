/* Which source samples an output sample is made of: Pillow's arithmetic, one
 * definition for the recipe (which pixels to decode) and for placing (their
 * weights), so that the two can never disagree. */
#ifndef STK_TAPS_H
#define STK_TAPS_H

#include <stdint.h>

/* One axis of a resample, Pillow's precompute_coeffs() without its loop.
 * Immutable. */
struct stk_taps {
    int32_t in_size, out_size;
    double scale;        /* source samples an output sample */
    double filter_scale; /* scale, at least 1: antialias */
    double support;      /* half of the filter's width in source samples */
};

/* Sizes are at least 1; interpolation is a stoker_interpolation. */
void stk_taps_init(struct stk_taps *taps, int32_t in_size, int32_t out_size,
                   int interpolation);

/* The middle of an output sample, in source samples. */
static inline double stk_taps_centre(const struct stk_taps *taps, int32_t index)
{
    return (index + 0.5) * taps->scale;
}

/* Source samples xmin ... xmax-1 make output sample index (0 ... out_size-1).
 * Both ends never fall while index grows.  Where the sizes are equal there
 * is no pass, and the sample stands for itself. */
void stk_taps_bounds(const struct stk_taps *taps, int32_t index, int32_t *xmin,
                     int32_t *xmax);

/* The filter's value for source sample i (xmin <= i < xmax) of an output
 * sample whose middle is centre, before the weights are divided by their sum
 * in rising order of i. */
double stk_taps_weight(const struct stk_taps *taps, int interpolation,
                       double centre, int32_t i);

#endif
