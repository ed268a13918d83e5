/* Any bytes through stoker's own JPEG decoder, whole and a window, at every
 * CPU level this machine has: nothing is touched that should not be, levels
 * agree, and what is ours equals libjpeg's pixels. */
#include "../unit/jpeg_pixels.h"

#include <stdlib.h>

#include "mutate.h"

#include "base/cpu.h"
#include "stoker/stoker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX_PIXELS = 1 << 17 };

static void must(bool right)
{
    if (!right)
        __builtin_trap();
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room,
                               unsigned seed)
{
    return fuzz_mutate(data, n, room, seed, 0, FUZZ_JPEG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const int levels[] = {STOKER_CPU_SCALAR, STOKER_CPU_VEC128,
                                 STOKER_CPU_AVX2, STOKER_CPU_AVX512};
    static struct stk_jpeg_decoder *decoder[4];
    struct stk_jpeg jpeg;
    struct stk_span bytes = {data, n};
    struct jpeg_pixels truth;
    unsigned random = (unsigned)n;

    if (stk_jpeg_parse(&jpeg, bytes) ||
        (int64_t)jpeg.width * jpeg.height > MAX_PIXELS)
        return 0;
    for (size_t i = jpeg.entropy_offset; i < n && i < 4000; i += 7)
        random = random * 31 + data[i];
    /* What the header parser takes, libjpeg decodes somehow. */
    must(jpeg_pixels_of(&truth, data, n));
    must(truth.width == jpeg.width && truth.height == jpeg.height);
    for (int i = 0; i < 3; i++) {
        struct stk_window w = {0, 0, truth.height, truth.width};
        int first = 0;
        if (i)
            w = jpeg_random_window(&truth, &random);
        for (int l = 0; l < 4; l++) {
            if (stk_cpu_resolve(levels[l]) < 0)
                continue;
            if (!decoder[l])
                must(stk_jpeg_decoder_open(&decoder[l], levels[l]) == 0);
            int rc = jpeg_window_check(decoder[l], &jpeg, bytes, &w, &truth);
            must(rc >= 0);
            if (l == 0)
                first = rc;
            must(rc == first);
        }
    }
    free(truth.rgb);
    return 0;
}
