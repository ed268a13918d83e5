/* JPEG kernels: the plain ones against libjpeg-turbo itself, every other CPU
 * level against the plain ones, between pages that must not be touched. */
#include <check.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jpeglib.h>

#include "base/cpu.h"
#include "decode/jpeg_idct.h"
#include "decode/jpeg_kernels.h"
#include "stoker/stoker.h"

static const struct stk_jpeg_kernels *levels[4];
static const char *level_names[4];
static int n_levels;

static uint32_t state = 1;
static uint32_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static int between(int low, int high)
{
    return low + (int)(next_random() % (uint32_t)(high - low + 1));
}

/* n random bytes, 64-byte aligned where n is a multiple of 64, that end where
 * a page begins that may not be touched.  Mapped once, one for each use. */
enum { N_FENCES = 11, FENCE_BYTES = 1 << 16 };

static uint8_t *fence(int which, size_t n)
{
    static uint8_t *ends[N_FENCES];
    ck_assert_uint_le(n, FENCE_BYTES);
    if (!ends[which]) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        uint8_t *map = mmap(NULL, FENCE_BYTES + page, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ck_assert(map != MAP_FAILED);
        ends[which] = map + FENCE_BYTES;
        ck_assert_int_eq(mprotect(ends[which], page, PROT_NONE), 0);
    }
    uint8_t *data = ends[which] - n;
    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)next_random();
    return data;
}

/* ------------------------------------------------------------------ idct */

enum { N_BLOCKS = 1024, SIDE = 32, N_ROUNDS = 120 };

/* Blocks of many tempers whose products all fit 16 bits. */
static void make_block(int16_t *block, const uint16_t *quant, int temper)
{
    int n = temper % 4 == 0   ? 1
            : temper % 4 == 1 ? between(1, 16)
            : temper % 4 == 2 ? between(1, 32)
                              : 64;
    memset(block, 0, 128);
    for (int k = 0; k < n; k++) {
        int most = 32767 / quant[k];
        if (most > 1023)
            most = 1023;
        if (temper / 4 % 4 == 0 && most > 20)
            most = 20 / (k + 1) + 1;
        else if (temper / 4 % 4 == 1 && most > 200)
            most = 200;
        if (temper / 16 % 3 == 0 && next_random() % 3)
            continue;
        block[k] =
            (int16_t)(temper / 16 % 3 == 1 ? (next_random() & 1 ? most : -most)
                                           : between(-most, most));
    }
}

static void make_quant(uint16_t quant[64], int kind)
{
    for (int k = 0; k < 64; k++)
        quant[k] = (uint16_t)(kind == 0   ? 1
                              : kind == 1 ? between(1, 60)
                              : kind == 2 ? between(1, 255)
                              : kind == 3 ? 32
                                          : between(1, 32767));
}

static const uint8_t natural[64] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,  7,  14, 21, 28,
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63};

/* libjpeg warns of wide quantisers. */
static void say_nothing(j_common_ptr any, int level)
{
    (void)any;
    (void)level;
}

/* A grey file of SIDE x SIDE blocks, made of these coefficients. */
static unsigned char *write_blocks(const int16_t *blocks, const uint16_t *quant,
                                   unsigned long *n)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr err;
    unsigned char *data = NULL;
    unsigned table[64];

    c.err = jpeg_std_error(&err);
    err.emit_message = say_nothing;
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &data, n);
    c.image_width = c.image_height = SIDE * 8;
    c.input_components = 1;
    c.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&c);
    for (int k = 0; k < 64; k++)
        table[natural[k]] = quant[k];
    jpeg_add_quant_table(&c, 0, table, 100, FALSE);
    c.optimize_coding = TRUE;
    jvirt_barray_ptr array = c.mem->request_virt_barray(
        (j_common_ptr)&c, JPOOL_IMAGE, TRUE, SIDE, SIDE, 1);
    jpeg_write_coefficients(&c, &array);
    for (int y = 0; y < SIDE; y++) {
        JBLOCKARRAY rows = c.mem->access_virt_barray((j_common_ptr)&c, array,
                                                     (JDIMENSION)y, 1, TRUE);
        for (int x = 0; x < SIDE; x++)
            for (int k = 0; k < 64; k++)
                rows[0][x][natural[k]] = blocks[(y * SIDE + x) * 64 + k];
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    return data;
}

static void read_pixels(const unsigned char *data, unsigned long n,
                        uint8_t *pixels)
{
    struct jpeg_decompress_struct d;
    struct jpeg_error_mgr err;

    d.err = jpeg_std_error(&err);
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, data, n);
    jpeg_read_header(&d, TRUE);
    jpeg_start_decompress(&d);
    while (d.output_scanline < d.output_height) {
        JSAMPROW row = pixels + (size_t)d.output_scanline * SIDE * 8;
        jpeg_read_scanlines(&d, &row, 1);
    }
    jpeg_finish_decompress(&d);
    ck_assert_int_eq((int)err.num_warnings, 0);
    jpeg_destroy_decompress(&d);
}

/* What is wild is defined by x86's SIMD routines; plain C stands for them
 * where libjpeg-turbo has others, whose sums leave 16 bits in other ways. */
static void settle_wild(const struct stk_jpeg_quant *q, const int16_t *blocks,
                        uint8_t *want)
{
#if defined(__x86_64__)
    return;
#endif
    for (int b = 0; b < N_BLOCKS; b++) {
        int64_t energy = 0;
        for (int k = 0; k < 64; k++)
            energy += (int64_t)blocks[b * 64 + k] * blocks[b * 64 + k] *
                      q->zigzag[k] * q->zigzag[k];
        if (energy > STK_TAME)
            stk_jpeg_idct_exact(q, blocks + b * 64,
                                want + b / SIDE * SIDE * 64 + b % SIDE * 8,
                                SIDE * 8);
    }
}

START_TEST(test_every_level_transforms_as_libjpeg_does)
{
    static int16_t blocks[N_BLOCKS * 64] __attribute__((aligned(64)));
    static uint8_t want[N_BLOCKS * 64], got[N_BLOCKS * 64];

    for (int round = 0; round < N_ROUNDS; round++) {
        uint16_t quant[64];
        struct stk_jpeg_quant q;
        unsigned long n = 0;
        make_quant(quant, round % 5);
        for (int b = 0; b < N_BLOCKS; b++) {
            make_block(blocks + b * 64, quant,
                       round < N_ROUNDS / 2 ? round / 5 * 4 + (b & 1) : b % 48);
            /* What libjpeg can encode: DC differences of 11 bits. */
            if (b && abs(blocks[b * 64] - blocks[b * 64 - 64]) > 2047)
                blocks[b * 64] = blocks[b * 64 - 64];
        }
        unsigned char *file = write_blocks(blocks, quant, &n);
        read_pixels(file, n, want);
        free(file);
        stk_jpeg_quant_init(&q, quant);
        settle_wild(&q, blocks, want);
        for (int l = 0; l < n_levels; l++) {
            for (int y = 0; y < SIDE; y++) {
                struct stk_jpeg_blocks row = {&q, blocks + y * SIDE * 64, 64, 1,
                                              SIDE};
                levels[l]->idct(&row, got + y * SIDE * 64, SIDE * 8);
            }
            for (int i = 0; i < N_BLOCKS * 64; i++)
                if (got[i] != want[i])
                    ck_abort_msg(
                        "%s, round %d, block %d, pixel %d %d: %d not %d",
                        level_names[l], round,
                        i / (SIDE * 64) * SIDE + i % (SIDE * 8) / 8, i % 8,
                        i / (SIDE * 8) % 8, got[i], want[i]);
        }
    }
}
END_TEST

START_TEST(test_idct_stays_inside_its_rows_and_blocks)
{
    for (int i = 0; i < 2000; i++) {
        int n = between(1, 13), wide = between(1, 2);
        size_t mcu = (size_t)(wide + between(0, 4)) * 64;
        size_t n_mcus = (size_t)((n + wide - 1) / wide);
        size_t room = (size_t)(n + 3) / 4 * 32, stride = room;
        size_t bytes =
            ((n_mcus - 1) * mcu + (size_t)((n - 1) % wide + 1) * 64) * 2;
        uint8_t *in = fence(0, bytes);
        uint8_t *out[2] = {fence(1, 8 * stride), fence(2, 8 * stride)};
        uint16_t quant[64];
        struct stk_jpeg_quant q;
        int16_t *blocks = (int16_t *)(void *)in;

        make_quant(quant, i % 5);
        for (size_t b = 0; b < bytes / 128; b++)
            make_block(blocks + b * 64, quant, i % 48);
        stk_jpeg_quant_init(&q, quant);
        struct stk_jpeg_blocks row = {&q, blocks, mcu, wide, n};
        levels[0]->idct(&row, out[0], stride);
        for (int l = 1; l < n_levels; l++) {
            levels[l]->idct(&row, out[1], stride);
            for (size_t r = 0; r < 8; r++)
                ck_assert_mem_eq(out[0] + r * stride, out[1] + r * stride,
                                 (size_t)n * 8);
        }
    }
}
END_TEST

/* ---------------------------------------------------------------- colour */
/* All (Cb, Cr), each with lumas that reach over both limits. */
START_TEST(test_every_colour_is_jfifs)
{
    static uint8_t plane[3][65536] __attribute__((aligned(64)));
    for (int l = 0; l < n_levels; l++)
        for (int luma = 0; luma < 256; luma += luma % 3 ? 13 : 1) {
            uint8_t *planes[3] = {plane[0], plane[1], plane[2]};
            for (int i = 0; i < 65536; i++) {
                plane[0][i] = (uint8_t)(luma + i / 4096);
                plane[1][i] = (uint8_t)i;
                plane[2][i] = (uint8_t)(i >> 8);
            }
            levels[l]->colour(planes, 256, 256, 256);
            for (int i = 0; i < 65536; i++) {
                int y = (uint8_t)(luma + i / 4096);
                int cb = (i & 255) - 128, cr = (i >> 8) - 128;
                int want[3] = {y + ((91881 * cr + 32768) >> 16),
                               y + ((-22554 * cb - 46802 * cr + 32768) >> 16),
                               y + ((116130 * cb + 32768) >> 16)};
                for (int c = 0; c < 3; c++) {
                    int w = want[c] < 0 ? 0 : want[c] > 255 ? 255 : want[c];
                    if (plane[c][i] != w)
                        ck_abort_msg("%s: Y %d Cb %d Cr %d", level_names[l], y,
                                     cb, cr);
                }
            }
        }
}
END_TEST

static size_t rounded(size_t n)
{
    return (n + STK_JPEG_COLUMNS - 1) / STK_JPEG_COLUMNS * STK_JPEG_COLUMNS;
}

/* One call of each kernel on buffers that end at fences: out gets 6 rows of
 * rounded(n) bytes, or what spread gives. */
enum kernel { COLOUR, H2V1, H1V2, SPREAD, H2V2, N_KERNELS };

static void run(const struct stk_jpeg_kernels *k, enum kernel which, size_t n,
                const uint8_t *luma, uint8_t *const chroma[8], uint8_t *out)
{
    size_t wide = rounded(n);
    struct stk_jpeg_pair pair;
    memset(&pair, 0, sizeof pair);
    for (size_t r = 0; r < 2; r++) {
        pair.luma[r] = luma + r * wide;
        for (size_t c = 0; c < 3; c++)
            pair.rgb[r][c] = out + (3 * r + c) * wide;
        for (size_t c = 0; c < 2; c++) {
            pair.chroma[r][c] = chroma[2 * r + c] + 1;
            const uint16_t *words =
                (const uint16_t *)(const void *)chroma[4 + 2 * r + c];
            pair.spread[r][c].even = words;
            pair.spread[r][c].odd = words + wide;
        }
    }
    switch (which) {
    case COLOUR:
        for (size_t c = 0; c < 3; c++)
            memcpy(pair.rgb[0][c], luma + c * wide, wide);
        k->colour(pair.rgb[0], 0, 1, n);
        break;
    case H2V1:
        k->colour_h2v1(pair.luma[0], pair.chroma[0], pair.rgb[0], n);
        break;
    case H1V2:
        k->colour_h1v2(&pair, n);
        break;
    case H2V2:
        k->colour_h2v2(&pair, n);
        break;
    default:
        k->spread(pair.chroma[0][0], n, (uint16_t *)(void *)out,
                  (uint16_t *)(void *)(out + 2 * wide));
    }
}

/* What is defined of the result. */
static void compare(enum kernel which, size_t n, const uint8_t *a,
                    const uint8_t *b)
{
    size_t wide = rounded(n);
    size_t n_rows = which == SPREAD                  ? 2
                    : which == H1V2 || which == H2V2 ? 6
                                                     : 3;
    size_t step = which == SPREAD ? 2 * wide : wide;
    for (size_t r = 0; r < n_rows; r++)
        ck_assert_mem_eq(a + r * step, b + r * step,
                         which == SPREAD ? 2 * n : n);
}

START_TEST(test_every_level_equals_the_plain_kernels_between_fences)
{
    for (size_t i = 0; i < 1500; i++) {
        size_t n = i < 200 ? i + 1 : 1 + next_random() % 700;
        size_t wide = rounded(n);
        uint8_t *luma = fence(0, 3 * wide), *chroma[8];
        uint8_t *out[2] = {fence(1, 6 * wide), fence(2, 6 * wide)};
        for (int c = 0; c < 8; c++) {
            /* A row, its neighbours, and what kernels may read further; or
             * words of sums up to 4 * 255. */
            chroma[c] =
                fence(3 + c, c < 4 ? 1 + wide + STK_JPEG_COLUMNS : 4 * wide);
            uint16_t *words = (uint16_t *)(void *)chroma[c];
            for (size_t x = 0; c >= 4 && x < 2 * wide; x++)
                words[x] = (uint16_t)between(0, 1020);
        }
        for (enum kernel k = 0; k < N_KERNELS; k++) {
            run(levels[0], k, n, luma, chroma, out[0]);
            for (int l = 1; l < n_levels; l++) {
                run(levels[l], k, n, luma, chroma, out[1]);
                compare(k, n, out[0], out[1]);
            }
        }
    }
}
END_TEST

int main(void)
{
    static const int cpus[] = {STOKER_CPU_SCALAR, STOKER_CPU_AVX2,
                               STOKER_CPU_AVX512, STOKER_CPU_VEC128};
    for (size_t i = 0; i < sizeof cpus / sizeof cpus[0]; i++)
        if (stk_cpu_resolve(cpus[i]) >= 0) {
            level_names[n_levels] = stk_cpu_name(cpus[i]);
            levels[n_levels++] = stk_jpeg_kernels_for(cpus[i]);
            printf("level %s\n", stk_cpu_name(cpus[i]));
        }
    Suite *s = suite_create("jpeg_kernels");
    TCase *tc = tcase_create("kernels");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, test_every_level_transforms_as_libjpeg_does);
    tcase_add_test(tc, test_idct_stays_inside_its_rows_and_blocks);
    tcase_add_test(tc, test_every_colour_is_jfifs);
    tcase_add_test(tc,
                   test_every_level_equals_the_plain_kernels_between_fences);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
