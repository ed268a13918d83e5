/* libjpeg as the judge, for tests. */
#include "jpeg_oracle.h"

#include "jpeg_trap.h"

static void say_no_more(j_common_ptr any, int level)
{
    (void)any;
    (void)level;
}

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 16;
}

struct jpeg_file jpeg_make(const struct jpeg_wish *wish)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr err;
    struct jpeg_file file = {NULL, 0};
    unsigned random = wish->seed * 2654435761u + 12345u;
    int n = wish->n_components;
    unsigned char *row = malloc((size_t)wish->width * 3 + 3);

    c.err = jpeg_std_error(&err);
    err.emit_message = say_no_more;
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &file.data, &file.n);
    c.image_width = (JDIMENSION)wish->width;
    c.image_height = (JDIMENSION)wish->height;
    c.input_components = n;
    c.in_color_space = n == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&c);
    if (wish->rgb)
        jpeg_set_colorspace(&c, JCS_RGB);
    jpeg_set_quality(&c, wish->quality ? wish->quality : 75, !wish->wide_quant);
    c.comp_info[0].h_samp_factor = wish->h ? wish->h : 1;
    c.comp_info[0].v_samp_factor = wish->v ? wish->v : 1;
    for (int k = 0; k < n; k++) {
        c.comp_info[k].dc_tbl_no ^= wish->swap_dc >> k & 1;
        c.comp_info[k].ac_tbl_no ^= wish->swap_ac >> k & 1;
    }
    c.optimize_coding = wish->optimise;
    c.restart_interval = (unsigned)wish->restart;
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < wish->height; y++) {
        for (int x = 0; x < wish->width * n; x++) {
            int smooth = (x * 5 / n + y * 3) & 255;
            int wild = (int)(next_random(&random) & 255);
            row[x] = (unsigned char)((smooth * (255 - wish->noise) +
                                      wild * wish->noise) /
                                     255);
        }
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(row);
    return file;
}

static const uint8_t natural[64] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

static void gather(struct jpeg_truth *truth, const struct stk_jpeg *jpeg,
                   struct jpeg_decompress_struct *d, jvirt_barray_ptr *arrays)
{
    for (int y = 0; y < jpeg->mcus_y; y++)
        for (int c = 0, first = 0; c < jpeg->n_components; c++) {
            int h = jpeg->component[c].h, v = jpeg->component[c].v;
            for (int row = 0; row < v; row++) {
                JDIMENSION at = (JDIMENSION)(y * v + row);
                if (at >= d->comp_info[c].height_in_blocks)
                    continue;
                JBLOCKARRAY got = d->mem->access_virt_barray(
                    (j_common_ptr)d, arrays[c], at, 1, FALSE);
                for (int x = 0; x < jpeg->mcus_x * h; x++) {
                    if ((JDIMENSION)x >= d->comp_info[c].width_in_blocks)
                        continue;
                    size_t b =
                        ((size_t)y * (size_t)jpeg->mcus_x + (size_t)(x / h)) *
                            (size_t)jpeg->n_blocks +
                        (size_t)(first + row * h + x % h);
                    truth->real[b] = true;
                    for (int k = 0; k < 64; k++)
                        truth->blocks[b * 64 + (size_t)k] =
                            got[0][x][natural[k]];
                }
            }
            first += h * v;
        }
}

/* jpeg_read_coefficients() reads on to EOI and dislikes what may stand behind
 * the scan.  Returns false when even the image's own rows are refused. */
static bool rows_decode(const unsigned char *data, size_t n)
{
    struct jpeg_decompress_struct d;
    struct trap trap;
    unsigned char *row = malloc((size_t)STK_JPEG_MAX_SIDE * 4);

    d.err = trap_set(&trap);
    jpeg_create_decompress(&d);
    if (setjmp(trap.out)) {
        jpeg_destroy_decompress(&d);
        free(row);
        return false;
    }
    jpeg_mem_src(&d, data, n);
    jpeg_read_header(&d, TRUE);
    jpeg_start_decompress(&d);
    while (d.output_scanline < d.output_height)
        jpeg_read_scanlines(&d, &row, 1);
    jpeg_destroy_decompress(&d);
    free(row);
    return true;
}

void jpeg_truth_of(struct jpeg_truth *truth, const struct stk_jpeg *jpeg,
                   const unsigned char *data, size_t n)
{
    struct jpeg_decompress_struct d;
    struct trap trap;

    *truth = (struct jpeg_truth){.n_blocks = (size_t)jpeg->mcus_x *
                                             (size_t)jpeg->mcus_y *
                                             (size_t)jpeg->n_blocks};
    truth->blocks = calloc(truth->n_blocks, 128);
    truth->real = calloc(truth->n_blocks, sizeof *truth->real);
    d.err = trap_set(&trap);
    jpeg_create_decompress(&d);
    if (setjmp(trap.out)) {
        jpeg_destroy_decompress(&d);
        truth->error = !rows_decode(data, n);
        return;
    }
    jpeg_mem_src(&d, data, n);
    jpeg_read_header(&d, TRUE);
    jvirt_barray_ptr *arrays = jpeg_read_coefficients(&d);
    gather(truth, jpeg, &d, arrays);
    truth->n_warnings = trap.base.num_warnings;
    jpeg_destroy_decompress(&d);
}

void jpeg_truth_free(struct jpeg_truth *truth)
{
    free(truth->blocks);
    free(truth->real);
    *truth = (struct jpeg_truth){0};
}

long jpeg_truth_differs(const struct jpeg_truth *truth, const int16_t *blocks,
                        size_t n_blocks)
{
    for (size_t b = 0; b < n_blocks; b++)
        if (truth->real[b] &&
            memcmp(truth->blocks + b * 64, blocks + b * 64, 128) != 0)
            return (long)b;
    return -1;
}
