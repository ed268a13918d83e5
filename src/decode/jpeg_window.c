/* The window decoder's driver: for each row of MCUs, coefficients of those
 * that the window needs, their transform, upsampling and colour while all is
 * hot, and one skip over what lies beside.
 *
 * Rows.  Without vertical subsampling a row of MCUs gives 8 rows ("slots") of
 * pixels.  With it, libjpeg's upsampling looks at the nearest two rows of
 * chroma, so that the last of 16 rows waits for the next MCUs: slot 0 is the
 * row that waited, slots 1 ... 16 are the new ones, and slots 2j and 2j + 1
 * lie between chroma rows j and j + 1, of which row 0 is the last one of the
 * MCUs before.  R takes the place of luma; in 4:4:4 G and B that of chroma.
 *
 * Columns.  Planes begin at the first MCU that is needed.  There, and behind
 * the last one, chroma lacks neighbours unless the image ends, and pixels are
 * wrong: the window stays two columns away. */
#include "decode/jpeg_window.h"

#include <errno.h>

#include "base/mem.h"
#include "decode/jpeg_entropy.h"
#include "decode/jpeg_kernels.h"

enum {
    /* MCUs decoded at a time: coefficients stay in the nearer caches. */
    MCUS_AT_ONCE = 128,
    /* Tables for skipping cost as much as this number of blocks gains. */
    LEAST_SKIPS = 400,
    N_SLOTS = 18, /* 17 and one that fills the last pair */
    N_CHROMA = 9, /* rows, with the one before */
    FRONT = STK_STRIP_SLACK,
    BLOCKS_BYTES =
        (MCUS_AT_ONCE * STK_JPEG_MCU_BLOCKS * 64 + STK_ENTROPY_SLACK) * 2,
};

struct stk_jpeg_decoder {
    const struct stk_jpeg_kernels *kernels;
    struct stk_entropy *entropy;
    int16_t *blocks;
    struct stk_scratch scratch; /* the planes and spreads */
    struct stk_jpeg_quant quant[STK_JPEG_COMPONENTS];

    const struct stk_jpeg *jpeg;
    struct stk_window window;
    int32_t h, v;              /* of the first component */
    int32_t first_mcu, n_mcus; /* across */
    int32_t mcu_row, last_mcu_row, first_mcu_row;
    size_t left;      /* the window's first column in the planes */
    size_t n_columns; /* of the planes, to the window's last */
    size_t n_chroma;  /* samples across, to the image's last at most */
    size_t stride;    /* of planes and chroma */
    uint8_t *plane[3];
    uint8_t *chroma[2];  /* in 4:4:4 these are planes */
    uint16_t *spread[2]; /* 4:2:0: N_CHROMA rows of even, then odd */
    size_t spread_stride;
    int32_t slot, end_slot;       /* not yet handed out */
    struct stk_jpeg_times *times; /* NULL: nobody asks */
};

void stk_jpeg_decoder_time(struct stk_jpeg_decoder *decoder,
                           struct stk_jpeg_times *times)
{
    decoder->times = times;
}

int stk_jpeg_decoder_open(struct stk_jpeg_decoder **out, int cpu)
{
    struct stk_jpeg_decoder *d = stk_calloc_aligned(1, sizeof *d);
    *out = NULL;
    if (!d)
        return -ENOMEM;
    d->kernels = stk_jpeg_kernels_for(cpu);
    d->blocks = stk_calloc_aligned(BLOCKS_BYTES, 1);
    if (!d->blocks || stk_entropy_open(&d->entropy, cpu) < 0) {
        stk_jpeg_decoder_close(&d);
        return -ENOMEM;
    }
    d->mcu_row = 0;
    d->last_mcu_row = -1;
    *out = d;
    return 0;
}

void stk_jpeg_decoder_close(struct stk_jpeg_decoder **decoder)
{
    struct stk_jpeg_decoder *d = *decoder;
    if (!d)
        return;
    if (d->entropy)
        stk_entropy_close(&d->entropy);
    stk_free(d->blocks);
    stk_scratch_fini(&d->scratch);
    stk_free(d);
    *decoder = NULL;
}

size_t stk_jpeg_decoder_bytes(const struct stk_jpeg_decoder *d)
{
    return sizeof *d + BLOCKS_BYTES + stk_entropy_scratch_bytes() +
           d->scratch.bytes;
}

void stk_jpeg_decoder_trim(struct stk_jpeg_decoder *d, size_t keep_bytes)
{
    stk_scratch_trim(&d->scratch, keep_bytes);
}

static bool is_mine(const struct stk_jpeg *jpeg)
{
    if (jpeg->n_components == 1)
        return true;
    /* libjpeg repeats the samples of chroma this narrow. */
    if (jpeg->h_max == 2 && jpeg->width <= 4)
        return false;
    return jpeg->colour == STK_JPEG_YCC ||
           (jpeg->h_max == 1 && jpeg->v_max == 1);
}

/* Which MCUs the window needs, with the pixels that upsampling looks at. */
static void choose_mcus(struct stk_jpeg_decoder *d)
{
    const struct stk_window *w = &d->window;
    int32_t side = d->h == 2 ? 2 : 0, above = d->v == 2 ? 1 : 0;
    int32_t across = 8 * d->h, down = 8 * d->v;
    int32_t left = w->left > side ? w->left - side : 0;
    int32_t top = w->top > above ? w->top - above : 0;
    int32_t right = w->left + w->width + side;
    int32_t bottom = w->top + w->height + above;

    if (right > d->jpeg->width)
        right = d->jpeg->width;
    if (bottom > d->jpeg->height)
        bottom = d->jpeg->height;
    d->first_mcu = left / across;
    d->n_mcus = (right + across - 1) / across - d->first_mcu;
    d->first_mcu_row = d->mcu_row = top / down;
    d->last_mcu_row = (bottom - 1) / down;
    d->left = (size_t)(w->left - d->first_mcu * across);
    d->n_columns = d->left + (size_t)w->width;
    int32_t n = (d->jpeg->width + d->h - 1) / d->h - d->first_mcu * 8;
    d->n_chroma = (size_t)(n < d->n_mcus * 8 ? n : d->n_mcus * 8);
    d->slot = d->end_slot = 0;
}

/* Lays the planes into scratch: at most some 80 rows of STK_JPEG_MAX_SIDE. */
static int lay_planes(struct stk_jpeg_decoder *d)
{
    size_t width = (size_t)d->n_mcus * 8 * (size_t)d->h;
    /* A line more for neighbours; odd, so that rows do not share sets. */
    size_t lines = (width + 63) / 64 + 1;
    size_t n_rows = d->v == 2 ? N_SLOTS : 8;
    size_t n_planes = d->jpeg->n_components == 1 ? 1 : 3;
    bool has_chroma = n_planes == 3 && (d->h == 2 || d->v == 2);
    bool has_spread = n_planes == 3 && d->h == 2 && d->v == 2;

    d->stride = (lines | 1) * 64;
    d->spread_stride = stk_round_up(d->n_chroma, 64);
    size_t plane = n_rows * d->stride, chroma = N_CHROMA * d->stride;
    size_t spread = 2 * N_CHROMA * d->spread_stride;
    size_t total = 2 * FRONT + n_planes * plane + 2 * has_chroma * chroma +
                   2 * has_spread * spread * sizeof(uint16_t);
    if (stk_scratch_reserve(&d->scratch, total) < 0)
        return -ENOMEM;
    uint8_t *at = d->scratch.data + FRONT;
    for (size_t c = 0; c < n_planes; c++, at += plane)
        d->plane[c] = at;
    for (int c = 0; c < 2; c++) {
        d->chroma[c] = has_chroma ? at : d->plane[c + 1];
        at += has_chroma ? chroma : 0;
    }
    at += FRONT;
    for (int c = 0; c < 2 && has_spread; c++, at += spread * 2)
        d->spread[c] = (uint16_t *)(void *)at;
    return 0;
}

int stk_jpeg_decoder_begin(struct stk_jpeg_decoder *d,
                           const struct stk_jpeg *jpeg, struct stk_span bytes,
                           const struct stk_window *window)
{
    d->mcu_row = 0;
    d->last_mcu_row = -1; /* nothing begun, until all is well */
    d->slot = d->end_slot = 0;
    if (!is_mine(jpeg))
        return STK_JPEG_NOT_MINE;
    d->jpeg = jpeg;
    d->window = *window;
    d->h = jpeg->h_max;
    d->v = jpeg->v_max;
    choose_mcus(d);
    for (int c = 0; c < jpeg->n_components; c++)
        stk_jpeg_quant_init(&d->quant[c], jpeg->component[c].quant);
    int rc = lay_planes(d);
    int64_t n_read = (int64_t)jpeg->mcus_x * (d->last_mcu_row + 1);
    int64_t n_used =
        (int64_t)d->n_mcus * (d->last_mcu_row + 1 - d->first_mcu_row);
    if (rc == 0 &&
        stk_entropy_begin(d->entropy, jpeg, bytes,
                          (n_read - n_used) * jpeg->n_blocks >= LEAST_SKIPS))
        rc = STK_JPEG_NOT_MINE;
    if (rc)
        d->last_mcu_row = -1;
    return rc;
}

/* Whether rows 8v ... 8v + 7 of this row of MCUs are in the window. */
static bool needs_luma(const struct stk_jpeg_decoder *d, int32_t v)
{
    int32_t row = (d->mcu_row * d->v + v) * 8;
    return row < d->window.top + d->window.height && row + 8 > d->window.top;
}

/* MCUs first ... first + n - 1 of the planes, from d->blocks. */
static void transform(struct stk_jpeg_decoder *d, int32_t first, int32_t n)
{
    int32_t h = d->h, v = d->v;
    size_t waiting = v == 2 ? d->stride : 0;
    struct stk_jpeg_blocks blocks = {
        .mcu_coefficients = (size_t)d->jpeg->n_blocks * 64,
        .quant = &d->quant[0],
        .wide = h,
        .n = n * h,
    };

    for (int32_t k = 0; k < v; k++) {
        uint8_t *out = d->plane[0] + waiting + (size_t)k * 8 * d->stride +
                       (size_t)(first * h) * 8;
        blocks.first = d->blocks + k * h * 64;
        if (needs_luma(d, k))
            d->kernels->idct(&blocks, out, d->stride);
    }
    blocks.wide = 1;
    blocks.n = n;
    for (int32_t c = 1; c < d->jpeg->n_components; c++) {
        blocks.quant = &d->quant[c];
        blocks.first = d->blocks + (h * v + c - 1) * 64;
        d->kernels->idct(
            &blocks, d->chroma[c - 1] + waiting + (size_t)first * 8, d->stride);
    }
}

/* Keeps what the next MCUs' first pixels need. */
static void keep_last(struct stk_jpeg_decoder *d)
{
    if (d->v == 1 || d->mcu_row == d->first_mcu_row)
        return;
    memcpy(d->plane[0], d->plane[0] + 16 * d->stride, d->n_columns);
    if (d->jpeg->n_components == 1)
        return;
    for (int c = 0; c < 2; c++) {
        if (d->h == 1) {
            memcpy(d->chroma[c], d->chroma[c] + 8 * d->stride, d->n_columns);
            continue;
        }
        uint16_t *even = d->spread[c],
                 *odd = even + N_CHROMA * d->spread_stride;
        memcpy(even, even + 8 * d->spread_stride, d->n_chroma * 2);
        memcpy(odd, odd + 8 * d->spread_stride, d->n_chroma * 2);
    }
}

/* The horizontal half of upsampling, as far as it is done row by row. */
static void widen(struct stk_jpeg_decoder *d)
{
    for (int c = 0; c < 2; c++)
        for (size_t r = 0; r < 8; r++) {
            size_t row = r + (d->v == 2);
            uint8_t *chroma = d->chroma[c] + row * d->stride;
            chroma[-1] = chroma[0];
            chroma[d->n_chroma] = chroma[d->n_chroma - 1];
            if (d->v == 1)
                continue;
            uint16_t *even = d->spread[c] + row * d->spread_stride;
            d->kernels->spread(chroma, d->n_chroma, even,
                               even + N_CHROMA * d->spread_stride);
        }
}

/* One row of MCUs up to the slots that can be finished now. */
static int decode_mcus(struct stk_jpeg_decoder *d)
{
    const struct stk_jpeg *jpeg = d->jpeg;
    int32_t row = d->mcu_row;
    int32_t gap = row == d->first_mcu_row ? row * jpeg->mcus_x + d->first_mcu
                                          : jpeg->mcus_x - d->n_mcus;

    stk_jpeg_lap(d->times, STK_LAP_START);
    if (gap && stk_entropy_skip(d->entropy, (uint32_t)gap))
        return STK_JPEG_NOT_MINE;
    stk_jpeg_lap(d->times, STK_LAP_SKIP);
    keep_last(d);
    for (int32_t i = 0; i < d->n_mcus; i += MCUS_AT_ONCE) {
        int32_t n = d->n_mcus - i < MCUS_AT_ONCE ? d->n_mcus - i : MCUS_AT_ONCE;
        if (stk_entropy_values(d->entropy, (uint32_t)n, d->blocks))
            return STK_JPEG_NOT_MINE;
        stk_jpeg_lap(d->times, STK_LAP_VALUES);
        transform(d, i, n);
        stk_jpeg_lap(d->times, STK_LAP_IDCT);
    }
    if (d->h == 2 && jpeg->n_components == 3)
        widen(d);
    stk_jpeg_lap(d->times, STK_LAP_COLOUR);
    /* Slot 0 is this row of the image. */
    int32_t top = row * 8 * d->v - (d->v == 2);
    int32_t end = d->v == 1 ? 8 : row == jpeg->mcus_y - 1 ? 17 : 16;
    int32_t bottom = d->window.top + d->window.height - top;
    d->slot = d->window.top > top ? d->window.top - top : 0;
    d->end_slot = bottom < end ? bottom : end;
    d->mcu_row++;
    return 0;
}

/* Slots 2j and 2j + 1, between chroma rows j and j + 1; at the image's top
 * and bottom the two are one. */
static void finish_pair(struct stk_jpeg_decoder *d, int32_t j)
{
    struct stk_jpeg_pair pair;
    int32_t base = (d->mcu_row - 1) * 8 - 1; /* chroma row 0 in the image */
    int32_t last = (d->jpeg->height + 1) / 2 - 1 - base;

    memset(&pair, 0, sizeof pair);
    for (int r = 0; r < 2; r++) {
        int32_t at = j + r > last ? last : base + j + r < 0 ? 1 : j + r;
        for (int c = 0; c < 3; c++)
            pair.rgb[r][c] = d->plane[c] + (size_t)(2 * j + r) * d->stride;
        pair.luma[r] = pair.rgb[r][0];
        for (int c = 0; c < 2; c++) {
            if (d->h == 1) {
                pair.chroma[r][c] = d->chroma[c] + (size_t)at * d->stride;
                continue;
            }
            const uint16_t *even = d->spread[c] + (size_t)at * d->spread_stride;
            pair.spread[r][c].even = even;
            pair.spread[r][c].odd = even + N_CHROMA * d->spread_stride;
        }
    }
    if (d->h == 2)
        d->kernels->colour_h2v2(&pair, d->n_columns);
    else
        d->kernels->colour_h1v2(&pair, d->n_columns);
}

static void finish(struct stk_jpeg_decoder *d, int32_t slot, int32_t n)
{
    uint8_t *rgb[3];

    if (d->jpeg->n_components == 1 || d->jpeg->colour == STK_JPEG_RGB)
        return;
    if (d->v == 2) {
        for (int32_t j = slot / 2; j <= (slot + n - 1) / 2; j++)
            finish_pair(d, j);
        return;
    }
    for (int c = 0; c < 3; c++)
        rgb[c] = d->plane[c] + (size_t)slot * d->stride;
    if (d->h == 1) {
        d->kernels->colour(rgb, d->stride, n, d->n_columns);
        return;
    }
    for (int32_t r = slot; r < slot + n; r++) {
        const uint8_t *chroma[2] = {d->chroma[0] + (size_t)r * d->stride,
                                    d->chroma[1] + (size_t)r * d->stride};
        for (int c = 0; c < 3; c++)
            rgb[c] = d->plane[c] + (size_t)r * d->stride;
        d->kernels->colour_h2v1(rgb[0], chroma, rgb, d->n_columns);
    }
}

int stk_jpeg_decoder_rows(struct stk_jpeg_decoder *d, struct stk_strip *strip)
{
    while (d->slot >= d->end_slot) {
        if (d->mcu_row > d->last_mcu_row)
            return STK_JPEG_END;
        if (decode_mcus(d)) {
            d->last_mcu_row = -1;
            d->slot = d->end_slot = 0;
            return STK_JPEG_NOT_MINE;
        }
    }
    int32_t n = d->end_slot - d->slot;
    if (n > STK_STRIP_ROWS)
        n = STK_STRIP_ROWS; /* then slot is 0, and no pair is cut in two */
    stk_jpeg_lap(d->times, STK_LAP_START);
    finish(d, d->slot, n);
    stk_jpeg_lap(d->times, STK_LAP_COLOUR);
    size_t at = (size_t)d->slot * d->stride + d->left;
    for (int c = 0; c < 3; c++)
        strip->plane[c] = d->plane[d->jpeg->n_components == 1 ? 0 : c] + at;
    strip->stride = d->stride;
    strip->n_rows = n;
    d->slot += n;
    return STK_JPEG_STRIP;
}

bool stk_jpeg_decoder_is_cut(struct stk_jpeg_decoder *d,
                             const struct stk_jpeg *jpeg, struct stk_span bytes)
{
    return stk_entropy_is_cut(d->entropy, jpeg, bytes);
}
