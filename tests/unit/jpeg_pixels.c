/* libjpeg's pixels, and whether ours are the same. */
#include "jpeg_pixels.h"

#include <stdio.h>
#include <stdlib.h>

#include "jpeg_trap.h"

bool jpeg_pixels_of(struct jpeg_pixels *pixels, const unsigned char *data,
                    size_t n)
{
    struct jpeg_decompress_struct d;
    struct trap trap;

    pixels->rgb = NULL;
    d.err = trap_set(&trap);
    jpeg_create_decompress(&d);
    if (setjmp(trap.out)) {
        jpeg_destroy_decompress(&d);
        free(pixels->rgb);
        pixels->rgb = NULL;
        return false;
    }
    jpeg_mem_src(&d, data, n);
    jpeg_read_header(&d, TRUE);
    d.out_color_space = JCS_RGB;
    jpeg_start_decompress(&d);
    pixels->width = (int)d.output_width;
    pixels->height = (int)d.output_height;
    size_t stride = (size_t)d.output_width * 3;
    pixels->rgb = malloc(stride * d.output_height);
    while (d.output_scanline < d.output_height) {
        JSAMPROW row = pixels->rgb + stride * d.output_scanline;
        jpeg_read_scanlines(&d, &row, 1);
    }
    jpeg_destroy_decompress(&d);
    return true;
}

/* Reads all that may be read, so that checkers notice what may not. */
static unsigned touch_slack(const struct stk_strip *strip, int width)
{
    unsigned sum = 0;
    for (int c = 0; c < 3; c++)
        for (int r = 0; r < strip->n_rows; r++) {
            const volatile uint8_t *row =
                strip->plane[c] + (size_t)r * strip->stride;
            for (int i = 1; i <= STK_STRIP_SLACK; i++)
                sum += (unsigned)row[-i] + row[width + i - 1];
        }
    return sum;
}

static bool row_differs(const struct stk_strip *strip, int r, int y,
                        const struct stk_window *w,
                        const struct jpeg_pixels *truth)
{
    const unsigned char *want =
        truth->rgb + ((size_t)y * (size_t)truth->width + (size_t)w->left) * 3;
    size_t at = (size_t)r * strip->stride;
    for (int x = 0; x < w->width; x++)
        for (int c = 0; c < 3; c++)
            if (strip->plane[c][at + (size_t)x] != want[3 * x + c]) {
                printf("%dx%d, window %d,%d %dx%d: row %d, column %d, "
                       "plane %d is %d, not %d\n",
                       truth->width, truth->height, w->left, w->top, w->width,
                       w->height, y, w->left + x, c,
                       strip->plane[c][at + (size_t)x], want[3 * x + c]);
                return true;
            }
    return false;
}

int jpeg_window_check(struct stk_jpeg_decoder *decoder,
                      const struct stk_jpeg *jpeg, struct stk_span bytes,
                      const struct stk_window *window,
                      const struct jpeg_pixels *truth)
{
    struct stk_strip strip;
    int y = window->top, end = window->top + window->height;
    int rc = stk_jpeg_decoder_begin(decoder, jpeg, bytes, window);

    if (rc)
        return rc == STK_JPEG_NOT_MINE ? 1 : -1;
    while ((rc = stk_jpeg_decoder_rows(decoder, &strip)) == STK_JPEG_STRIP) {
        if (strip.n_rows < 1 || strip.n_rows > STK_STRIP_ROWS ||
            y + strip.n_rows > end) {
            printf("%d rows at row %d of %d\n", strip.n_rows, y, end);
            return -1;
        }
        touch_slack(&strip, window->width);
        for (int r = 0; r < strip.n_rows; r++)
            if (row_differs(&strip, r, y + r, window, truth))
                return -1;
        y += strip.n_rows;
    }
    if (rc == STK_JPEG_NOT_MINE)
        return 1;
    return y == end ? 0 : -1;
}

static unsigned below(unsigned *random, unsigned n)
{
    *random = *random * 1664525u + 1013904223u;
    return (*random >> 8) % n;
}

static void part(unsigned *random, int whole, int32_t *first, int32_t *n)
{
    *n = below(random, 3)
             ? 1 + (int)below(random, (unsigned)whole)
             : 1 + (int)below(random, whole < 20 ? (unsigned)whole : 20u);
    *first = (int)below(random, (unsigned)(whole - *n + 1));
    if (below(random, 4) == 0)
        *first = below(random, 2) ? 0 : whole - *n;
}

struct stk_window jpeg_random_window(const struct jpeg_pixels *truth,
                                     unsigned *random)
{
    struct stk_window w = {0, 0, truth->height, truth->width};
    if (below(random, 8) == 0)
        return w;
    part(random, truth->width, &w.left, &w.width);
    part(random, truth->height, &w.top, &w.height);
    return w;
}
