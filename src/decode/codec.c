/* What every codec needs of the decoder that calls it: limits, time, room for
 * a whole image, rows taken apart into planes. */
#include "decode/codec.h"

#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"

int stk_decoder_check_time(const struct stk_decoder *decoder, stoker_error *err)
{
    if (stk_now_ns() <= decoder->deadline_ns)
        return 0;
    return stk_fail(err, -EFBIG, "%s: decoding takes longer than %d ms",
                    decoder->name, decoder->limits.max_decode_ms);
}

int stk_decoder_check_size(const struct stk_decoder *decoder, int64_t width,
                           int64_t height, stoker_error *err)
{
    const struct stk_decode_limits *limits = &decoder->limits;
    int64_t n_pixels;

    if (width <= 0 || height <= 0)
        return stk_fail(err, -EBADMSG, "%s: an image without pixels",
                        decoder->name);
    if (width > limits->max_side || height > limits->max_side ||
        width > INT32_MAX || height > INT32_MAX)
        return stk_fail(err, -EFBIG,
                        "%s: %" PRId64 " x %" PRId64
                        " pixels, the limit is %" PRId64 " a side",
                        decoder->name, width, height, limits->max_side);
    if (__builtin_mul_overflow(width, height, &n_pixels) ||
        n_pixels > limits->max_pixels)
        return stk_fail(err, -EFBIG,
                        "%s: %" PRId64 " x %" PRId64
                        " pixels, the limit is %" PRId64 " in all",
                        decoder->name, width, height, limits->max_pixels);
    return 0;
}

int stk_whole_reserve(struct stk_decoder *decoder, int32_t width,
                      int32_t height, stoker_error *err)
{
    size_t bytes;
    if (stk_mul_overflows((size_t)width * 3, (size_t)height, &bytes) ||
        stk_scratch_reserve(&decoder->whole.rgb, bytes) < 0)
        return stk_fail(err, -ENOMEM, "%s: no memory for %d x %d pixels",
                        decoder->name, width, height);
    decoder->whole.width = width;
    decoder->whole.height = height;
    return 0;
}

int stk_decoder_split(struct stk_decoder *decoder, const uint8_t *rgb,
                      size_t rgb_stride, int32_t n_rows,
                      struct stk_strip *strip, stoker_error *err)
{
    size_t width = (size_t)decoder->window.width;
    size_t stride = stk_round_up(width + 2 * STK_STRIP_SLACK, STK_CACHE_LINE);
    size_t plane_bytes = stride * STK_STRIP_ROWS;

    if (stk_scratch_reserve(&decoder->planes, 3 * plane_bytes) < 0)
        return stk_fail(err, -ENOMEM, "%s: no memory for a strip",
                        decoder->name);
    uint8_t *red = decoder->planes.data + STK_STRIP_SLACK;
    for (int32_t row = 0; row < n_rows; row++) {
        uint8_t *line = red + (size_t)row * stride;
        decoder->deinterleave->rgb(rgb + (size_t)row * rgb_stride, width, line,
                                   line + plane_bytes, line + 2 * plane_bytes);
    }
    for (int c = 0; c < 3; c++)
        strip->plane[c] = red + (size_t)c * plane_bytes;
    strip->stride = stride;
    strip->n_rows = n_rows;
    return 1;
}
