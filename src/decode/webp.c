/* The WebP codec, and the only door to libwebp: decodes whole in the probe,
 * through the animation decoder as Pillow does, first frame, alpha dropped. */
#include <errno.h>

#include <webp/decode.h>
#include <webp/demux.h>

#include "decode/codec.h"
#include "decode/exif.h"

static bool accepts(struct stk_span bytes)
{
    return bytes.n >= 16 && memcmp(bytes.data, "RIFF", 4) == 0 &&
           memcmp(bytes.data + 8, "WEBPVP8", 7) == 0 &&
           memchr(" XL", bytes.data[15], 3);
}

static uint32_t le(const uint8_t *p, int n)
{
    uint32_t value = 0;
    while (n--)
        value = value << 8 | p[n];
    return value;
}

/* The canvas as the file's head names it, before libwebp allocates it; false:
 * libwebp has to say. */
static bool canvas_size(struct stk_span bytes, int64_t *width, int64_t *height)
{
    const uint8_t *p = bytes.data;
    if (bytes.n >= 30 && p[15] == 'X') {
        *width = (int64_t)le(p + 24, 3) + 1;
        *height = (int64_t)le(p + 27, 3) + 1;
        return true;
    }
    if (bytes.n >= 30 && p[15] == ' ' &&
        memcmp(p + 23, "\x9d\x01\x2a", 3) == 0) {
        *width = le(p + 26, 2) & 0x3FFF;
        *height = le(p + 28, 2) & 0x3FFF;
        return true;
    }
    if (bytes.n >= 25 && p[15] == 'L' && p[20] == 0x2F) {
        uint32_t bits = le(p + 21, 4);
        *width = (bits & 0x3FFF) + 1;
        *height = (bits >> 14 & 0x3FFF) + 1;
        return true;
    }
    return false;
}

/* libwebp's two canvases of 4 bytes a pixel count as the decoder's memory. */
static int check_size(const struct stk_decoder *decoder, int64_t width,
                      int64_t height, stoker_error *err)
{
    int rc = stk_decoder_check_size(decoder, width, height, err);
    if (rc == 0 && width * height > decoder->limits.max_decoder_bytes / 8)
        return stk_fail(err, -EFBIG, "%s: needs more than max_decoder_bytes",
                        decoder->name);
    return rc;
}

static void copy_rows(struct stk_decoder *decoder, const uint8_t *rgba)
{
    struct stk_whole *whole = &decoder->whole;
    size_t n = (size_t)whole->width * (size_t)whole->height;
    uint8_t *rgb = whole->rgb.data;
    for (size_t i = 0; i < n; i++) {
        rgb[3 * i] = rgba[4 * i];
        rgb[3 * i + 1] = rgba[4 * i + 1];
        rgb[3 * i + 2] = rgba[4 * i + 2];
    }
}

static int decode(struct stk_decoder *decoder, WebPAnimDecoder *anim,
                  stoker_error *err)
{
    struct stk_image *image = &decoder->image;
    WebPAnimInfo info;
    WebPChunkIterator chunk;
    uint8_t *rgba;
    int timestamp;

    if (!WebPAnimDecoderGetInfo(anim, &info))
        return stk_fail(err, -EBADMSG, "%s: broken WebP", decoder->name);
    int rc = check_size(decoder, info.canvas_width, info.canvas_height, err);
    if (rc < 0)
        return rc;
    image->width = (int32_t)info.canvas_width;
    image->height = (int32_t)info.canvas_height;
    if (WebPDemuxGetChunk(WebPAnimDecoderGetDemuxer(anim), "EXIF", 1, &chunk)) {
        image->orientation = stk_exif_orientation(
            (struct stk_span){chunk.chunk.bytes, chunk.chunk.size});
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    rc = stk_whole_reserve(decoder, image->width, image->height, err);
    if (rc < 0)
        return rc;
    if (!WebPAnimDecoderGetNext(anim, &rgba, &timestamp))
        return stk_fail(err, -EBADMSG, "%s: broken WebP image data",
                        decoder->name);
    copy_rows(decoder, rgba);
    return stk_decoder_check_time(decoder, err);
}

static int probe(struct stk_decoder *decoder, stoker_error *err)
{
    struct stk_span bytes = decoder->bytes;
    WebPData data = {bytes.data, bytes.n};
    WebPBitstreamFeatures features;
    int64_t width, height;
    int rc = 0;

    decoder->image.format = STK_FORMAT_WEBP;
    if (canvas_size(bytes, &width, &height))
        rc = check_size(decoder, width, height, err);
    if (rc < 0)
        return rc;
    bool has_features =
        WebPGetFeatures(bytes.data, bytes.n, &features) == VP8_STATUS_OK;
    memcpy(decoder->image.mode,
           has_features && !features.has_alpha ? "RGB\0" : "RGBA", 5);
    if (has_features)
        rc = check_size(decoder, features.width, features.height, err);
    if (rc < 0)
        return rc;
    WebPAnimDecoder *anim = WebPAnimDecoderNew(&data, NULL);
    if (!anim)
        return stk_fail(err, -EBADMSG, "%s: broken or truncated WebP",
                        decoder->name);
    rc = decode(decoder, anim, err);
    WebPAnimDecoderDelete(anim);
    decoder->whole.filled = rc == 0;
    return rc;
}

static void end(struct stk_decoder *decoder)
{
    (void)decoder;
}

static const char *library(void)
{
    return "libwebp";
}

const struct stk_codec stk_codec_webp = {
    .accepts = accepts,
    .probe = probe,
    .end = end,
    .library = library,
};
