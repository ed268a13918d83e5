/* Made-up photos as JPEG files, by libjpeg. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <jpeglib.h>

#include "photo.h"

/* ITU-R BT.601 luma in place of RGB, one row. */
static void to_grey(const uint8_t *rgb, uint8_t *grey, int width)
{
    for (int x = 0; x < width; x++)
        grey[x] = (uint8_t)((rgb[x * 3] * 77 + rgb[x * 3 + 1] * 150 +
                             rgb[x * 3 + 2] * 29) >>
                            8);
}

/* Into memory that is the caller's to free; libjpeg ends the program only
 * when memory is out. */
static void encode(const struct photo *photo, const uint8_t *rgb,
                   unsigned char **bytes, unsigned long *n)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, bytes, n);
    jpeg.image_width = (JDIMENSION)photo->width;
    jpeg.image_height = (JDIMENSION)photo->height;
    jpeg.input_components = photo->grey ? 1 : 3;
    jpeg.in_color_space = photo->grey ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, photo->quality, TRUE);
    jpeg.optimize_coding = photo->optimised;
    if (!photo->grey) {
        jpeg.comp_info[0].h_samp_factor = photo->halved ? 2 : 1;
        jpeg.comp_info[0].v_samp_factor = photo->halved ? 2 : 1;
    }
    jpeg_start_compress(&jpeg, TRUE);
    uint8_t *grey = NULL; /* libjpeg's until the end */
    if (photo->grey)
        grey = jpeg.mem->alloc_small((j_common_ptr)&jpeg, JPOOL_IMAGE,
                                     (size_t)photo->width);
    while (jpeg.next_scanline < jpeg.image_height) {
        const uint8_t *from =
            rgb + (size_t)jpeg.next_scanline * (size_t)photo->width * 3;
        JSAMPROW row = (JSAMPROW)(uintptr_t)from;
        if (grey) {
            to_grey(from, grey, photo->width);
            row = grey;
        }
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
}

int photo_file_write(const struct photo *photo, const uint8_t *rgb,
                     const char *path)
{
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    int rc = 0;
    encode(photo, rgb, &bytes, &n);
    FILE *file = fopen(path, "wbx");
    if (!file) {
        rc = -errno;
    } else {
        if (fwrite(bytes, 1, n, file) != n)
            rc = errno ? -errno : -EIO;
        if (fclose(file) != 0 && rc == 0)
            rc = -errno;
        if (rc != 0)
            unlink(path);
    }
    free(bytes);
    return rc;
}
