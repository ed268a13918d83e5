/* File by file, is our decoder ever slower than libjpeg-turbo with its exact
 * window?  Each regular JPEG of a folder runs from bytes to a placed sample
 * both ways, WINDOWS windows of RandomResizedCrop(224), in turn; a file's time
 * is the sum over windows of the least of the repeats, in CPU time of the
 * thread.  What seems slower runs again with more repeats before it is called
 * so.  Prints the slowest files, libjpeg's time over ours.
 * Usage: bench_each FOLDER [repeats] */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "augment/place.h"
#include "augment/recipe.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "decode/decode.h"
#include "whole_file.h"

enum { MAX_FILES = 20000, WINDOWS = 4, N_WORST = 12, MORE = 8 };

struct file {
    char *name;
    struct stk_span bytes;
    double us[2]; /* ours, libjpeg's */
    bool is_own;
};

static struct file files[MAX_FILES];
static int n_files;

/* The two ways, OURS and LIBJPEG. */
static struct stk_decoder *decoders[2];
static struct stk_placer *placer;
static struct stk_program program;
static uint8_t *sample;

static int visit(const char *path, const struct stat *st, int type,
                 struct FTW *ftw)
{
    struct stk_span bytes;

    if (type == FTW_F && n_files < MAX_FILES &&
        read_whole(path, (size_t)st->st_size, &bytes))
        files[n_files++] =
            (struct file){.bytes = bytes, .name = strdup(path + ftw->base)};
    return 0;
}

/* Microseconds of one sample; < 0: no regular JPEG. */
static double run(struct stk_decoder *decoder, const struct file *file,
                  uint64_t window)
{
    struct stk_image image;
    struct stk_geometry geometry;
    struct stk_strip strip;
    stoker_error err;
    const struct stk_key key = {1, window, 0};
    int64_t start = stk_thread_cpu_ns();

    int rc = stk_decoder_probe(decoder, file->bytes, file->name, &image, &err);
    if (rc == 0 && (image.format != STK_FORMAT_JPEG || !image.regular))
        rc = -1;
    if (rc == 0)
        rc = stk_recipe_make(&program, key, image.width, image.height,
                             &geometry, &err);
    if (rc == 0)
        rc = stk_placer_begin(placer, &geometry, sample, &err);
    if (rc == 0)
        rc = stk_decoder_begin(decoder, &geometry.source, &err);
    while (rc == 0 && (rc = stk_decoder_rows(decoder, &strip, &err)) == 1) {
        stk_placer_rows(placer, &strip);
        rc = 0;
        if (stk_placer_done(placer))
            break;
    }
    stk_decoder_end(decoder);
    return rc < 0 ? -1 : (double)(stk_thread_cpu_ns() - start) * 1e-3;
}

/* Before each run both decode the neighbour, as in a stream, where what is
 * kept from the file before may or may not serve.  false: not a file for this
 * comparison. */
static bool measure(struct file *file, struct file *neighbour, int repeats)
{
    file->us[0] = file->us[1] = 0;
    for (uint64_t w = 0; w < WINDOWS; w++) {
        double least[2] = {1e12, 1e12};
        for (int r = 0; r < repeats; r++)
            for (int d = 0; d < 2; d++) {
                run(decoders[d], neighbour, w);
                double us = run(decoders[d], file, w);
                if (us < 0)
                    return false;
                if (d == 0)
                    file->is_own = stk_decoder_was_own(decoders[0]);
                least[d] = us < least[d] ? us : least[d];
            }
        file->us[0] += least[0];
        file->us[1] += least[1];
    }
    return true;
}

static double ratio(const struct file *file)
{
    return file->us[1] / file->us[0];
}

static int by_ratio(const void *a, const void *b)
{
    double x = ratio(a), y = ratio(b);
    return (x > y) - (x < y);
}

static void set_up(void)
{
    const stoker_transform list[] = {stoker_random_resized_crop(224, 224)};
    stoker_error err;
    int rc = stk_program_compile(&program, list, 1, sizeof list[0], STOKER_U8,
                                 STOKER_NCHW, STOKER_PIXELS_PILLOW13, &err);

    for (int d = 0; d < 2 && rc == 0; d++) {
        const struct stk_decode_limits limits = {
            .max_pixels = 1 << 28,
            .max_side = 65500,
            .max_file_bytes = 1 << 30,
            .max_decoder_bytes = 1 << 30,
            .max_scans = 100,
            .max_decode_ms = 30000,
            .decoder = d ? STOKER_DECODER_LIBJPEG : STOKER_DECODER_AUTO,
            .cpu = stk_cpu_best(),
        };
        rc = stk_decoder_open(&decoders[d], &limits, &err);
    }
    if (rc == 0)
        rc = stk_placer_open(&placer, &program, stk_cpu_best(), &err);
    sample = stk_calloc_aligned(1, program.sample_bytes);
    if (rc < 0 || !sample)
        exit(1);
}

int main(int argc, char **argv)
{
    int repeats = argc > 2 ? atoi(argv[2]) : 7, n = 0, n_slower = 0, n_own = 0;

    if (argc < 2 || repeats < 1 || nftw(argv[1], visit, 16, 0) != 0) {
        fprintf(stderr, "usage: bench_each FOLDER [repeats]\n");
        return 2;
    }
    set_up();
    for (int i = 0; i < n_files; i++)
        if (measure(&files[i], &files[(i + 1) % n_files], repeats))
            files[n++] = files[i];
    for (int i = 0; i < n; i++) {
        if (ratio(&files[i]) < 1)
            measure(&files[i], &files[(i + 1) % n], MORE * repeats);
        n_slower += ratio(&files[i]) < 1;
        n_own += files[i].is_own;
    }
    qsort(files, (size_t)n, sizeof files[0], by_ratio);
    for (int i = 0; i < n && i < N_WORST; i++)
        printf("%6.3f  %9.1f us  %s  %s\n", ratio(&files[i]),
               files[i].us[0] / WINDOWS, files[i].is_own ? "own" : "libjpeg",
               files[i].name);
    printf("%d regular files, %d by our decoder: median %.2f, slowest %.3f, "
           "%d slower\n",
           n, n_own, n ? ratio(&files[n / 2]) : 0, n ? ratio(&files[0]) : 0,
           n_slower);
    return 0;
}
