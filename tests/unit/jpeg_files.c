/* Writes JPEGs by libjpeg, of noise over slopes so that neighbours differ. */
#include "jpeg_files.h"

#include <stdlib.h>

static uint8_t sample(int32_t x, int32_t y, int c)
{
    uint32_t z = (uint32_t)(x * 7 + y * 13 + c * 101);
    z = (z ^ (uint32_t)(x * y)) * 2654435761u;
    return (uint8_t)((x * 3 + y * 2 + c * 60) / 2 + (int32_t)(z >> 27));
}

struct file make_jpeg(struct look look)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    struct file file = {NULL, 0};
    int n = look.colours == JCS_GRAYSCALE ? 1
            : look.colours == JCS_CMYK    ? 4
                                          : 3;
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &file.data, &file.n);
    info.image_width = (JDIMENSION)look.width;
    info.image_height = (JDIMENSION)look.height;
    info.input_components = n;
    info.in_color_space = look.colours;
    jpeg_set_defaults(&info);
    info.comp_info[0].h_samp_factor = look.h;
    info.comp_info[0].v_samp_factor = look.v;
    info.restart_interval = look.restart_interval;
    if (look.progressive)
        jpeg_simple_progression(&info);
    jpeg_start_compress(&info, TRUE);
    uint8_t *row = malloc((size_t)look.width * (size_t)n);
    for (int32_t y = 0; y < look.height; y++) {
        for (int32_t x = 0; x < look.width; x++)
            for (int c = 0; c < n; c++)
                row[x * n + c] = sample(x, y, c);
        jpeg_write_scanlines(&info, &row, 1);
    }
    free(row);
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    return file;
}

uint8_t *reference(struct file file, int *n_channels)
{
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    info.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, file.data, file.n);
    jpeg_read_header(&info, TRUE);
    info.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&info);
    *n_channels = info.output_components;
    size_t stride = info.output_width * (size_t)info.output_components;
    uint8_t *pixels = malloc(stride * info.output_height);
    while (info.output_scanline < info.output_height) {
        JSAMPROW row = pixels + stride * info.output_scanline;
        jpeg_read_scanlines(&info, &row, 1);
    }
    jpeg_finish_decompress(&info);
    jpeg_destroy_decompress(&info);
    return pixels;
}
