/* Entropy decoding of a folder's JPEGs against libjpeg-turbo's
 * jpeg_skip_scanlines() over all rows, its own fastest way through the data.
 * Prints milliseconds an image: sums over files of the least of the repeats,
 * CPU time.  Usage: bench_entropy FOLDER [repeats [LEVEL]] */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <jpeglib.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "decode/jpeg_entropy.h"
#include "stoker/stoker.h"
#include "whole_file.h"

enum { MAX_FILES = 20000 };
enum { PARSE, BEGIN, BEGIN_SKIP, VALUES, SKIP, HALVES, LIBJPEG, N_STAGES };
static const char *const names[N_STAGES] = {
    "parse", "begin: tables for values", "begin: and for skip",   "values",
    "skip",  "half of each row skipped", "libjpeg skip_scanlines"};

static struct stk_span files[MAX_FILES];
static int n_files;

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

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void libjpeg_skip(struct jpeg_decompress_struct *d, struct stk_span file)
{
    jpeg_mem_src(d, file.data, file.n);
    jpeg_read_header(d, TRUE);
    jpeg_start_decompress(d);
    jpeg_skip_scanlines(d, d->output_height - 1);
    jpeg_abort_decompress(d);
}

/* Every row: the first by_skip MCUs are skipped, the others decoded into the
 * same row again. */
static int pass(struct stk_entropy *e, const struct stk_jpeg *jpeg,
                uint32_t by_skip, int16_t *row)
{
    int bad = 0;
    for (int y = 0; y < jpeg->mcus_y; y++) {
        bad |= stk_entropy_skip(e, by_skip);
        bad |= stk_entropy_values(e, (uint32_t)jpeg->mcus_x - by_skip, row);
    }
    return bad;
}

static int stage(int what, struct stk_entropy *e, struct stk_jpeg *jpeg,
                 struct stk_span file, int16_t *row,
                 struct jpeg_decompress_struct *d, double *ms)
{
    int bad = 0;
    double start = now_ms();
    uint32_t all = (uint32_t)jpeg->mcus_x;

    switch (what) {
    case PARSE:
        bad = stk_jpeg_parse(jpeg, file);
        break;
    case BEGIN:
    case BEGIN_SKIP:
        bad = stk_entropy_begin(e, jpeg, file, what == BEGIN_SKIP);
        break;
    case LIBJPEG:
        libjpeg_skip(d, file);
        break;
    default:
        bad = stk_entropy_begin(e, jpeg, file, true);
        start = now_ms();
        bad |= pass(e, jpeg,
                    what == VALUES ? 0
                    : what == SKIP ? all
                                   : all / 2,
                    row);
    }
    double took = now_ms() - start;
    if (took < *ms)
        *ms = took;
    return bad;
}

int main(int argc, char **argv)
{
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr err;
    struct stk_entropy *e;
    double sum[3][N_STAGES] = {{0}};
    int n[3] = {0}, repeats = argc > 2 ? atoi(argv[2]) : 5;
    int cpu = stk_cpu_best(), n_bad = 0;

    for (int level = 0; argc > 3 && level < 8; level++)
        if (strcmp(stk_cpu_name(level), argv[3]) == 0)
            cpu = stk_cpu_resolve(level);
    if (argc < 2 || cpu < 0 || nftw(argv[1], visit, 16, 0) != 0 ||
        n_files == 0 || stk_entropy_open(&e, cpu) != 0) {
        fprintf(stderr, "usage: bench_entropy FOLDER [repeats [cpu]]\n");
        return 2;
    }
    d.err = jpeg_std_error(&err);
    jpeg_create_decompress(&d);
    int16_t *row = stk_calloc_aligned(65536 * 6 + STK_ENTROPY_SLACK, 128);
    for (int i = 0; i < n_files; i++) {
        struct stk_jpeg jpeg;
        double ms[N_STAGES];
        stk_jpeg_parse(&jpeg, files[i]);
        for (int s = 0; s < N_STAGES; s++)
            ms[s] = 1e9;
        for (int r = 0; r < repeats; r++)
            for (int s = 0; s < N_STAGES; s++)
                n_bad += stage(s, e, &jpeg, files[i], row, &d, &ms[s]) != 0;
        int class = jpeg.n_components != 3               ? 0
                    : jpeg.h_max == 1 && jpeg.v_max == 1 ? 1
                    : jpeg.h_max == 2 && jpeg.v_max == 2 ? 2
                                                         : 0;
        for (int c = 0; c < 3; c++)
            if (c == 0 || c == class) {
                n[c]++;
                for (int s = 0; s < N_STAGES; s++)
                    sum[c][s] += ms[s];
            }
    }
    printf("%s; %d files (4:4:4 %d, 4:2:0 %d), %d not mine; ms an image\n",
           stk_cpu_name(cpu), n[0], n[1], n[2], n_bad);
    for (int s = 0; s < N_STAGES; s++)
        printf("%-26s %8.4f %8.4f %8.4f\n", names[s], sum[0][s] / n[0],
               sum[1][s] / (n[1] + !n[1]), sum[2][s] / (n[2] + !n[2]));
    printf("libjpeg / values %.2f, values / skip %.2f\n",
           sum[0][LIBJPEG] / sum[0][VALUES], sum[0][VALUES] / sum[0][SKIP]);
    return n_bad != 0;
}
