/* One axis of a resample: which source pixels make each output pixel, in
 * Pillow's 22-bit fixed point.  Pure data that the kernels fill and read. */
#ifndef STK_AXIS_H
#define STK_AXIS_H

#include "augment/taps.h"
#include "base/mem.h"
#include "flow/sample.h"

enum {
    STK_WEIGHT_BITS = 22,
    STK_AXIS_GROUP = 16, /* outputs that a kernel may make at once */
};

/* Owned by one placer; lives from one stk_placer_begin() to the next. */
struct stk_axis {
    int32_t n;             /* outputs inside the grid */
    int32_t before, after; /* outputs outside of it, in front and behind */
    int32_t crop, grid;    /* sizes: crop is resized to grid */
    int32_t skipped;       /* crop pixels in front of the delivered ones */
    int32_t in;            /* delivered pixels */
    int32_t grid_first;    /* grid pixel of the first output */
    bool identity;         /* crop == grid: the pass is a copy */
    bool mirrored;         /* output 0 is the last grid pixel */
    bool cubic;
    /* Below: not set where identity. */
    int32_t taps;     /* most taps of one output */
    int32_t max_taps; /* bound that the memory below was made for */
    size_t padded;    /* n rounded up to STK_AXIS_GROUP */
    int32_t *first;   /* [padded] first tap, counted in delivered pixels */
    int32_t *count;   /* [padded] taps; 0 behind n, where first repeats */
    int32_t *weight;  /* [max_taps][padded], 0 behind count */
    double *work;     /* [max_taps][8] unnormalised weights */
    uint8_t *packed;  /* the kernels' own form, 64-byte aligned */
    int32_t packing;  /* which form; the kernels' own numbers */
    struct stk_scratch memory;
};

/* One axis of a geometry: extent of crop, grid, view and source on it. */
struct stk_axis_want {
    int32_t crop, grid;
    int32_t view_first, view_size;
    int32_t source_first, source_size; /* source_first counts in the crop */
    bool mirrored, cubic;
};

/* Sets all but the weights and makes room for them.  Returns 0, -ENOMEM. */
int stk_axis_set(struct stk_axis *axis, const struct stk_axis_want *want);
void stk_axis_fini(struct stk_axis *axis);

/* The axis as taps.h sees it: the definition of windows and filters. */
struct stk_taps stk_axis_taps(const struct stk_axis *axis);

/* The definition of weights: fills first, count, weight and taps. */
void stk_axis_weights(struct stk_axis *axis);

#endif
