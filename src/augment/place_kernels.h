/* The inner loops of placing, one set for each cpu level.  All sets give the
 * bytes of the scalar one, which is the definition.  Sources may be read 128
 * bytes before and behind a row; targets are written exactly. */
#ifndef STK_PLACE_KERNELS_H
#define STK_PLACE_KERNELS_H

#include "augment/axis.h"
#include "augment/program.h"

/* How a channel's values may be computed from bytes v.  A form is set where
 * all 256 were tried, with the kernels that will compute, and were the
 * table's. */
enum {
    STK_FORM_TABLE,
    STK_FORM_LINE,  /* v * scale + offset, rounded once */
    STK_FORM_STEPS, /* v * (1/255), minus mean, and an exact quotient: times
                       inverse and one correction by its remainder */
};

/* How finished bytes become elements; made once from a program. */
struct stk_emit {
    int32_t dtype;
    bool interleaved; /* NHWC */
    /* Kernels may compute instead of looking up, each channel in its form. */
    int32_t form[3];
    float scale[3], offset[3];         /* STK_FORM_LINE */
    float mean[3], std[3], inverse[3]; /* STK_FORM_STEPS; 1 / std */
    size_t plane_bytes;                /* from channel to channel of NCHW */
    uint32_t table[3][256];
    /* The same in halves of 16 bits, for tables held in registers. */
    uint16_t low[3][256] __attribute__((aligned(64)));
    uint16_t high[3][256] __attribute__((aligned(64)));
};

/* A weight's halves: the part that multiplies p << 7 of a dword row below, that
 * of p << 16 above.  Weights over STK_TAP_LIMIT have none and come as two taps.
 */
enum { STK_TAP_LIMIT = 32767 * 128 + 32767 };
static inline uint32_t stk_halves_of(int32_t weight)
{
    int32_t high = weight >> 7 > 32767 ? 32767 : weight >> 7;
    return ((uint32_t)high & 0xffff) | (uint32_t)(weight - high * 128) << 16;
}

/* The taps of one output row in the vertical pass from dword rows: tap t is
 * row[(first + t) & mask] with halves[t * step].  Beyond the kernels'
 * few_taps both are plain lists: first 0, step 1, all of mask set. */
struct stk_dword_taps {
    int32_t n;
    bool cubic; /* sums may leave 0 ... 255 */
    const uint32_t *const *row;
    size_t first, mask;
    const uint32_t *halves;
    size_t step;
};

/* The same from rows of bytes.  The lists have room for three more taps, which
 * kernels may fill. */
struct stk_row_taps {
    int32_t n;
    int32_t *weight;
    uint32_t *packed; /* [3 * (n + 4)], for the kernel's own use */
};

/* A row between the passes: dword p << 16 | p << 7 for each pixel p, so that
 * one multiply-add of words is one tap.  Planes lie axis->padded apart. */
struct stk_place_kernels {
    /* Weights of an axis; then the form that _across wants. */
    void (*weights)(struct stk_axis *axis);
    void (*pack)(struct stk_axis *axis);
    /* The halves of a vertical axis to packed, [taps][padded] dwords; false
     * where a weight is over STK_TAP_LIMIT. */
    bool (*halves)(struct stk_axis *axis);
    /* Horizontal pass over rows of planes: to dword rows, or to bytes. */
    void (*across)(const struct stk_axis *axis, const uint8_t *const from[3],
                   size_t stride, int32_t n_rows, uint32_t *const *to);
    void (*across_bytes)(const struct stk_axis *axis,
                         const uint8_t *const from[3], size_t stride,
                         int32_t n_rows, uint8_t *const to[3],
                         ptrdiff_t to_stride);
    /* Vertical pass to one row of n bytes a plane, from dword rows (planes
     * plane dwords apart), or from rows of one plane's bytes. */
    int32_t few_taps;
    void (*down)(const struct stk_dword_taps *taps, size_t plane, size_t n,
                 uint8_t *const to[3]);
    void (*down_bytes)(const struct stk_row_taps *taps, const uint8_t **rows,
                       size_t n, uint8_t *to);
    void (*mirror)(const uint8_t *from, size_t n, uint8_t *to);
    /* One row of elements; to is channel 0's first. */
    void (*emit)(const struct stk_emit *emit, const uint8_t *const from[3],
                 size_t n, uint8_t *to);
    /* Makes streamed stores visible like others; called once a sample. */
    void (*fence)(void);
};

extern const struct stk_place_kernels stk_place_plain;
#if defined(__x86_64__) || defined(__aarch64__)
extern const struct stk_place_kernels stk_place_vec128;
#endif
#if defined(__x86_64__)
extern const struct stk_place_kernels stk_place_avx2, stk_place_avx512;
#endif

/* The definition of halves. */
bool stk_axis_halves(struct stk_axis *axis);

/* cpu: a resolved stoker_cpu. */
const struct stk_place_kernels *stk_place_kernels_of(int cpu);

void stk_emit_init(struct stk_emit *emit, const struct stk_program *program,
                   const struct stk_place_kernels *kernels);

#endif
