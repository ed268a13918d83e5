/* The JPEG codec: Pillow's verdict from the header walk and the marker scan;
 * a regular file's window alone, every other file whole. */
#include "decode/jpeg.h"

#include <errno.h>
#include <string.h>

#include "decode/cmyk.h"
#include "decode/codec.h"
#include "decode/exif.h"
#include "decode/jpeg_marks.h"
#include "decode/jpeg_turbo.h"
#include "decode/jpeg_walk.h"

struct stk_jpeg_codec {
    struct stk_turbo *turbo;
    struct stk_jpeg_head head;
    struct stk_turbo_lines lines; /* what turbo's next rows are */
    bool begun; /* turbo has read the probed file's header, but no row */
};

int stk_jpeg_codec_open(struct stk_jpeg_codec **out,
                        const struct stk_decode_limits *limits,
                        stoker_error *err)
{
    (void)limits;
    struct stk_jpeg_codec *jpeg = stk_calloc(1, sizeof *jpeg);
    if (!jpeg)
        return stk_fail(err, -ENOMEM, "no memory for a decoder");
    int rc = stk_turbo_open(&jpeg->turbo, err);
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
    stk_free(*jpeg);
    *jpeg = NULL;
}

size_t stk_jpeg_codec_bytes(const struct stk_jpeg_codec *jpeg)
{
    return jpeg ? sizeof *jpeg : 0;
}

static bool accepts(struct stk_span bytes)
{
    return stk_span_starts_with(bytes, "\xff\xd8\xff", 3);
}

static void end(struct stk_decoder *decoder)
{
    stk_turbo_end(decoder->jpeg->turbo);
    decoder->jpeg->begun = false;
}

static struct stk_turbo_job job_for(const struct stk_decoder *decoder)
{
    const struct stk_decode_limits *limits = &decoder->limits;
    return (struct stk_turbo_job){
        .bytes = decoder->bytes,
        .name = decoder->name,
        .max_memory_bytes = limits->max_decoder_bytes,
        .deadline_ns = decoder->deadline_ns,
        .max_scans = limits->max_scans,
        .width = decoder->image.width,
        .height = decoder->image.height,
        .n_layers = decoder->jpeg->head.n_layers,
        .lenient = limits->damaged == STOKER_DAMAGED_LENIENT,
    };
}

static int begin_turbo(struct stk_decoder *decoder, stoker_error *err)
{
    struct stk_jpeg_codec *jpeg = decoder->jpeg;
    struct stk_turbo_job job = job_for(decoder);
    int rc = stk_turbo_begin(jpeg->turbo, &job, &jpeg->lines, err);
    jpeg->begun = rc == 0;
    return rc;
}

/* One line of libjpeg's as RGB. */
static void to_rgb(const uint8_t *line, int32_t n_channels, size_t n,
                   uint8_t *rgb)
{
    if (n_channels == 3)
        memcpy(rgb, line, 3 * n);
    else if (n_channels == 4)
        stk_cmyk_to_rgb(line, n, rgb);
    else
        for (size_t i = 0; i < n; i++)
            rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = line[i];
}

/* Makes room for a strip of libjpeg's rows with slack on both sides.
 * Returns the stride, 0 when there is no memory. */
static size_t reserve_lines(struct stk_decoder *decoder)
{
    const struct stk_turbo_lines *lines = &decoder->jpeg->lines;
    size_t stride = stk_round_up(
        (size_t)lines->width * (size_t)lines->n_channels + 2 * STK_STRIP_SLACK,
        STK_CACHE_LINE);
    if (stk_scratch_reserve(&decoder->lines, stride * STK_STRIP_ROWS) < 0)
        return 0;
    return stride;
}

/* Reads rows row ... row + n - 1 of the image into decoder->whole. */
static int read_whole_rows(struct stk_decoder *decoder, int32_t row, int32_t n,
                           int32_t *n_read, stoker_error *err)
{
    struct stk_jpeg_codec *jpeg = decoder->jpeg;
    size_t width = (size_t)decoder->image.width;
    int32_t n_channels = jpeg->lines.n_channels;

    if (n_channels == 3)
        return stk_turbo_read(jpeg->turbo, stk_whole_row(&decoder->whole, row),
                              3 * width, n, decoder->deadline_ns, n_read, err);
    size_t stride = reserve_lines(decoder);
    if (!stride)
        return stk_fail(err, -ENOMEM, "%s: no memory for a strip",
                        decoder->name);
    int rc = stk_turbo_read(jpeg->turbo, decoder->lines.data, stride, n,
                            decoder->deadline_ns, n_read, err);
    for (int32_t i = 0; i < *n_read; i++)
        to_rgb(decoder->lines.data + (size_t)i * stride, n_channels, width,
               stk_whole_row(&decoder->whole, row + i));
    return rc;
}

static int read_whole(struct stk_decoder *decoder, int32_t *n_done,
                      stoker_error *err)
{
    int32_t height = decoder->image.height, n_read;
    int rc = begin_turbo(decoder, err);
    if (rc == 0)
        rc = stk_whole_reserve(decoder, decoder->image.width, height, err);
    while (rc == 0 && *n_done < height) {
        int32_t n = height - *n_done;
        rc = stk_decoder_check_time(decoder, err);
        if (rc < 0)
            break;
        rc = read_whole_rows(decoder, *n_done,
                             n < STK_STRIP_ROWS ? n : STK_STRIP_ROWS, &n_read,
                             err);
        *n_done += n_read;
    }
    return rc < 0 ? rc : stk_turbo_finish(decoder->jpeg->turbo, err);
}

/* LOAD_TRUNCATED_IMAGES: what libjpeg could not give stays black; limits
 * still bind. */
static int forgive(struct stk_decoder *decoder, int rc, int32_t n_done,
                   stoker_error *err)
{
    if (rc != -EBADMSG && rc != -ENODATA)
        return rc;
    rc = stk_whole_reserve(decoder, decoder->image.width, decoder->image.height,
                           err);
    if (rc < 0)
        return rc;
    struct stk_whole *whole = &decoder->whole;
    uint8_t fill = decoder->jpeg->head.n_layers == 4 ? 0xFF : 0;
    memset(stk_whole_row(whole, n_done), fill,
           (size_t)(whole->height - n_done) * (size_t)whole->width * 3);
    stk_error_clear(err);
    decoder->image.n_warnings++;
    return 0;
}

static int decode_whole(struct stk_decoder *decoder, stoker_error *err)
{
    const char *warning;
    int32_t n_done = 0;
    int rc = read_whole(decoder, &n_done, err);
    decoder->image.n_warnings =
        stk_turbo_warnings(decoder->jpeg->turbo, &warning);
    if (rc < 0 && decoder->limits.damaged == STOKER_DAMAGED_LENIENT)
        rc = forgive(decoder, rc, n_done, err);
    else if (rc == 0 && decoder->limits.damaged == STOKER_DAMAGED_STRICT &&
             decoder->image.n_warnings)
        rc = stk_fail(err, -EBADMSG, "%s: damaged: %s", decoder->name, warning);
    decoder->whole.filled = rc == 0;
    end(decoder);
    return rc;
}

static bool is_regular(const struct stk_jpeg_head *head, struct stk_span data)
{
    return head->plain && (head->sof == 0xC0 || head->sof == 0xC1) &&
           head->scan_layers == head->n_layers &&
           stk_jpeg_ends_well(data, head->restart_interval > 0);
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
        rc = begin_turbo(decoder, err);
        if (rc == 0 || limits->damaged != STOKER_DAMAGED_LENIENT)
            return rc;
    }
    if (stk_jpeg_count_scans(data, limits->max_scans) > limits->max_scans)
        return stk_fail(err, -EFBIG, "%s: more than %d scans", decoder->name,
                        limits->max_scans);
    return decode_whole(decoder, err);
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

static int begin(struct stk_decoder *decoder, stoker_error *err)
{
    struct stk_jpeg_codec *jpeg = decoder->jpeg;
    const struct stk_window *window = &decoder->window;
    int rc = jpeg->begun ? 0 : begin_turbo(decoder, err);
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
    return stk_turbo_crop(jpeg->turbo, left, right - left, window->top,
                          &jpeg->lines, err);
}

/* Rows above the window of files that cannot be cropped. */
static int drop_rows(struct stk_decoder *decoder, size_t stride,
                     stoker_error *err)
{
    struct stk_jpeg_codec *jpeg = decoder->jpeg;
    while (jpeg->lines.top < decoder->window.top) {
        int32_t n = decoder->window.top - jpeg->lines.top, n_read;
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

static int rows(struct stk_decoder *decoder, struct stk_strip *strip,
                stoker_error *err)
{
    struct stk_jpeg_codec *jpeg = decoder->jpeg;
    const struct stk_window *window = &decoder->window;
    int32_t n = window->height - decoder->next_row, n_read;
    size_t stride = reserve_lines(decoder);
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
