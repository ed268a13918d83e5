/* Photos made by libjpeg at quality 100: a flat grey survives exactly. */
#include "photos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jpeglib.h>

static void make(void **out, size_t *n, int level)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long n_bytes = 0;
    JSAMPLE line[24];
    JSAMPROW row = line;

    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &n_bytes);
    jpeg.image_width = 24;
    jpeg.image_height = 16;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    memset(line, level, sizeof line);
    for (int y = 0; y < 16; y++)
        jpeg_write_scanlines(&jpeg, &row, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    *out = bytes;
    *n = n_bytes;
}

void photos_make(struct photos *photos, int n)
{
    memset(photos, 0, sizeof *photos);
    photos->n = n;
    for (int i = 0; i < n; i++) {
        make(&photos->bytes[i], &photos->n_bytes[i], i);
        snprintf(photos->names[i], sizeof photos->names[i], "photo_%03d.jpg",
                 i);
        photos->items[i] = (stoker_item){.name = photos->names[i],
                                         .source = STOKER_SOURCE_MEMORY,
                                         .data = photos->bytes[i],
                                         .length = (int64_t)photos->n_bytes[i],
                                         .label = i};
    }
}

void photos_break(struct photos *photos, int i)
{
    photos->items[i].length /= 2;
}

void photos_free(struct photos *photos)
{
    for (int i = 0; i < photos->n; i++)
        free(photos->bytes[i]);
}

stoker_dataset *photos_dataset(const struct photos *photos)
{
    stoker_dataset *ds = NULL;
    stoker_error err;

    if (stoker_dataset_from_items(&ds, photos->items, (size_t)photos->n,
                                  sizeof(stoker_item), &err) < 0) {
        fprintf(stderr, "photos: %s\n", err.text);
        abort();
    }
    return ds;
}

void photos_write(const struct photos *photos, const char *dir)
{
    char path[512];

    for (int c = 0; c < 2; c++) {
        snprintf(path, sizeof path, "%s/class_%d", dir, c);
        mkdir(path, 0755);
    }
    for (int i = 0; i < photos->n; i++) {
        snprintf(path, sizeof path, "%s/class_%d/%s", dir, i >= photos->n / 2,
                 photos->names[i]);
        FILE *f = fopen(path, "wb");
        if (!f || fwrite(photos->bytes[i], (size_t)photos->items[i].length, 1,
                         f) != 1)
            abort();
        fclose(f);
    }
}

stoker_options photos_options(stoker_transform *list)
{
    stoker_options opt;

    stoker_options_init(&opt, sizeof opt);
    *list = stoker_center_crop(8, 8);
    opt.transforms = list;
    opt.n_transforms = 1;
    opt.batch_size = 8;
    opt.n_workers = 2;
    return opt;
}
