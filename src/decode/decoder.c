/* The decoder: chooses the codec, counts the time, hands out strips of images
 * that were decoded whole.  Knows no format. */
#include "decode/codec.h"

#include <errno.h>
#include <inttypes.h>

#include "base/clock.h"
#include "decode/jpeg.h"
#include "decode/sniff.h"

static const struct stk_codec *const codecs[] = {
    &stk_codec_jpeg,
#ifdef STK_HAVE_PNG
    &stk_codec_png,
#endif
#ifdef STK_HAVE_WEBP
    &stk_codec_webp,
#endif
};

int stk_decoder_open(struct stk_decoder **out,
                     const struct stk_decode_limits *limits, stoker_error *err)
{
    struct stk_decoder *decoder = stk_calloc(1, sizeof *decoder);
    if (!decoder)
        return stk_fail(err, -ENOMEM, "no memory for a decoder");
    decoder->limits = *limits;
    decoder->deinterleave = stk_deinterleave_for(limits->cpu);
    int rc = stk_jpeg_codec_open(&decoder->jpeg, limits, err);
    if (rc < 0)
        stk_decoder_close(&decoder);
    *out = decoder;
    return rc;
}

void stk_decoder_close(struct stk_decoder **decoder)
{
    struct stk_decoder *self = *decoder;
    if (!self)
        return;
    stk_decoder_end(self);
    stk_jpeg_codec_close(&self->jpeg);
    stk_scratch_fini(&self->whole.rgb);
    stk_scratch_fini(&self->lines);
    stk_scratch_fini(&self->planes);
    stk_free(self);
    *decoder = NULL;
}

static const struct stk_codec *codec_for(struct stk_span bytes)
{
    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++)
        if (codecs[i]->accepts(bytes))
            return codecs[i];
    return NULL;
}

static int refuse(const struct stk_decoder *decoder, stoker_error *err)
{
    struct stk_span bytes = decoder->bytes;
    const char *format = stk_sniff(bytes);
    if (bytes.n == 0)
        return stk_fail(err, -ENODATA, "%s: empty file", decoder->name);
    if (format)
        return stk_fail(err, -ENOTSUP, "%s: %s, a format that is not read here",
                        decoder->name, format);
    if (bytes.n < 4)
        return stk_fail(err, -ENODATA, "%s: truncated: %zu bytes in all",
                        decoder->name, bytes.n);
    return stk_fail(err, -EBADMSG,
                    "%s: not an image: begins with "
                    "%02x %02x %02x %02x",
                    decoder->name, bytes.data[0], bytes.data[1], bytes.data[2],
                    bytes.data[3]);
}

static int probe(struct stk_decoder *decoder, stoker_error *err)
{
    if ((uint64_t)decoder->bytes.n > (uint64_t)decoder->limits.max_file_bytes)
        return stk_fail(err, -EFBIG, "%s: %zu bytes, the limit is %" PRId64,
                        decoder->name, decoder->bytes.n,
                        decoder->limits.max_file_bytes);
    const struct stk_codec *codec = codec_for(decoder->bytes);
    if (!codec)
        return refuse(decoder, err);
    decoder->codec = codec;
    return codec->probe(decoder, err);
}

int stk_decoder_probe(struct stk_decoder *decoder, struct stk_span bytes,
                      const char *name, struct stk_image *image,
                      stoker_error *err)
{
    stk_decoder_end(decoder);
    decoder->bytes = bytes;
    decoder->name = name;
    decoder->was_own = false;
    decoder->image = (struct stk_image){.orientation = 1};
    /* A sample's time runs from here on; nobody waits between its strips. */
    decoder->deadline_ns =
        stk_now_ns() + (int64_t)decoder->limits.max_decode_ms * 1000000;
    int rc = probe(decoder, err);
    *image = decoder->image;
    if (rc < 0)
        stk_decoder_end(decoder);
    return rc;
}

int stk_decoder_begin(struct stk_decoder *decoder,
                      const struct stk_window *window, stoker_error *err)
{
    if (!decoder->codec || window->left < 0 || window->top < 0 ||
        window->width <= 0 || window->height <= 0 ||
        window->left > decoder->image.width - window->width ||
        window->top > decoder->image.height - window->height)
        return stk_fail(err, -EINVAL, "%s: a window outside of the image",
                        decoder->name ? decoder->name : "decoder");
    decoder->window = *window;
    decoder->next_row = 0;
    return decoder->whole.filled ? 0 : decoder->codec->begin(decoder, err);
}

static int rows_of_whole(struct stk_decoder *decoder, struct stk_strip *strip,
                         stoker_error *err)
{
    const struct stk_window *window = &decoder->window;
    int32_t n_rows = window->height - decoder->next_row;
    if (n_rows > STK_STRIP_ROWS)
        n_rows = STK_STRIP_ROWS;
    const uint8_t *first =
        stk_whole_row(&decoder->whole, window->top + decoder->next_row) +
        (size_t)window->left * 3;
    return stk_decoder_split(decoder, first, (size_t)decoder->whole.width * 3,
                             n_rows, strip, err);
}

int stk_decoder_rows(struct stk_decoder *decoder, struct stk_strip *strip,
                     stoker_error *err)
{
    if (!decoder->codec || decoder->next_row >= decoder->window.height)
        return 0;
    int rc = stk_decoder_check_time(decoder, err);
    if (rc == 0)
        rc = decoder->whole.filled ? rows_of_whole(decoder, strip, err)
                                   : decoder->codec->rows(decoder, strip, err);
    if (rc == 1)
        decoder->next_row += strip->n_rows;
    return rc;
}

void stk_decoder_end(struct stk_decoder *decoder)
{
    if (decoder->codec)
        decoder->codec->end(decoder);
    decoder->codec = NULL;
    decoder->bytes = (struct stk_span){0};
    decoder->name = NULL;
    decoder->window = (struct stk_window){0};
    decoder->next_row = 0;
    decoder->whole.filled = false;
    stk_scratch_trim(&decoder->whole.rgb, STK_DECODER_KEEP_BYTES);
    stk_scratch_trim(&decoder->lines, STK_DECODER_KEEP_BYTES);
    stk_scratch_trim(&decoder->planes, STK_DECODER_KEEP_BYTES);
}

bool stk_decoder_was_own(const struct stk_decoder *decoder)
{
    return decoder->was_own;
}

size_t stk_decoder_scratch_bytes(const struct stk_decoder *decoder)
{
    return decoder->whole.rgb.bytes + decoder->lines.bytes +
           decoder->planes.bytes + stk_jpeg_codec_bytes(decoder->jpeg);
}

const char *stk_decoder_library(int index)
{
    const int n = sizeof codecs / sizeof codecs[0];
    return index >= 0 && index < n ? codecs[index]->library() : NULL;
}
