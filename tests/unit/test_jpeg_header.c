/* What the JPEG header parser takes and what it leaves to libjpeg: markers
 * put together by hand. */
#include <check.h>

#include "jpeg_oracle.h"
#include "run_suite.h"

/* A file under construction. */
struct draft {
    unsigned char data[65536];
    size_t n;
};

static void put(struct draft *d, const void *bytes, size_t n)
{
    ck_assert_uint_le(d->n + n, sizeof d->data);
    memcpy(d->data + d->n, bytes, n);
    d->n += n;
}

static void put_marker(struct draft *d, int marker, const void *body, size_t n)
{
    unsigned char head[4] = {0xff, (unsigned char)marker,
                             (unsigned char)((n + 2) >> 8),
                             (unsigned char)(n + 2)};
    put(d, head, 4);
    put(d, body, n);
}

static void put_start(struct draft *d)
{
    d->n = 0;
    put(d, "\xff\xd8", 2);
}

static void put_quant(struct draft *d, int slot, int value)
{
    unsigned char body[65];
    memset(body, value, sizeof body);
    body[0] = (unsigned char)slot;
    put_marker(d, 0xdb, body, sizeof body);
}

/* n components, the first with factors hv (0x21: two across, one down). */
static void put_frame(struct draft *d, int sof, int width, int height, int n,
                      int hv)
{
    unsigned char body[18] = {8,
                              (unsigned char)(height >> 8),
                              (unsigned char)height,
                              (unsigned char)(width >> 8),
                              (unsigned char)width,
                              (unsigned char)n};
    for (int c = 0; c < n && c < 4; c++) {
        body[6 + 3 * c] = (unsigned char)(c + 1);
        body[7 + 3 * c] = (unsigned char)(c ? 0x11 : hv);
        body[8 + 3 * c] = 0;
    }
    put_marker(d, sof, body, 6 + 3 * (size_t)n);
}

static void put_scan(struct draft *d, int n)
{
    unsigned char body[12] = {(unsigned char)n};
    for (int c = 0; c < n; c++)
        body[1 + 2 * c] = (unsigned char)(c + 1);
    body[1 + 2 * n + 1] = 63;
    put_marker(d, 0xda, body, 4 + 2 * (size_t)n);
}

static int parse(const struct draft *d, struct stk_jpeg *jpeg)
{
    unsigned char *exact = malloc(d->n + 1); /* for the address sanitizer */
    memcpy(exact, d->data, d->n);
    int said = stk_jpeg_parse(jpeg, (struct stk_span){exact, d->n});
    free(exact);
    return said;
}

static int parse_plain(int sof, int width, int height, int n, int hv,
                       struct stk_jpeg *jpeg)
{
    struct draft d;
    put_start(&d);
    put_quant(&d, 0, 1);
    put_frame(&d, sof, width, height, n, hv);
    put_scan(&d, n);
    return parse(&d, jpeg);
}

START_TEST(test_a_header_says_what_it_holds)
{
    struct stk_jpeg jpeg;
    struct draft d;
    put_start(&d);
    put_marker(&d, 0xe0, "JFIF\0\1\1\0\0\1\0\1\0\0", 14);
    put_marker(&d, 0xfe, "a comment", 9);
    put_frame(&d, 0xc0, 33, 70, 3, 0x22); /* tables may come after the frame */
    put_marker(&d, 0xdd, "\0\5", 2);
    put_quant(&d, 0, 7);
    put_quant(&d, 0, 9);        /* the last one counts */
    put(&d, "\xff\xff\xff", 3); /* fill bytes before a marker */
    put_scan(&d, 3);
    put(&d, "data", 4);
    ck_assert_int_eq(parse(&d, &jpeg), 0);
    ck_assert_int_eq(jpeg.width, 33);
    ck_assert_int_eq(jpeg.height, 70);
    ck_assert_int_eq(jpeg.n_components, 3);
    ck_assert_int_eq(jpeg.h_max, 2);
    ck_assert_int_eq(jpeg.v_max, 2);
    ck_assert_int_eq(jpeg.mcus_x, 3);
    ck_assert_int_eq(jpeg.mcus_y, 5);
    ck_assert_int_eq(jpeg.n_blocks, 6);
    ck_assert_int_eq(jpeg.block_component[3], 0);
    ck_assert_int_eq(jpeg.block_component[5], 2);
    ck_assert_int_eq(jpeg.restart_interval, 5);
    ck_assert_int_eq(jpeg.component[2].quant[63], 9);
    ck_assert_int_eq(jpeg.colour, STK_JPEG_YCC);
    ck_assert_uint_eq(jpeg.entropy_bytes, 4);
    ck_assert_uint_eq(jpeg.entropy_offset, d.n - 4);
}
END_TEST

START_TEST(test_kinds_that_are_ours)
{
    struct stk_jpeg jpeg;
    static const int factors[] = {0x11, 0x12, 0x21, 0x22};
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(parse_plain(0xc0, 9, 9, 3, factors[i], &jpeg), 0);
        ck_assert_int_eq(parse_plain(0xc1, 9, 9, 3, factors[i], &jpeg), 0);
        ck_assert_int_eq(parse_plain(0xc0, 9, 9, 1, factors[i], &jpeg), 0);
        ck_assert_int_eq(jpeg.n_blocks, 1);
        ck_assert_int_eq(jpeg.mcus_x, 2);
        ck_assert_int_eq(jpeg.colour, STK_JPEG_GREY);
    }
    ck_assert_int_eq(parse_plain(0xc0, 65500, 65500, 3, 0x11, &jpeg), 0);
}
END_TEST

START_TEST(test_kinds_that_are_not_mine)
{
    struct stk_jpeg jpeg;
    for (int sof = 0xc2; sof <= 0xcf; sof++)
        ck_assert_int_eq(parse_plain(sof, 9, 9, 3, 0x11, &jpeg), 1);
    ck_assert_int_eq(parse_plain(0xc0, 0, 9, 3, 0x11, &jpeg), 1);
    ck_assert_int_eq(parse_plain(0xc0, 9, 0, 3, 0x11, &jpeg), 1);
    ck_assert_int_eq(parse_plain(0xc0, 65501, 9, 3, 0x11, &jpeg), 1);
    ck_assert_int_eq(parse_plain(0xc0, 9, 9, 2, 0x11, &jpeg), 1);
    ck_assert_int_eq(parse_plain(0xc0, 9, 9, 4, 0x11, &jpeg), 1);
    ck_assert_int_eq(parse_plain(0xc0, 9, 9, 3, 0x41, &jpeg), 1);
    ck_assert_int_eq(parse_plain(0xc0, 9, 9, 3, 0x10, &jpeg), 1);
    ck_assert_int_eq(parse_plain(0xc0, 9, 9, 1, 0x51, &jpeg), 1);
}
END_TEST

START_TEST(test_colour_is_decided_as_libjpeg_does)
{
    static const struct {
        const char *app, *ids;
        int transform, want;
    } cases[] = {
        {"none", "\1\2\3", 0, STK_JPEG_YCC},  {"none", "RGB", 0, STK_JPEG_RGB},
        {"none", "xyz", 0, STK_JPEG_YCC},     {"jfif", "RGB", 0, STK_JPEG_YCC},
        {"adobe", "\1\2\3", 0, STK_JPEG_RGB}, {"adobe", "RGB", 1, STK_JPEG_YCC},
        {"both", "RGB", 0, STK_JPEG_YCC},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stk_jpeg jpeg;
        struct draft d;
        unsigned char adobe[12] = "Adobe\0\0\0\0\0\0";
        adobe[11] = (unsigned char)cases[i].transform;
        bool both = cases[i].app[0] == 'b';
        put_start(&d);
        if (both || cases[i].app[0] == 'j')
            put_marker(&d, 0xe0, "JFIF\0\1\1\0\0\1\0\1\0\0", 14);
        if (both || cases[i].app[0] == 'a')
            put_marker(&d, 0xee, adobe, 12);
        put_quant(&d, 0, 1);
        put_frame(&d, 0xc0, 8, 8, 3, 0x11);
        unsigned char *frame = d.data + d.n - 9;
        put_scan(&d, 3);
        unsigned char *scan = d.data + d.n - 9;
        for (int c = 0; c < 3; c++)
            frame[3 * c] = scan[2 * c] = (unsigned char)cases[i].ids[c];
        ck_assert_int_eq(parse(&d, &jpeg), 0);
        ck_assert_int_eq(jpeg.colour, cases[i].want);
    }
}
END_TEST

static int parse_with_table(int slot_and_class, const unsigned char *counts,
                            int symbol)
{
    struct stk_jpeg jpeg;
    struct draft d;
    unsigned char body[17 + 256];
    size_t n = 0;
    body[0] = (unsigned char)slot_and_class;
    memcpy(body + 1, counts, 16);
    for (int i = 0; i < 16; i++)
        n += counts[i];
    memset(body + 17, symbol, 256);
    put_start(&d);
    put_quant(&d, 0, 1);
    put_marker(&d, 0xc4, body, 17 + n);
    put_frame(&d, 0xc0, 8, 8, 1, 0x11);
    put_scan(&d, 1);
    return parse(&d, &jpeg);
}

START_TEST(test_huffman_tables_libjpeg_refuses_are_not_mine)
{
    ck_assert_int_eq(parse_with_table(0x00, (unsigned char[16]){1}, 0), 0);
    /* A DC category above 15; as AC symbol it is one. */
    ck_assert_int_eq(parse_with_table(0x00, (unsigned char[16]){1}, 16), 1);
    ck_assert_int_eq(parse_with_table(0x10, (unsigned char[16]){1}, 16), 0);
    /* All ones; too many; none. */
    ck_assert_int_eq(parse_with_table(0x10, (unsigned char[16]){2}, 1), 1);
    ck_assert_int_eq(parse_with_table(0x10, (unsigned char[16]){0, 5}, 1), 1);
    ck_assert_int_eq(parse_with_table(0x10, (unsigned char[16]){1, 1, 3}, 1),
                     1);
    ck_assert_int_eq(parse_with_table(0x10, (unsigned char[16]){0}, 1), 1);
    /* No such slot or class; a broken table that nobody uses is fine. */
    ck_assert_int_eq(parse_with_table(0x04, (unsigned char[16]){1}, 0), 1);
    ck_assert_int_eq(parse_with_table(0x20, (unsigned char[16]){1}, 0), 1);
    ck_assert_int_eq(parse_with_table(0x13, (unsigned char[16]){2}, 1), 0);
}
END_TEST

START_TEST(test_missing_and_odd_tables)
{
    struct stk_jpeg jpeg;
    struct draft d;

    /* No quantiser at all; one beyond signed 16 bits; a zero is allowed. */
    put_start(&d);
    put_frame(&d, 0xc0, 8, 8, 1, 0x11);
    put_scan(&d, 1);
    ck_assert_int_eq(parse(&d, &jpeg), 1);
    for (int high = 0; high < 256; high += 127) {
        unsigned char body[129];
        memset(body, high, sizeof body);
        body[0] = 0x10;
        put_start(&d);
        put_marker(&d, 0xdb, body, sizeof body);
        put_frame(&d, 0xc0, 8, 8, 1, 0x11);
        put_scan(&d, 1);
        ck_assert_int_eq(parse(&d, &jpeg), high > 127);
    }
    /* The usual Huffman tables stand in for slots 0 and 1, not 2 and 3. */
    put_start(&d);
    put_quant(&d, 0, 1);
    put_frame(&d, 0xc0, 8, 8, 1, 0x11);
    put_scan(&d, 1);
    for (int slots = 0; slots < 256; slots++) {
        d.data[d.n - 4] = (unsigned char)slots;
        ck_assert_int_eq(parse(&d, &jpeg), (slots & 15) > 1 || slots >> 4 > 1);
    }
}
END_TEST

START_TEST(test_every_byte_of_a_header_may_be_anything)
{
    struct jpeg_wish wish = {.width = 9,
                             .height = 9,
                             .n_components = 3,
                             .h = 2,
                             .v = 2,
                             .restart = 1};
    struct jpeg_file file = jpeg_make(&wish);
    struct stk_jpeg jpeg;
    int n_taken = 0;
    for (size_t at = 0; at < file.n; at++) {
        unsigned char was = file.data[at];
        for (int byte = 0; byte < 256; byte++) {
            file.data[at] = (unsigned char)byte;
            n_taken +=
                !stk_jpeg_parse(&jpeg, (struct stk_span){file.data, file.n});
        }
        file.data[at] = was;
    }
    for (size_t n = 0; n < file.n; n++) {
        struct draft d = {.n = 0};
        put(&d, file.data, n);
        n_taken += !parse(&d, &jpeg);
    }
    ck_assert_int_gt(n_taken, 0);
    free(file.data);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jpeg_header");
    TCase *tc = tcase_create("markers");
    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, test_a_header_says_what_it_holds);
    tcase_add_test(tc, test_kinds_that_are_ours);
    tcase_add_test(tc, test_kinds_that_are_not_mine);
    tcase_add_test(tc, test_colour_is_decided_as_libjpeg_does);
    tcase_add_test(tc, test_huffman_tables_libjpeg_refuses_are_not_mine);
    tcase_add_test(tc, test_missing_and_odd_tables);
    tcase_add_test(tc, test_every_byte_of_a_header_may_be_anything);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
