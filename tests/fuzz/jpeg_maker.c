/* libjpeg's encoder with every setting drawn, and segments put about. */
#include "jpeg_maker.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "draw.h"

enum { MAX_SIDE = 96, MAX_SEGMENTS = 48 };

static void set_sampling(struct jpeg_compress_struct *jpeg, uint32_t *seed)
{
    static const uint8_t usual[][2] = {{1, 1}, {2, 1}, {2, 2}, {1, 2}};
    bool is_odd = draw(seed, 8) == 0;

    for (int c = 0; c < jpeg->num_components; c++) {
        jpeg->comp_info[c].h_samp_factor = is_odd ? 1 + (int)draw(seed, 4) : 1;
        jpeg->comp_info[c].v_samp_factor = is_odd ? 1 + (int)draw(seed, 4) : 1;
    }
    if (!is_odd) {
        const uint8_t *luma = usual[draw(seed, 4)];
        jpeg->comp_info[0].h_samp_factor = luma[0];
        jpeg->comp_info[0].v_samp_factor = luma[1];
    }
}

static void set_kind(struct jpeg_compress_struct *jpeg, uint32_t *seed)
{
    static const uint8_t components[] = {3, 3, 3, 1, 1, 4};

    jpeg->image_width = 1 + draw(seed, MAX_SIDE);
    jpeg->image_height = 1 + draw(seed, MAX_SIDE);
    jpeg->input_components = components[draw(seed, 6)];
    jpeg->in_color_space = jpeg->input_components == 1   ? JCS_GRAYSCALE
                           : jpeg->input_components == 3 ? JCS_RGB
                                                         : JCS_CMYK;
    jpeg_set_defaults(jpeg);
    if (jpeg->input_components == 3 && draw(seed, 8) == 0)
        jpeg_set_colorspace(jpeg, JCS_RGB);
    set_sampling(jpeg, seed);
    jpeg_set_quality(jpeg, 1 + (int)draw(seed, 100), draw(seed, 4) != 0);
    jpeg->optimize_coding = draw(seed, 2) != 0;
    if (draw(seed, 4) == 0)
        jpeg->restart_interval = 1 + draw(seed, 9);
    if (draw(seed, 6) == 0)
        jpeg_simple_progression(jpeg);
    else if (draw(seed, 16) == 0)
        jpeg->arith_code = TRUE;
}

/* Flat, slanted or noise. */
static void write_rows(struct jpeg_compress_struct *jpeg, uint32_t *seed)
{
    uint8_t line[MAX_SIDE * 4];
    uint32_t slope = draw(seed, 12), noise = 1 << draw(seed, 9);
    JSAMPROW row = line;

    while (jpeg->next_scanline < jpeg->image_height) {
        for (size_t i = 0; i < sizeof line; i++)
            line[i] = (uint8_t)((i + jpeg->next_scanline) * slope +
                                draw(seed, noise));
        jpeg_write_scanlines(jpeg, &row, 1);
    }
}

/* Settings that do not go together: a plain photo of 8 x 8. */
static _Noreturn void give_up(j_common_ptr jpeg)
{
    longjmp(*(jmp_buf *)jpeg->client_data, 1);
}

size_t jpeg_draw(uint8_t *out, size_t room, uint32_t seed)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    jmp_buf end;

    jpeg.err = jpeg_std_error(&errors);
    errors.error_exit = give_up;
    jpeg.client_data = &end;
    if (setjmp(end) == 0) {
        jpeg_create_compress(&jpeg);
        jpeg_mem_dest(&jpeg, &bytes, &n);
        set_kind(&jpeg, &seed);
        jpeg_start_compress(&jpeg, TRUE);
        write_rows(&jpeg, &seed);
        jpeg_finish_compress(&jpeg);
    } else {
        n = 0;
    }
    jpeg_destroy_compress(&jpeg);
    if (n > room)
        n = 0;
    if (n)
        memcpy(out, bytes, n);
    free(bytes);
    return n;
}

/* Where segments begin, from SOI on; at[count] is where the data begins. */
static int find(const uint8_t *jpeg, size_t n, size_t at[MAX_SEGMENTS + 1])
{
    int count = 0;

    at[0] = 2;
    while (count < MAX_SEGMENTS && n - at[count] >= 4 &&
           jpeg[at[count]] == 0xFF) {
        const uint8_t *head = jpeg + at[count];
        size_t bytes = 2 + ((size_t)head[2] << 8 | head[3]);
        if (bytes > n - at[count])
            break;
        at[count + 1] = at[count] + bytes;
        count++;
        if (head[1] == 0xDA)
            break;
    }
    return count;
}

size_t jpeg_shuffle(uint8_t *jpeg, size_t n, size_t room, uint32_t seed)
{
    size_t at[MAX_SEGMENTS + 1];
    uint8_t segment[2048];
    int count = n < 4 ? 0 : find(jpeg, n, at);

    if (count == 0)
        return n;
    uint32_t which = draw(&seed, (uint32_t)count), what = draw(&seed, 4);
    size_t from = at[which], bytes = at[which + 1] - from;
    if (what == 0 || bytes > sizeof segment) {
        jpeg[from + 1 + draw(&seed, (uint32_t)bytes - 1)] =
            (uint8_t)draw(&seed, 256);
        return n;
    }
    memcpy(segment, jpeg + from, bytes);
    if (what != 1) { /* not a copy: it goes away */
        memmove(jpeg + from, jpeg + from + bytes, n - from - bytes);
        n -= bytes;
        count = find(jpeg, n, at);
    }
    if (what == 2 || room - n < bytes)
        return n;
    if (what == 1 && bytes > 4) /* another value in it */
        segment[4 + draw(&seed, (uint32_t)bytes - 4)] ^=
            (uint8_t)(1 << draw(&seed, 8));
    size_t to = at[draw(&seed, (uint32_t)count + 1)];
    memmove(jpeg + to + bytes, jpeg + to, n - to);
    memcpy(jpeg + to, segment, bytes);
    return n + bytes;
}
