/* The PNG codec: decodes whole in the probe, because only the last byte says
 * whether Pillow accepts the file. */
#include <errno.h>

#include "decode/codec.h"
#include "decode/exif.h"
#include "decode/png_inflate.h"
#include "decode/png_rows.h"

/* Adam7: the passes of interlaced images. */
static const struct {
    uint8_t left, top, right_step, down_step;
} passes[8] = {
    {0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4},
    {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}, {0, 0, 1, 1},
};
enum { PASS_WHOLE = 7 }; /* not interlaced: as one pass over all pixels */

/* The image data while they are read: a filter byte and a row at a time. */
struct rows {
    struct stk_decoder *decoder;
    struct stk_png *png;
    int64_t width, height; /* that the data fill */
    int pass;
    int64_t y; /* the row that comes next, in the data's rectangle */
    uint8_t *row, *above, *rgb;
    size_t n_filled; /* bytes of the next row, its filter byte included */
    bool done;
    bool is_broken; /* the pixels' own data, which lenient forgives */
};

static bool accepts(struct stk_span bytes)
{
    return stk_span_starts_with(bytes, "\x89PNG\r\n\x1a\n", 8);
}

static size_t pass_width(const struct rows *rows)
{
    int64_t step = passes[rows->pass].right_step;
    int64_t n = (rows->width - passes[rows->pass].left + step - 1) / step;
    return n > 0 ? (size_t)n : 0;
}

static size_t row_bytes(const struct rows *rows)
{
    return (pass_width(rows) * rows->png->kind->pixel_bits + 7) / 8;
}

/* Writes a finished row where it belongs. */
static void put_row(struct rows *rows)
{
    struct stk_whole *whole = &rows->decoder->whole;
    size_t n = pass_width(rows), step = passes[rows->pass].right_step;
    /* Pillow puts interlaced frames at the corner. */
    bool is_whole = rows->pass == PASS_WHOLE;
    int64_t top = is_whole ? rows->png->top : 0;
    int64_t left = is_whole ? rows->png->left : passes[rows->pass].left;
    uint8_t *to = stk_whole_row(whole, (int32_t)(top + rows->y)) + left * 3;

    if (is_whole) {
        stk_png_to_rgb(rows->png, rows->row + 1, n, to);
        return;
    }
    stk_png_to_rgb(rows->png, rows->row + 1, n, rows->rgb);
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * step * 3, rows->rgb + i * 3, 3);
}

/* Moves on to the next row of this or the next pass that has any. */
static void next_row(struct rows *rows)
{
    uint8_t *row = rows->row;
    rows->row = rows->above;
    rows->above = row;
    rows->n_filled = 0;
    rows->y += passes[rows->pass].down_step;
    while (rows->y >= rows->height || row_bytes(rows) == 0) {
        if (rows->pass >= 6) {
            rows->done = true;
            return;
        }
        rows->pass++;
        rows->y = passes[rows->pass].top;
        memset(rows->above, 0, (size_t)rows->width * 8 + 1);
    }
}

/* Takes what a piece of compressed data holds. */
static int take_piece(struct rows *rows, struct stk_span piece,
                      stoker_error *err)
{
    struct stk_decoder *decoder = rows->decoder;
    struct stk_png *png = rows->png;

    while (piece.n && !rows->done) {
        size_t n = row_bytes(rows) + 1;
        int rc = stk_inflate_fill(png->inflate, &piece, rows->row, n,
                                  &rows->n_filled);
        if (rc == STK_INFLATE_BAD)
            return stk_fail(err, -EBADMSG, "%s: broken compressed data",
                            decoder->name);
        if (rows->n_filled < n)
            return 0;
        size_t step = (png->kind->pixel_bits + 7u) / 8;
        if (!stk_png_unfilter(rows->row[0], rows->row + 1, rows->above + 1,
                              n - 1, step))
            return stk_fail(err, -EBADMSG, "%s: an unknown row filter",
                            decoder->name);
        put_row(rows);
        next_row(rows);
        /* A stream that ends with a row ends the image, to Pillow. */
        if (rc == STK_INFLATE_END)
            rows->done = true;
    }
    return 0;
}

static int read_rows(struct rows *rows, stoker_error *err)
{
    struct stk_decoder *decoder = rows->decoder;
    while (!rows->done) {
        struct stk_span piece;
        int rc = stk_png_piece(rows->png, &piece);
        if (rc < 0)
            return stk_fail(err, rc, "%s: %s", decoder->name, rows->png->why);
        if (rc == 0)
            rc = stk_fail(err, -ENODATA,
                          "%s: truncated: its image data end early",
                          decoder->name);
        else
            rc = take_piece(rows, piece, err);
        rows->is_broken = rc < 0;
        if (rc == 0)
            rc = stk_decoder_check_time(decoder, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* What pixels are that no data fill: Pillow's fresh image is all 0, which for
 * a palette is its first colour. */
static void clear(struct stk_decoder *decoder, const struct stk_png *png)
{
    struct stk_whole *whole = &decoder->whole;
    size_t n = (size_t)whole->width * (size_t)whole->height;
    if (png->kind->colour != 3) {
        memset(whole->rgb.data, 0, 3 * n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        memcpy(whole->rgb.data + 3 * i, png->palette[0], 3);
}

static int decode(struct stk_decoder *decoder, struct stk_png *png,
                  stoker_error *err)
{
    struct rows rows = {
        .decoder = decoder,
        .png = png,
        .width = png->right - png->left,
        .height = png->bottom - png->top,
        .pass = png->interlaced ? 0 : PASS_WHOLE,
    };
    if (rows.width <= 0 || rows.height <= 0)
        return stk_fail(err, -EBADMSG, "%s: a frame without pixels",
                        decoder->name);
    /* A later IHDR may have made the image smaller than the frame's box. */
    if (png->right > png->width || png->bottom > png->height)
        return stk_fail(err, -EBADMSG, "%s: an APNG frame outside of its image",
                        decoder->name);
    /* A pixel has at most 8 bytes; behind the row lies its RGB. */
    size_t bytes = (size_t)rows.width * 8 + 1;
    int rc = stk_whole_reserve(decoder, (int32_t)png->width,
                               (int32_t)png->height, err);
    if (rc < 0)
        return rc;
    if (stk_scratch_reserve(&decoder->lines, 3 * bytes) < 0 ||
        stk_inflate_begin(png->inflate) < 0)
        return stk_fail(err, -ENOMEM, "%s: no memory for a row", decoder->name);
    rows.row = decoder->lines.data;
    rows.above = rows.row + bytes;
    rows.rgb = rows.above + bytes;
    memset(rows.above, 0, bytes);
    clear(decoder, png);
    /* Chunks behind the pixels bring no palette, but a transparency. */
    bool lacks_palette = png->kind->colour == 3 && !png->has_palette;
    rc = read_rows(&rows, err);
    if (rc < 0 && png->lenient && rows.is_broken) {
        decoder->image.n_warnings++;
        stk_error_clear(err);
        rc = 0;
    }
    if (rc < 0)
        return rc;
    rc = stk_png_finish(png);
    if (rc < 0)
        return stk_fail(err, rc, "%s: %s", decoder->name, png->why);
    /* Pillow stops at an index that it cannot look up. */
    if (lacks_palette && png->has_key)
        return stk_fail(err, -EBADMSG, "%s: transparency without a palette",
                        decoder->name);
    return 0;
}

static int probe_open(struct stk_decoder *decoder, struct stk_png *png,
                      stoker_error *err)
{
    struct stk_image *image = &decoder->image;
    int rc = stk_png_open(png);
    if (rc < 0)
        return stk_fail(err, rc, "%s: %s", decoder->name, png->why);
    if (!png->kind)
        return stk_fail(err, -EBADMSG,
                        "%s: a PNG without a known kind of "
                        "pixels",
                        decoder->name);
    rc = stk_decoder_check_size(decoder, png->width, png->height, err);
    if (rc < 0)
        return rc;
    image->width = (int32_t)png->width;
    image->height = (int32_t)png->height;
    memcpy(image->mode, png->kind->mode, strlen(png->kind->mode) + 1);
    if (png->kind->colour == 3 && png->n_palette_bytes / 3 > 256)
        return stk_fail(err, -EBADMSG, "%s: a palette of over 256 colours",
                        decoder->name);
    return decode(decoder, png, err);
}

static int probe(struct stk_decoder *decoder, stoker_error *err)
{
    struct stk_png png = {
        .bytes = decoder->bytes,
        .deadline_ns = decoder->deadline_ns,
        .lenient = decoder->limits.damaged == STOKER_DAMAGED_LENIENT,
    };
    decoder->image.format = STK_FORMAT_PNG;
    if (stk_inflate_open(&png.inflate) < 0)
        return stk_fail(err, -ENOMEM, "%s: no memory to expand it",
                        decoder->name);
    int rc = probe_open(decoder, &png, err);
    stk_inflate_close(&png.inflate);
    decoder->image.orientation = stk_exif_orientation(png.exif);
    decoder->whole.filled = rc == 0;
    return rc;
}

static void end(struct stk_decoder *decoder)
{
    (void)decoder;
}

const struct stk_codec stk_codec_png = {
    .accepts = accepts,
    .probe = probe,
    .end = end,
    .library = stk_inflate_version,
};
