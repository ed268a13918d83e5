/* What the decoder's fuzz targets share: any bytes, any window, small limits.
 */
#ifndef FUZZ_DECODE_ANY_H
#define FUZZ_DECODE_ANY_H

#include <stdlib.h>

#include "base/cpu.h"
#include "decode/decode.h"

/* One for all inputs, or a new one: memory that an input before has made
 * larger hides what goes beyond it. */
static inline struct stk_decoder *fuzz_decoder(int damaged, int is_new)
{
    static struct stk_decoder *decoders[3];
    struct stk_decode_limits limits = {
        .max_pixels = 1 << 18,
        .max_side = 1 << 14,
        .max_file_bytes = 1 << 20,
        .max_decoder_bytes = 32 << 20,
        .max_scans = 20,
        .max_decode_ms = 5000,
        .damaged = damaged,
        .cpu = stk_cpu_best(),
    };
    if (is_new)
        stk_decoder_close(&decoders[damaged]);
    if (!decoders[damaged] &&
        stk_decoder_open(&decoders[damaged], &limits, NULL) < 0)
        abort();
    return decoders[damaged];
}

/* A place in 0 ... n-1. */
static inline int32_t fuzz_below(uint8_t byte, int32_t n)
{
    return (int32_t)((int64_t)byte * n / 256);
}

/* choices: damaged and whether on a new decoder, then a window as four parts of
 * 256. */
static inline void fuzz_decode(const uint8_t choices[5], struct stk_span bytes)
{
    struct stk_decoder *decoder =
        fuzz_decoder(choices[0] % 3, choices[0] & 128);
    struct stk_image image;
    struct stk_strip strip;
    stoker_error err;
    unsigned sum = 0;
    int32_t n_rows = 0;

    int rc = stk_decoder_probe(decoder, bytes, "fuzz", &image, &err);
    if (rc < 0) {
        if (err.code != rc || !err.text[0])
            abort();
        return;
    }
    struct stk_window window = {.top = fuzz_below(choices[1], image.height),
                                .left = fuzz_below(choices[2], image.width)};
    window.height = 1 + fuzz_below(choices[3], image.height - window.top);
    window.width = 1 + fuzz_below(choices[4], image.width - window.left);
    rc = stk_decoder_begin(decoder, &window, &err);
    while (rc >= 0 && (rc = stk_decoder_rows(decoder, &strip, &err)) == 1) {
        n_rows += strip.n_rows;
        for (int c = 0; c < 3; c++) /* the slack may be read, too */
            for (int32_t y = 0; y < strip.n_rows; y++) {
                const uint8_t *row = strip.plane[c] + (size_t)y * strip.stride;
                sum += row[-STK_STRIP_SLACK] + row[0] +
                       row[window.width + STK_STRIP_SLACK - 1];
            }
    }
    if (rc == 0 && n_rows != window.height)
        abort();
    if (rc < 0) /* the verdict was the probe's */
        abort();
    __asm__ volatile("" : : "r"(sum));
    stk_decoder_end(decoder);
}

#endif
