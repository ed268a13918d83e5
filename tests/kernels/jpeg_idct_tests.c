/* The inverse DCT of every level: against libjpeg-turbo itself, and between
 * pages that must not be touched. */
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "decode/jpeg_idct.h"
#include "jpeg_levels.h"

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

/* Every level against libjpeg, row by row and all blocks as one row. */
static void check_blocks(int16_t *blocks, const uint16_t *quant, int round)
{
    static uint8_t want[N_BLOCKS * 64], got[N_BLOCKS * 64];
    static uint8_t line[2][N_BLOCKS * 64];
    struct stk_jpeg_quant q;
    unsigned long n = 0;

    for (int b = 1; b < N_BLOCKS; b++)
        /* What libjpeg can encode: DC differences of 11 bits. */
        if (abs(blocks[b * 64] - blocks[b * 64 - 64]) > 2047)
            blocks[b * 64] = blocks[b * 64 - 64];
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
                ck_abort_msg("%s, round %d, block %d, pixel %d %d: %d not %d",
                             level_names[l], round,
                             i / (SIDE * 64) * SIDE + i % (SIDE * 8) / 8, i % 8,
                             i / (SIDE * 8) % 8, got[i], want[i]);
        struct stk_jpeg_blocks all = {&q, blocks, 128, 2, N_BLOCKS - l % 2};
        levels[l]->idct(&all, line[l > 0], N_BLOCKS * 8);
        for (size_t r = 0; r < 8; r++)
            ck_assert_mem_eq(line[0] + r * N_BLOCKS * 8,
                             line[l > 0] + r * N_BLOCKS * 8,
                             (size_t)(N_BLOCKS - 1) * 8);
    }
}

START_TEST(test_every_level_transforms_as_libjpeg_does)
{
    static int16_t blocks[N_BLOCKS * 64] __attribute__((aligned(64)));

    for (int round = 0; round < N_ROUNDS; round++) {
        uint16_t quant[64];
        make_quant(quant, round % 5);
        for (int b = 0; b < N_BLOCKS; b++)
            make_block(blocks + b * 64, quant,
                       round < N_ROUNDS / 2 ? round / 5 * 4 + (b & 1) : b % 48);
        check_blocks(blocks, quant, round);
    }
}
END_TEST

/* Coefficients in the first n_rows rows and n_columns columns only, and
 * perhaps one anywhere. */
static void make_shape(int16_t *block, const uint16_t *quant, int n_rows,
                       int n_columns, int one)
{
    int limit = next_random() % 8 ? 40 : 1023;
    for (int k = 0; k < 64; k++) {
        int most = 32767 / quant[k] < limit ? 32767 / quant[k] : limit;
        bool is_in =
            natural[k] / 8 < n_rows && natural[k] % 8 < n_columns && most;
        block[k] = 0;
        if (k == one)
            block[k] = (int16_t)(next_random() & 1 ? 1 : -1);
        else if (is_in && next_random() % 8)
            block[k] = (int16_t)between(-most, most);
    }
}

/* What kernels have shorter ways for, and what is just outside. */
START_TEST(test_blocks_of_every_shape_transform_as_libjpegs_do)
{
    static int16_t blocks[N_BLOCKS * 64] __attribute__((aligned(64)));

    for (int round = 0; round < 40; round++) {
        uint16_t quant[64];
        make_quant(quant, round % 5);
        for (int b = 0; b < N_BLOCKS; b++) {
            int16_t *block = blocks + b * 64;
            int same = round % 4; /* runs of a shape, or none */
            int shape = same ? b >> same : (int)(next_random() % 4096);
            if (round % 8 < 4) /* corners, and one coefficient more */
                make_shape(block, quant, 4, 4, shape % 128);
            else if (round % 8 < 6) /* DC, and one more */
                make_shape(block, quant, 1, 1, shape % 128);
            else
                make_shape(block, quant, shape % 9, shape / 9 % 9, -1);
        }
        check_blocks(blocks, quant, round);
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

TCase *idct_case(void)
{
    TCase *tc = tcase_create("idct");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, test_every_level_transforms_as_libjpeg_does);
    tcase_add_test(tc, test_blocks_of_every_shape_transform_as_libjpegs_do);
    tcase_add_test(tc, test_idct_stays_inside_its_rows_and_blocks);
    return tc;
}
