/* Row arithmetic of PNG: filters as the format defines them, colours as
 * Pillow reads and converts them (alpha is dropped, 16 bits keep their high
 * byte, but 16-bit grey is clipped at 255). */
#include "decode/png_rows.h"

static int distance(int a, int b)
{
    return a > b ? a - b : b - a;
}

static uint8_t paeth(int left, int up, int corner)
{
    int from_left = distance(up, corner);
    int from_up = distance(left, corner);
    int from_corner = distance(left + up, 2 * corner);
    if (from_left <= from_up && from_left <= from_corner)
        return (uint8_t)left;
    return (uint8_t)(from_up <= from_corner ? up : corner);
}

bool stk_png_unfilter(uint8_t filter, uint8_t *row, const uint8_t *above,
                      size_t n, size_t step)
{
    size_t i, first = step < n ? step : n;
    switch (filter) {
    case 0:
        return true;
    case 1:
        for (i = step; i < n; i++)
            row[i] = (uint8_t)(row[i] + row[i - step]);
        return true;
    case 2:
        for (i = 0; i < n; i++)
            row[i] = (uint8_t)(row[i] + above[i]);
        return true;
    case 3:
        for (i = 0; i < first; i++)
            row[i] = (uint8_t)(row[i] + above[i] / 2);
        for (; i < n; i++)
            row[i] = (uint8_t)(row[i] + (row[i - step] + above[i]) / 2);
        return true;
    case 4:
        for (i = 0; i < first; i++)
            row[i] = (uint8_t)(row[i] + above[i]);
        for (; i < n; i++)
            row[i] = (uint8_t)(row[i] +
                               paeth(row[i - step], above[i], above[i - step]));
        return true;
    default:
        return false;
    }
}

/* One grey sample or index of 1, 2 or 4 bits; the first is the highest. */
static uint8_t sample_at(const uint8_t *row, size_t i, unsigned depth)
{
    size_t bit = i * depth;
    unsigned shift = 8 - depth - (unsigned)(bit % 8);
    return (uint8_t)((unsigned)row[bit / 8] >> shift & ((1u << depth) - 1));
}

static void set_grey(uint8_t *rgb, uint8_t value)
{
    rgb[0] = rgb[1] = rgb[2] = value;
}

static void grey_to_rgb(const uint8_t *row, size_t n, unsigned depth,
                        uint8_t *rgb)
{
    unsigned scale = 255u / ((1u << (depth < 8 ? depth : 8)) - 1);
    for (size_t i = 0; i < n; i++, rgb += 3) {
        if (depth == 16)
            set_grey(rgb, row[2 * i] ? 255 : row[2 * i + 1]);
        else if (depth == 8)
            set_grey(rgb, row[i]);
        else
            set_grey(rgb, (uint8_t)(sample_at(row, i, depth) * scale));
    }
}

static void indexed_to_rgb(const struct stk_png *png, const uint8_t *row,
                           size_t n, uint8_t *rgb)
{
    unsigned depth = png->kind->depth;
    for (size_t i = 0; i < n; i++) {
        uint8_t index = depth == 8 ? row[i] : sample_at(row, i, depth);
        memcpy(rgb + 3 * i, png->palette[index], 3);
    }
}

void stk_png_to_rgb(const struct stk_png *png, const uint8_t *row, size_t n,
                    uint8_t *rgb)
{
    size_t bytes = png->kind->depth / 8; /* of a sample */
    size_t step = png->kind->pixel_bits / 8;
    switch (png->kind->colour) {
    case 0:
        grey_to_rgb(row, n, png->kind->depth, rgb);
        return;
    case 3:
        indexed_to_rgb(png, row, n, rgb);
        return;
    case 4:
        for (size_t i = 0; i < n; i++)
            set_grey(rgb + 3 * i, row[step * i]);
        return;
    default:
        for (size_t i = 0; i < n; i++)
            for (size_t c = 0; c < 3; c++)
                rgb[3 * i + c] = row[step * i + bytes * c];
    }
}
