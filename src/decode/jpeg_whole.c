/* JPEGs that libjpeg decodes whole, in the probe: those that are not regular,
 * and all of them under the strict verdict. */
#include <errno.h>

#include "decode/cmyk.h"
#include "decode/codec.h"
#include "decode/jpeg.h"

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

int stk_jpeg_begin_turbo(struct stk_decoder *decoder, stoker_error *err)
{
    struct stk_jpeg_codec *jpeg = decoder->jpeg;
    struct stk_turbo_job job = job_for(decoder);
    int rc = stk_turbo_begin(jpeg->turbo, &job, &jpeg->lines, err);
    jpeg->begun = rc == 0;
    return rc;
}

void stk_jpeg_forget(struct stk_decoder *decoder)
{
    stk_turbo_end(decoder->jpeg->turbo);
    decoder->jpeg->begun = false;
}

size_t stk_jpeg_reserve_lines(struct stk_decoder *decoder)
{
    const struct stk_turbo_lines *lines = &decoder->jpeg->lines;
    size_t stride = stk_round_up(
        (size_t)lines->width * (size_t)lines->n_channels + 2 * STK_STRIP_SLACK,
        STK_CACHE_LINE);
    if (stk_scratch_reserve(&decoder->lines, stride * STK_STRIP_ROWS) < 0)
        return 0;
    return stride;
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
    size_t stride = stk_jpeg_reserve_lines(decoder);
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
    int32_t height = decoder->image.height, n_read = 0;
    int rc = stk_jpeg_begin_turbo(decoder, err);
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

int stk_jpeg_decode_whole(struct stk_decoder *decoder, stoker_error *err)
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
    stk_jpeg_forget(decoder);
    return rc;
}
