/* Pillow's filter windows (src/libImaging/Resample.c, precompute_coeffs), in
 * its own order of double operations: rounding decides a tap. */
#include "augment/taps.h"

#include "stoker/stoker.h"

void stk_taps_init(struct stk_taps *taps, int32_t in_size, int32_t out_size,
                   int interpolation)
{
    double half_width = interpolation == STOKER_BICUBIC ? 2.0 : 1.0;

    taps->in_size = in_size;
    taps->out_size = out_size;
    taps->scale = (double)in_size / out_size;
    taps->filter_scale = taps->scale < 1.0 ? 1.0 : taps->scale;
    taps->support = half_width * taps->filter_scale;
}

void stk_taps_bounds(const struct stk_taps *taps, int32_t index, int32_t *xmin,
                     int32_t *xmax)
{
    if (taps->in_size == taps->out_size) {
        *xmin = index;
        *xmax = index + 1;
        return;
    }
    double centre = stk_taps_centre(taps, index);
    /* The casts cut towards zero, as Pillow's do; below 0 it clamps. */
    double low = centre - taps->support + 0.5;
    double high = centre + taps->support + 0.5;
    *xmin = low < 0.0 ? 0 : (int32_t)low;
    *xmax = high > taps->in_size ? taps->in_size : (int32_t)high;
}

static double triangle(double x)
{
    if (x < 0.0)
        x = -x;
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* Keys' cubic with a = -0.5, in Pillow's order of operations. */
static double cubic(double x)
{
    const double a = -0.5;

    if (x < 0.0)
        x = -x;
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

double stk_taps_weight(const struct stk_taps *taps, int interpolation,
                       double centre, int32_t i)
{
    double x = (i - centre + 0.5) * (1.0 / taps->filter_scale);

    return interpolation == STOKER_BICUBIC ? cubic(x) : triangle(x);
}
