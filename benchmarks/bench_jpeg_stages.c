/* What the window decoder spends its time on, stage by stage, over a folder's
 * JPEGs and windows like RandomResizedCrop's: milliseconds an image, each
 * stage the median of rounds.  A round is four windows of every file, no file
 * twice in a row, so that caches and branch predictors are as a loader has
 * them.  The library's calls are wrapped by the linker (--wrap): the code
 * measured is the code that ships.
 * Usage: bench_jpeg_stages FOLDER [rounds] [--cpu=avx2] */
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"
#include "decode/jpeg_entropy.h"
#include "decode/jpeg_kernels.h"
#include "decode/jpeg_window.h"
#include "whole_file.h"

enum { PARSE, BEGIN, VALUES, SKIP, IDCT, COLOUR, REST, N_STAGES };
enum { MAX_FILES = 20000, WINDOWS = 4, KINDS = 4, MAX_ROUNDS = 64 };
static const char *const names[N_STAGES] = {
    "parse", "begin: tables",     "values",           "skip",
    "idct",  "upsample + colour", "the driver itself"};

static uint64_t ticks[N_STAGES];

static inline uint64_t tick(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
#endif
}

#define TIMED(stage, call)                                                     \
    uint64_t start = tick();                                                   \
    call;                                                                      \
    ticks[stage] += tick() - start

int __real_stk_entropy_begin(struct stk_entropy *e, const struct stk_jpeg *jpeg,
                             struct stk_span bytes, bool need_skip);
int __wrap_stk_entropy_begin(struct stk_entropy *e, const struct stk_jpeg *jpeg,
                             struct stk_span bytes, bool need_skip);
int __wrap_stk_entropy_begin(struct stk_entropy *e, const struct stk_jpeg *jpeg,
                             struct stk_span bytes, bool need_skip)
{
    TIMED(BEGIN, int rc = __real_stk_entropy_begin(e, jpeg, bytes, need_skip));
    return rc;
}

int __real_stk_entropy_values(struct stk_entropy *e, uint32_t n, int16_t *out);
int __wrap_stk_entropy_values(struct stk_entropy *e, uint32_t n, int16_t *out);
int __wrap_stk_entropy_values(struct stk_entropy *e, uint32_t n, int16_t *out)
{
    TIMED(VALUES, int rc = __real_stk_entropy_values(e, n, out));
    return rc;
}

int __real_stk_entropy_skip(struct stk_entropy *e, uint32_t n);
int __wrap_stk_entropy_skip(struct stk_entropy *e, uint32_t n);
int __wrap_stk_entropy_skip(struct stk_entropy *e, uint32_t n)
{
    TIMED(SKIP, int rc = __real_stk_entropy_skip(e, n));
    return rc;
}

static const struct stk_jpeg_kernels *real;

static void idct(const struct stk_jpeg_blocks *blocks, uint8_t *out,
                 size_t stride)
{
    TIMED(IDCT, real->idct(blocks, out, stride));
}

static void colour(uint8_t *const plane[3], size_t stride, int32_t n_rows,
                   size_t n)
{
    TIMED(COLOUR, real->colour(plane, stride, n_rows, n));
}

static void colour_h2v1(const uint8_t *luma, const uint8_t *const chroma[2],
                        uint8_t *const rgb[3], size_t n)
{
    TIMED(COLOUR, real->colour_h2v1(luma, chroma, rgb, n));
}

static void colour_h1v2(const struct stk_jpeg_pair *pair, size_t n)
{
    TIMED(COLOUR, real->colour_h1v2(pair, n));
}

static void spread(const uint8_t *chroma, size_t n, uint16_t *even,
                   uint16_t *odd)
{
    TIMED(COLOUR, real->spread(chroma, n, even, odd));
}

static void colour_h2v2(const struct stk_jpeg_pair *pair, size_t n)
{
    TIMED(COLOUR, real->colour_h2v2(pair, n));
}

static const struct stk_jpeg_kernels timed = {idct,        colour, colour_h2v1,
                                              colour_h1v2, spread, colour_h2v2};

const struct stk_jpeg_kernels *__real_stk_jpeg_kernels_for(int cpu);
const struct stk_jpeg_kernels *__wrap_stk_jpeg_kernels_for(int cpu);
const struct stk_jpeg_kernels *__wrap_stk_jpeg_kernels_for(int cpu)
{
    real = __real_stk_jpeg_kernels_for(cpu);
    return &timed;
}

struct file {
    struct stk_span bytes;
    char *name;
    bool is_mine;
    int kind; /* 1: 4:4:4, 2: 4:2:0, 3: others */
    struct stk_window windows[WINDOWS];
};
static struct file files[MAX_FILES];
static int n_files;

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

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->name,
                  ((const struct file *)b)->name);
}

static double uniform(void)
{
    static uint64_t s = 88172645463325252u;
    s ^= s << 13;
    s ^= s >> 7;
    s ^= s << 17;
    return (double)(s >> 11) * 0x1p-53;
}

/* torchvision's RandomResizedCrop with scale (0.08, 1), ratio (3/4, 4/3). */
static struct stk_window choose(int32_t width, int32_t height)
{
    for (int i = 0; i < 10; i++) {
        double area = (double)width * height * (0.08 + uniform() * 0.92);
        double low = log(3. / 4), high = log(4. / 3);
        double ratio = exp(low + uniform() * (high - low));
        int32_t w = (int32_t)lrint(sqrt(area * ratio));
        int32_t h = (int32_t)lrint(sqrt(area / ratio));
        if (w < 1 || w > width || h < 1 || h > height)
            continue;
        int32_t top = (int32_t)(uniform() * (height - h + 1));
        int32_t left = (int32_t)(uniform() * (width - w + 1));
        return (struct stk_window){top, left, h, w};
    }
    return (struct stk_window){0, 0, height, width};
}

/* One window; false: not ours. */
static bool decode(struct stk_jpeg_decoder *d, struct stk_span bytes,
                   const struct stk_window *window)
{
    static struct stk_jpeg jpeg;
    struct stk_strip strip;
    int rc;

    memset(ticks, 0, sizeof ticks);
    uint64_t start = tick();
    if (stk_jpeg_parse(&jpeg, bytes))
        return false;
    ticks[PARSE] = tick() - start;
    if (stk_jpeg_decoder_begin(d, &jpeg, bytes, window))
        return false;
    do
        rc = stk_jpeg_decoder_rows(d, &strip);
    while (rc == STK_JPEG_STRIP);
    uint64_t all = tick() - start;
    for (int s = 0; s < REST; s++)
        all -= ticks[s];
    ticks[REST] = all;
    return rc == STK_JPEG_END;
}

static double ticks_per_ms(void)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    uint64_t start = tick();
    double ms;
    do {
        clock_gettime(CLOCK_MONOTONIC, &b);
        ms = (double)(b.tv_sec - a.tv_sec) * 1e3 +
             (double)(b.tv_nsec - a.tv_nsec) * 1e-6;
    } while (ms < 100);
    return (double)(tick() - start) / ms;
}

static double sums[MAX_ROUNDS][KINDS][N_STAGES];
static int n[KINDS]; /* windows in a round */

static int kind_of(const struct stk_jpeg *jpeg)
{
    return jpeg->n_components == 3 && jpeg->h_max == jpeg->v_max ? jpeg->h_max
                                                                 : 3;
}

static void measure(struct stk_jpeg_decoder *d, int rounds)
{
    for (int i = 0; i < n_files * WINDOWS * rounds; i++) {
        int round = i / (n_files * WINDOWS);
        const struct file *file = &files[i % n_files];
        const struct stk_window *window = &file->windows[i / n_files % WINDOWS];
        if (!file->is_mine || !decode(d, file->bytes, window))
            continue;
        for (int k = 0; k <= file->kind; k += file->kind) {
            n[k] += round == 0;
            for (int s = 0; s < N_STAGES; s++)
                sums[round][k][s] += (double)ticks[s];
        }
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(int rounds, int kind, int stage)
{
    double all[MAX_ROUNDS];
    for (int r = 0; r < rounds; r++)
        all[r] = sums[r][kind][stage];
    qsort(all, (size_t)rounds, sizeof all[0], by_size);
    return all[rounds / 2];
}

static void report(int cpu, int rounds)
{
    static const char *const kinds[KINDS] = {"all", "4:4:4", "4:2:0", "other"};
    double per_ms = ticks_per_ms(), total[KINDS] = {0};

    printf("%s, ms an image  ", stk_cpu_name(cpu));
    for (int k = 0; k < KINDS; k++)
        printf("  %s (%d)", kinds[k], n[k]);
    for (int s = 0; s <= N_STAGES; s++) {
        printf("\n%-20s", s < N_STAGES ? names[s] : "sum");
        for (int k = 0; k < KINDS; k++) {
            double ms = s == N_STAGES
                            ? total[k]
                            : median(rounds, k, s) / per_ms / (n[k] ? n[k] : 1);
            total[k] += ms;
            printf("  %10.4f", ms);
        }
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    int rounds = 5, cpu = stk_cpu_best();
    struct stk_jpeg_decoder *d;

    for (int i = 2; i < argc; i++)
        if (strncmp(argv[i], "--cpu=", 6) != 0)
            rounds = atoi(argv[i]);
        else
            for (int level = 0; level < 8; level++)
                if (strcmp(stk_cpu_name(level), argv[i] + 6) == 0)
                    cpu = stk_cpu_resolve(level);
    if (argc < 2 || rounds < 1 || rounds > MAX_ROUNDS || cpu < 0 ||
        nftw(argv[1], visit, 16, 0) != 0 ||
        stk_jpeg_decoder_open(&d, cpu) != 0) {
        fprintf(stderr,
                "usage: bench_jpeg_stages FOLDER [rounds] [--cpu=LEVEL]\n");
        return 2;
    }
    qsort(files, (size_t)n_files, sizeof files[0], by_name);
    for (int i = 0; i < n_files; i++) {
        struct stk_jpeg jpeg;
        files[i].is_mine = stk_jpeg_parse(&jpeg, files[i].bytes) == 0;
        files[i].kind = kind_of(&jpeg);
        for (int w = 0; w < WINDOWS && files[i].is_mine; w++)
            files[i].windows[w] = choose(jpeg.width, jpeg.height);
    }
    measure(d, rounds);
    report(cpu, rounds);
    stk_jpeg_decoder_close(&d);
    return 0;
}
