/* JPEGs cut short: what our decoder says of them without libjpeg is what
 * libjpeg says. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "decode/decode.h"
#include "jpeg_files.h"
#include "run_suite.h"

static struct stk_decoder *open_decoder(int which)
{
    const struct stk_decode_limits limits = {
        .max_pixels = 1 << 28,
        .max_side = 65500,
        .max_file_bytes = 1 << 28,
        .max_decoder_bytes = 1 << 30,
        .max_scans = 500,
        .max_decode_ms = 30000,
        .decoder = which,
        .cpu = stk_cpu_best(),
    };
    struct stk_decoder *decoder;
    ck_assert_int_eq(stk_decoder_open(&decoder, &limits, NULL), 0);
    return decoder;
}

static int verdict_of(struct stk_decoder *decoder, struct file file,
                      stoker_error *err)
{
    struct stk_image image;
    struct stk_span bytes = {file.data, file.n};
    int rc = stk_decoder_probe(decoder, bytes, "x.jpg", &image, err);
    stk_decoder_end(decoder);
    return rc;
}

/* Cut at every byte, also with a byte changed before: what our decoder says
 * without libjpeg is what libjpeg says. */
START_TEST(test_a_cut_file_has_one_verdict)
{
    static const struct look looks[] = {{64, 48, JCS_RGB, 2, 2, false, 0},
                                        {48, 64, JCS_RGB, 1, 1, false, 0},
                                        {64, 40, JCS_RGB, 2, 1, false, 3},
                                        {70, 50, JCS_GRAYSCALE, 1, 1, false, 0},
                                        {64, 48, JCS_RGB, 2, 2, true, 0}};
    struct file file = make_jpeg(looks[_i]);
    struct stk_decoder *ours = open_decoder(STOKER_DECODER_AUTO);
    struct stk_decoder *theirs = open_decoder(STOKER_DECODER_LIBJPEG);
    stoker_error err[2];
    for (int damaged = 0; damaged < 4; damaged++)
        for (unsigned long n = file.n; n > 0; n--) {
            struct file cut = {malloc(n), n};
            memcpy(cut.data, file.data, n);
            if (damaged)
                cut.data[n * (unsigned)damaged / 4] ^= (unsigned char)(1 + n);
            int rc = verdict_of(ours, cut, &err[0]);
            ck_assert_int_eq(rc, verdict_of(theirs, cut, &err[1]));
            ck_assert_str_eq(rc ? err[0].text : "", rc ? err[1].text : "");
            free(cut.data);
        }
    stk_decoder_close(&ours);
    stk_decoder_close(&theirs);
    free(file.data);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cut");
    TCase *tc = tcase_create("cut");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, test_a_cut_file_has_one_verdict, 0, 5);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
