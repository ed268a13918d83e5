/* The decoder's verdicts where Pillow's rules are odd: which chunks and
 * segments of generated files it stumbles over.  Apart from test_codecs.c
 * because no pixel is looked at. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "decode/decode.h"
#include "jpeg_files.h"
#include "stoker/stoker.h"
#if defined(STK_HAVE_PNG)
#include "png_chunk.h"
#include "run_suite.h"
#endif

static struct stk_decoder *open_decoder(void)
{
    const struct stk_decode_limits limits = {
        .max_pixels = 1 << 24,
        .max_side = 65500,
        .max_file_bytes = 1 << 24,
        .max_decoder_bytes = 1 << 28,
        .max_scans = 100,
        .max_decode_ms = 30000,
        .cpu = STOKER_CPU_SCALAR,
    };
    struct stk_decoder *decoder;
    ck_assert_int_eq(stk_decoder_open(&decoder, &limits, NULL), 0);
    return decoder;
}

static int verdict(struct stk_decoder *decoder, const uint8_t *bytes, size_t n)
{
    struct stk_image image;
    return stk_decoder_probe(decoder, (struct stk_span){bytes, n}, "x", &image,
                             NULL);
}

/* Pillow's rules for Photoshop's resources: it reads one of them, whose end
 * may come early, and stumbles only over a name's length that is missing. */
START_TEST(test_a_short_photoshop_resolution_ends_the_resources)
{
    static const struct {
        size_t n;
        const char *resources;
        int verdict;
    } cases[] = {
        {0, "", 0},
        {16, "8BIM\x04\x04\0\0\0\0\0\4abcd", 0},
        {6, "8BIM\x04\x04", -EBADMSG},
        {22, "8BIM\x04\x04\0\0\0\0\0\4abcd8BIM\x04\x04", -EBADMSG},
        {22, "8BIM\x03\xed\0\0\0\0\0\4abcd8BIM\x04\x04", 0},
        {22,
         "8BIM\x03\xed\0\0\0\0\0\x0e"
         "abcd8BIM\x04\x04",
         0},
        {32,
         "8BIM\x03\xed\0\0\0\0\0\x0e"
         "abcdefghijklmn8BIM\x04\x04",
         -EBADMSG},
    };
    const struct look look = {33, 25, JCS_RGB, 2, 2, false, 0};
    struct file file = make_jpeg(look);
    uint8_t *bytes = malloc(file.n + 100);
    struct stk_decoder *decoder = open_decoder();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = cases[i].n + 16; /* the length's own two bytes, too */
        memcpy(bytes, "\xff\xd8\xff\xed\0", 5);
        bytes[5] = (uint8_t)n;
        memcpy(bytes + 6, "Photoshop 3.0\0", 14);
        memcpy(bytes + 20, cases[i].resources, cases[i].n);
        memcpy(bytes + 4 + n, file.data + 2, file.n - 2);
        ck_assert_int_eq(verdict(decoder, bytes, file.n + 2 + n),
                         cases[i].verdict);
    }
    stk_decoder_close(&decoder);
    free(bytes);
    free(file.data);
}
END_TEST

#if defined(STK_HAVE_PNG)
/* Pillow looks a transparent index up in the palette, and stops where there is
 * none; other transparency it drops. */
START_TEST(test_a_png_key_needs_a_palette)
{
    static const struct {
        size_t n;
        const char *key;
        bool has_palette, is_behind;
        int verdict;
    } cases[] = {
        {1, "\0", false, false, -EBADMSG},
        {3, "\xff\0\xff", false, false, -EBADMSG},
        {3, "\xff\0\xff", false, true, -EBADMSG},
        {3, "\xff\0\xff", true, false, 0},
        {2, "\xff\xff", false, false, 0},
        {2, "\0\0", false, false, 0},
        {2, "\1\0", false, false, 0},
    };
    static const uint8_t head[13] = {0, 0, 0, 1, 0, 0, 0, 1, 8, 3};
    static const uint8_t line[2], palette[3] = {1, 2, 3};
    struct stk_decoder *decoder = open_decoder();
    uint8_t packed[64], file[400];
    uLongf n = sizeof packed;

    ck_assert_int_eq(compress(packed, &n, line, sizeof line), Z_OK);
    memcpy(file, "\x89PNG\r\n\x1a\n", 8);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const uint8_t *key = (const uint8_t *)cases[i].key;
        uint8_t *end = put_chunk(file + 8, "IHDR", head, sizeof head);
        if (cases[i].has_palette)
            end = put_chunk(end, "PLTE", palette, sizeof palette);
        if (!cases[i].is_behind)
            end = put_chunk(end, "tRNS", key, cases[i].n);
        end = put_chunk(end, "IDAT", packed, n);
        if (cases[i].is_behind)
            end = put_chunk(end, "tRNS", key, cases[i].n);
        end = put_chunk(end, "IEND", NULL, 0);
        ck_assert_int_eq(verdict(decoder, file, (size_t)(end - file)),
                         cases[i].verdict);
    }
    stk_decoder_close(&decoder);
}
END_TEST

/* To Pillow, chunks in front of IHDR are of no image: data are passed over, a
 * key is none. */
START_TEST(test_png_chunks_in_front_of_the_header_do_not_matter)
{
    static const uint8_t head[13] = {0, 0, 0, 1, 0, 0, 0, 1, 8, 3};
    static const uint8_t line[2], key[1];
    struct stk_decoder *decoder = open_decoder();
    uint8_t packed[64], file[400];
    uLongf n = sizeof packed;

    ck_assert_int_eq(compress(packed, &n, line, sizeof line), Z_OK);
    memcpy(file, "\x89PNG\r\n\x1a\n", 8);
    uint8_t *end = put_chunk(file + 8, "IDAT", packed, n - 1);
    end = put_chunk(end, "tRNS", key, sizeof key);
    end = put_chunk(end, "IHDR", head, sizeof head);
    end = put_chunk(end, "IDAT", packed, n);
    end = put_chunk(end, "IEND", NULL, 0);
    ck_assert_int_eq(verdict(decoder, file, (size_t)(end - file)), 0);
    file[end - file - 1] ^= 1; /* a checksum that nobody reads */
    ck_assert_int_eq(verdict(decoder, file, (size_t)(end - file)), 0);
    file[20] ^= 1; /* one that counts, of the passed over data */
    ck_assert_int_eq(verdict(decoder, file, (size_t)(end - file)), -EBADMSG);
    stk_decoder_close(&decoder);
}
END_TEST

/* Loop: without time, and with enough. */
START_TEST(test_time_that_png_texts_take_to_expand_is_limited)
{
    static const uint8_t head[13] = {0, 0, 0, 1, 0, 0, 0, 1, 8, 0};
    static const uint8_t line[2], profile[1 << 16];
    uint8_t packed[64], file[1000], body[500] = "n";
    struct stk_decoder *decoder;
    struct stk_image image;
    stoker_error err;
    uLongf n = sizeof packed, n_body = sizeof body - 3;
    const struct stk_decode_limits limits = {
        .max_pixels = 100,
        .max_side = 100,
        .max_file_bytes = sizeof file,
        .max_decode_ms = _i ? 60000 : 0,
        .cpu = STOKER_CPU_SCALAR,
    };

    ck_assert_int_eq(compress(packed, &n, line, sizeof line), Z_OK);
    ck_assert_int_eq(compress(body + 3, &n_body, profile, sizeof profile),
                     Z_OK);
    ck_assert_int_eq(stk_decoder_open(&decoder, &limits, NULL), 0);
    memcpy(file, "\x89PNG\r\n\x1a\n", 8);
    uint8_t *end = put_chunk(file + 8, "IHDR", head, sizeof head);
    end = put_chunk(end, "iCCP", body, 3 + n_body);
    end = put_chunk(end, "IDAT", packed, n);
    end = put_chunk(end, "IEND", NULL, 0);
    struct stk_span bytes = {file, (size_t)(end - file)};
    int rc = stk_decoder_probe(decoder, bytes, "a.png", &image, &err);
    ck_assert_int_eq(rc, _i ? 0 : -EFBIG);
    if (rc < 0)
        ck_assert_ptr_nonnull(strstr(err.text, "a.png: its texts take longer"));
    stk_decoder_close(&decoder);
}
END_TEST

/* A frame's box is checked against the IHDR in front of it, and a second IHDR
 * may make the image smaller than the box. */
START_TEST(test_a_png_frame_that_leaves_a_later_smaller_image_is_refused)
{
    enum { SIDE = 200, BYTES = SIDE * (SIDE * 3 + 1) };
    static const uint8_t large[13] = {0, 0, 0, SIDE, 0, 0, 0, SIDE, 8, 2};
    static const uint8_t smaller[3][13] = {
        {0, 0, 0, 1, 0, 0, 0, 1, 8, 2},
        {0, 0, 0, SIDE - 1, 0, 0, 0, SIDE, 8, 2},
        {0, 0, 0, SIDE, 0, 0, 0, SIDE - 1, 8, 2},
    };
    static const uint8_t frame[26] = {0, 0, 0, 0, 0, 0, 0, SIDE, 0, 0, 0, SIDE};
    static uint8_t lines[BYTES], packed[2 * BYTES], file[2 * BYTES + 200];
    struct stk_decoder *decoder = open_decoder();
    uLongf n = sizeof packed;

    ck_assert_int_eq(compress(packed, &n, lines, sizeof lines), Z_OK);
    for (int i = 0; i < 3; i++) {
        struct stk_image image;
        stoker_error err;
        memcpy(file, "\x89PNG\r\n\x1a\n", 8);
        uint8_t *end = put_chunk(file + 8, "IHDR", large, sizeof large);
        end = put_chunk(end, "fcTL", frame, sizeof frame);
        end = put_chunk(end, "IHDR", smaller[i], sizeof smaller[i]);
        end = put_chunk(end, "IDAT", packed, n);
        end = put_chunk(end, "IEND", NULL, 0);
        struct stk_span bytes = {file, (size_t)(end - file)};
        ck_assert_int_eq(
            stk_decoder_probe(decoder, bytes, "a.png", &image, &err), -EBADMSG);
        ck_assert_ptr_nonnull(strstr(err.text, "a.png: an APNG frame outside"));
    }
    stk_decoder_close(&decoder);
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("verdicts");
    TCase *tc = tcase_create("verdicts");
    tcase_add_test(tc, test_a_short_photoshop_resolution_ends_the_resources);
#if defined(STK_HAVE_PNG)
    tcase_add_test(tc, test_a_png_key_needs_a_palette);
    tcase_add_loop_test(tc, test_time_that_png_texts_take_to_expand_is_limited,
                        0, 2);
    tcase_add_test(tc, test_png_chunks_in_front_of_the_header_do_not_matter);
    tcase_add_test(
        tc, test_a_png_frame_that_leaves_a_later_smaller_image_is_refused);
#else
    fprintf(stderr, "SKIPPED: PNG is not built in\n");
#endif
    suite_add_tcase(s, tc);
    return run_suite(s);
}
