/* The compiler: a list of transforms becomes one program at open, which every
 * sample then runs: one source window, one resample, flips, one table. */
#ifndef STK_PROGRAM_H
#define STK_PROGRAM_H

#include "base/error.h"
#include "flow/sample.h"

enum { STK_MAX_TRANSFORMS = 32 };

/* Immutable after stk_program_compile(). */
struct stk_program {
    int32_t out_height, out_width;
    int32_t dtype, layout; /* stoker_dtype, stoker_layout */
    int32_t pixels;        /* a stoker_pixels */
    int32_t interpolation;
    int32_t cut;                      /* an enum stk_cut */
    stoker_transform crop, resize;    /* entries as the user gave them */
    int32_t crop_index, resize_index; /* their index in the list: RNG key */
    struct {
        int32_t index; /* in the list: RNG key */
        bool vertical;
        double p;
    } flips[STK_MAX_TRANSFORMS];
    int32_t n_flips;
    bool has_normalize;
    float mean[3], std[3];
    size_t sample_bytes; /* 3 * out_height * out_width * dtype's size */
    uint64_t hash;       /* of all that decides a pixel */
    /* value of each byte, by channel, in the dtype's own bits (u8: itself) */
    uint32_t table[3][256];
};

enum stk_cut {
    STK_CUT_RANDOM_RESIZED_CROP = 1,
    STK_CUT_RESIZE = 2,             /* size is a pair: output size is known */
    STK_CUT_RESIZE_CENTER_CROP = 3, /* resize optional for these two */
    STK_CUT_RESIZE_RANDOM_CROP = 4,
};

/* Returns 0, or -EINVAL with a text that names the entry ("transforms[1]
 * Resize: ...") and says why it cannot be folded. */
int stk_program_compile(struct stk_program *program,
                        const stoker_transform *list, size_t n,
                        size_t entry_bytes, int dtype, int layout, int pixels,
                        stoker_error *err);

#endif
