/* One sample of every JPEG of a folder, run so that callgrind can count its
 * instructions (collecting inside of run_sample alone), and the work that they
 * are for: coefficients, bytes, pixels.  What counts does so outside of
 * collection, in count_work().  Run by benchmarks/instructions.
 * Usage: bench_ops FOLDER LEVEL */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "augment/place.h"
#include "augment/recipe.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "decode/jpeg_entropy.h"
#include "decode/jpeg_window.h"
#include "whole_file.h"

enum { MAX_FILES = 20000, MAX_MCUS = 8192, N_COEFFICIENTS = 10 * 64 };

static struct stk_span files[MAX_FILES];
static int n_files;

static struct work {
    long long images, bytes, values, nonzero_values, nonzero_skipped;
    long long window_pixels, made_across, made_down;
} work;

/* A second decoder walks beside the first and counts what it meets. */
static struct stk_entropy *counter;
static int16_t *blocks;
static int n_blocks; /* an MCU */

__attribute__((noinline)) static void count_work(uint32_t n, bool skipped)
{
    while (n) {
        uint32_t some = n < MAX_MCUS ? n : MAX_MCUS;
        if (stk_entropy_values(counter, some, blocks))
            return;
        long long all = (long long)some * n_blocks * 64, nonzero = 0;
        for (long long i = 0; i < all; i++)
            nonzero += blocks[i] != 0;
        work.values += skipped ? 0 : all;
        *(skipped ? &work.nonzero_skipped : &work.nonzero_values) += nonzero;
        n -= some;
    }
}

__attribute__((noinline)) static void count_begin(const struct stk_jpeg *jpeg,
                                                  struct stk_span bytes)
{
    n_blocks = jpeg->n_blocks;
    stk_entropy_begin(counter, jpeg, bytes, false);
}

int __real_stk_entropy_values(struct stk_entropy *e, uint32_t n, int16_t *out);
int __wrap_stk_entropy_values(struct stk_entropy *e, uint32_t n, int16_t *out);
int __wrap_stk_entropy_values(struct stk_entropy *e, uint32_t n, int16_t *out)
{
    if (e != counter)
        count_work(n, false);
    return __real_stk_entropy_values(e, n, out);
}

int __real_stk_entropy_skip(struct stk_entropy *e, uint32_t n);
int __wrap_stk_entropy_skip(struct stk_entropy *e, uint32_t n);
int __wrap_stk_entropy_skip(struct stk_entropy *e, uint32_t n)
{
    count_work(n, true);
    return __real_stk_entropy_skip(e, n);
}

static int visit(const char *path, const struct stat *st, int type,
                 struct FTW *ftw)
{
    struct stk_span bytes;
    struct stk_jpeg jpeg;

    (void)ftw;
    if (type == FTW_F && n_files < MAX_FILES &&
        read_whole(path, (size_t)st->st_size, &bytes) &&
        stk_jpeg_parse(&jpeg, bytes) == 0)
        files[n_files++] = bytes;
    return 0;
}

struct sample {
    struct stk_jpeg jpeg;
    struct stk_geometry geometry;
    struct stk_jpeg_decoder *decoder;
    struct stk_placer *placer;
    uint8_t *target;
};

__attribute__((noinline)) static int run_sample(struct sample *s,
                                                struct stk_span bytes)
{
    struct stk_strip strip;
    stoker_error err;
    int rc = stk_jpeg_decoder_begin(s->decoder, &s->jpeg, bytes,
                                    &s->geometry.source);
    if (rc == 0)
        rc = stk_placer_begin(s->placer, &s->geometry, s->target, &err);
    while (rc == 0 && !stk_placer_done(s->placer)) {
        rc = stk_jpeg_decoder_rows(s->decoder, &strip) != STK_JPEG_STRIP;
        if (rc == 0)
            stk_placer_rows(s->placer, &strip);
    }
    return rc;
}

static void run_file(struct sample *s, const struct stk_program *program, int i)
{
    struct stk_span bytes = files[i];
    const struct stk_key key = {1, 0, (uint64_t)i};
    stoker_error err;

    if (stk_jpeg_parse(&s->jpeg, bytes) ||
        stk_recipe_make(program, key, s->jpeg.width, s->jpeg.height,
                        &s->geometry, &err))
        return;
    const struct stk_window *window = &s->geometry.source;
    count_begin(&s->jpeg, bytes);
    if (run_sample(s, bytes) != 0)
        return;
    work.images++;
    work.bytes += (long long)s->jpeg.entropy_bytes;
    work.window_pixels += (long long)window->width * window->height;
    work.made_across += 3LL * window->height * program->out_width;
    work.made_down += 3LL * program->out_height * program->out_width;
}

int main(int argc, char **argv)
{
    const stoker_transform list[] = {stoker_random_resized_crop(224, 224)};
    struct stk_program program;
    struct sample s = {0};
    stoker_error err;
    int cpu = -1;

    for (int level = 0; argc == 3 && level < 8; level++)
        if (strcmp(stk_cpu_name(level), argv[2]) == 0)
            cpu = stk_cpu_resolve(level);
    if (cpu < 0 || nftw(argv[1], visit, 16, 0) != 0 ||
        stk_program_compile(&program, list, 1, sizeof list[0], STOKER_U8,
                            STOKER_NCHW, STOKER_PIXELS_PILLOW12, &err) ||
        stk_entropy_open(&counter, cpu) ||
        stk_jpeg_decoder_open(&s.decoder, cpu) ||
        stk_placer_open(&s.placer, &program, cpu, &err)) {
        fprintf(stderr, "usage: bench_ops FOLDER LEVEL\n");
        return 2;
    }
    s.target = stk_calloc_aligned(1, program.sample_bytes);
    blocks = stk_calloc_aligned(MAX_MCUS * N_COEFFICIENTS + STK_ENTROPY_SLACK,
                                sizeof *blocks);
    for (int i = 0; s.target && blocks && i < n_files; i++)
        run_file(&s, &program, i);
    printf("{\"images\": %lld, \"bytes\": %lld, \"values\": %lld, "
           "\"nonzero_values\": %lld, \"nonzero_skipped\": %lld, "
           "\"window_pixels\": %lld, \"made_across\": %lld, "
           "\"made_down\": %lld}\n",
           work.images, work.bytes, work.values, work.nonzero_values,
           work.nonzero_skipped, work.window_pixels, work.made_across,
           work.made_down);
    return 0;
}
