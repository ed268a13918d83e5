/* The JPEG codec: Pillow's verdict from the header walk and the marker scan;
 * a regular file's window alone, every other file whole. */
#include "decode/jpeg.h"

#include <errno.h>
#include <string.h>

#include "decode/cmyk.h"
#include "decode/codec.h"
#include "decode/exif.h"
#include "decode/jpeg_marks.h"

int stk_jpeg_codec_open(struct stk_jpeg_codec **out,
                        const struct stk_decode_limits *limits,
                        stoker_error *err)
{
    struct stk_jpeg_codec *jpeg = stk_calloc(1, sizeof *jpeg);
    if (!jpeg)
        return stk_fail(err, -ENOMEM, "no memory for a decoder");
    int rc = stk_turbo_open(&jpeg->turbo, err);
    if (rc == 0 && stk_jpeg_decoder_open(&jpeg->own, limits->cpu) < 0)
        rc = stk_fail(err, -ENOMEM, "no memory for a decoder");
    if (rc < 0)
        stk_jpeg_codec_close(&jpeg);
    *out = jpeg;
    return rc;
}

void stk_jpeg_codec_close(struct stk_jpeg_codec **jpeg)
{
    if (!*jpeg)
        return;
    stk_turbo_close(&(*jpeg)->turbo);
    stk_jpeg_decoder_close(&(*jpeg)->own);
    stk_free(*jpeg);
    *jpeg = NULL;
}

size_t stk_jpeg_codec_bytes(const struct stk_jpeg_codec *jpeg)
{
    return jpeg ? sizeof *jpeg + stk_jpeg_decoder_bytes(jpeg->own) : 0;
}

static bool accepts(struct stk_span bytes)
{
    return stk_span_starts_with(bytes, "\xff\xd8\xff", 3);
}

static void end(struct stk_decoder *decoder)
{
    struct stk_jpeg_codec *jpeg = decoder->jpeg;
    stk_jpeg_forget(decoder);
    stk_jpeg_decoder_trim(jpeg->own, STK_DECODER_KEEP_BYTES);
    jpeg->is_mine = false;
    jpeg->own_runs = false;
}

/* true when stoker's own decoder takes the file; what its parser accepts,
 * libjpeg's accepts, too. */
static bool is_mine(struct stk_decoder *decoder)
{
    struct stk_jpeg_codec *jpeg = decoder->jpeg;
    return decoder->limits.decoder == STOKER_DECODER_AUTO &&
           stk_jpeg_parse(&jpeg->parsed, decoder->bytes) == 0 &&
           jpeg->parsed.width == jpeg->head.width &&
           jpeg->parsed.height == jpeg->head.height &&
           jpeg->parsed.n_components == jpeg->head.n_layers;
}

static bool is_regular(const struct stk_jpeg_head *head, struct stk_span data)
{
    return head->plain && (head->sof == 0xC0 || head->sof == 0xC1) &&
           head->scan_layers == head->n_layers &&
           stk_jpeg_ends_well(data, head->restart_interval > 0);
}

/* A file cut short, as most bad ones are, is known by its codes alone: a fifth
 * of what libjpeg needs to find out that it waits for more. */
static bool is_cut(struct stk_decoder *decoder)
{
    const struct stk_jpeg_head *head = &decoder->jpeg->head;
    return decoder->limits.damaged != STOKER_DAMAGED_LENIENT && head->plain &&
           head->scan_layers == head->n_layers && is_mine(decoder) &&
           stk_jpeg_decoder_is_cut(decoder->jpeg->own, &decoder->jpeg->parsed,
                                   decoder->bytes);
}

static int probe(struct stk_decoder *decoder, stoker_error *err)
{
    struct stk_jpeg_head *head = &decoder->jpeg->head;
    struct stk_image *image = &decoder->image;
    const struct stk_decode_limits *limits = &decoder->limits;
    const char *why;

    image->format = STK_FORMAT_JPEG;
    int rc = stk_jpeg_walk(decoder->bytes, head, &why);
    if (rc < 0)
        return stk_fail(err, rc, "%s: %s", decoder->name, why);
    image->width = head->width;
    image->height = head->height;
    image->progressive = head->progressive;
    image->orientation = stk_exif_orientation(head->exif);
    memcpy(image->mode,
           head->n_layers == 1   ? "L"
           : head->n_layers == 3 ? "RGB"
                                 : "CMYK",
           head->n_layers == 1   ? 2
           : head->n_layers == 3 ? 4
                                 : 5);
    rc = stk_decoder_check_size(decoder, head->width, head->height, err);
    if (rc < 0)
        return rc;

    struct stk_span data = {decoder->bytes.data + head->scan_at,
                            decoder->bytes.n - head->scan_at};
    image->regular = is_regular(head, data);
    if (image->regular && limits->damaged != STOKER_DAMAGED_STRICT) {
        decoder->jpeg->is_mine = is_mine(decoder);
        if (decoder->jpeg->is_mine)
            return 0;
        rc = stk_jpeg_begin_turbo(decoder, err);
        if (rc == 0 || limits->damaged != STOKER_DAMAGED_LENIENT)
            return rc;
    }
    if (!image->regular && is_cut(decoder))
        return stk_turbo_truncated(decoder->name, err);
    if (stk_jpeg_count_scans(data, limits->max_scans) > limits->max_scans)
        return stk_fail(err, -EFBIG, "%s: more than %d scans", decoder->name,
                        limits->max_scans);
    return stk_jpeg_decode_whole(decoder, err);
}

/* Sampling for which libjpeg's cropped rows equal its whole ones: full-size
 * luma, chroma of at most a half. */
static bool may_crop(const struct stk_jpeg_head *head)
{
    uint8_t first = head->sampling[0];
    if (head->n_layers == 1)
        return true;
    if (first != 0x11 && first != 0x21 && first != 0x22)
        return false;
    for (int i = 1; i < head->n_layers; i++)
        if (head->sampling[i] != 0x11)
            return false;
    return head->n_layers == 3 || first == 0x11;
}

/* Sets libjpeg up for the window's rows from the from-th on. */
static int begin_libjpeg(struct stk_decoder *decoder, int32_t from,
                         stoker_error *err)
{
    struct stk_jpeg_codec *jpeg = decoder->jpeg;
    const struct stk_window *window = &decoder->window;
    int rc = jpeg->begun ? 0 : stk_jpeg_begin_turbo(decoder, err);
    if (rc < 0)
        return rc;
    jpeg->begun = false;
    if (!may_crop(&jpeg->head))
        return 0;
    /* Fancy upsampling looks one chroma sample to each side. */
    int32_t extra = jpeg->head.sampling[0] == 0x11 ? 0 : 2;
    int32_t left = window->left - extra;
    int32_t right = window->left + window->width + extra;
    if (left < 0)
        left = 0;
    if (right > decoder->image.width)
        right = decoder->image.width;
    return stk_turbo_crop(jpeg->turbo, left, right - left, window->top + from,
                          &jpeg->lines, err);
}

static int begin(struct stk_decoder *decoder, stoker_error *err)
{
    struct stk_jpeg_codec *jpeg = decoder->jpeg;
    int rc = STK_JPEG_NOT_MINE;
    if (jpeg->is_mine)
        rc = stk_jpeg_decoder_begin(jpeg->own, &jpeg->parsed, decoder->bytes,
                                    &decoder->window);
    if (rc < 0)
        return stk_fail(err, rc, "%s: no memory for a strip", decoder->name);
    jpeg->own_runs = decoder->was_own = rc == 0;
    return rc == 0 ? 0 : begin_libjpeg(decoder, 0, err);
}

/* The next rows by stoker's own decoder.  Returns 1; or 0 when it gives the
 * file up: the rows that it has delivered are right, libjpeg goes on behind
 * them. */
static int own_rows(struct stk_decoder *decoder, struct stk_strip *strip,
                    stoker_error *err)
{
    struct stk_jpeg_codec *jpeg = decoder->jpeg;
    if (stk_jpeg_decoder_rows(jpeg->own, strip) == STK_JPEG_STRIP)
        return 1;
    jpeg->own_runs = decoder->was_own = false;
    return begin_libjpeg(decoder, decoder->next_row, err);
}

/* Rows above the window of files that cannot be cropped. */
static int drop_rows(struct stk_decoder *decoder, size_t stride,
                     stoker_error *err)
{
    struct stk_jpeg_codec *jpeg = decoder->jpeg;
    int32_t top = decoder->window.top + decoder->next_row;
    while (jpeg->lines.top < top) {
        int32_t n = top - jpeg->lines.top, n_read;
        int rc = stk_decoder_check_time(decoder, err);
        if (rc == 0)
            rc = stk_turbo_read(jpeg->turbo, decoder->lines.data, stride,
                                n < STK_STRIP_ROWS ? n : STK_STRIP_ROWS,
                                decoder->deadline_ns, &n_read, err);
        if (rc < 0)
            return rc;
        jpeg->lines.top += n_read;
    }
    return 0;
}

/* Grey rows serve as all three planes where they lie. */
static int grey_strip(const uint8_t *first, size_t stride, int32_t n,
                      struct stk_strip *strip)
{
    for (int c = 0; c < 3; c++)
        strip->plane[c] = first;
    strip->stride = stride;
    strip->n_rows = n;
    return 1;
}

static int libjpeg_rows(struct stk_decoder *decoder, struct stk_strip *strip,
                        stoker_error *err)
{
    struct stk_jpeg_codec *jpeg = decoder->jpeg;
    const struct stk_window *window = &decoder->window;
    int32_t n = window->height - decoder->next_row, n_read;
    size_t stride = stk_jpeg_reserve_lines(decoder);
    size_t n_channels = (size_t)jpeg->lines.n_channels;

    if (!stride)
        return stk_fail(err, -ENOMEM, "%s: no memory for a strip",
                        decoder->name);
    int rc = drop_rows(decoder, stride, err);
    if (rc < 0)
        return rc;
    uint8_t *lines = decoder->lines.data + STK_STRIP_SLACK;
    rc = stk_turbo_read(jpeg->turbo, lines, stride,
                        n < STK_STRIP_ROWS ? n : STK_STRIP_ROWS,
                        decoder->deadline_ns, &n_read, err);
    jpeg->lines.top += n_read;
    if (rc < 0)
        return rc;
    uint8_t *first =
        lines + (size_t)(window->left - jpeg->lines.left) * n_channels;
    if (n_channels == 1)
        return grey_strip(first, stride, n_read, strip);
    if (n_channels == 4)
        for (int32_t i = 0; i < n_read; i++)
            stk_cmyk_to_rgb(first + (size_t)i * stride, (size_t)window->width,
                            first + (size_t)i * stride);
    return stk_decoder_split(decoder, first, stride, n_read, strip, err);
}

static int rows(struct stk_decoder *decoder, struct stk_strip *strip,
                stoker_error *err)
{
    if (decoder->jpeg->own_runs) {
        int rc = own_rows(decoder, strip, err);
        if (rc != 0)
            return rc;
    }
    return libjpeg_rows(decoder, strip, err);
}

/* The version without what stands for our own decoder. */
static const char *library(void)
{
    return strchr(stk_turbo_version(), ' ') + 1;
}

const struct stk_codec stk_codec_jpeg = {accepts, probe, begin,
                                         rows,    end,   library};

const char *stk_decoder_version(void)
{
    return stk_turbo_version();
}
