/* The definition of de-interleaving, and the choice of a kernel. */
#include "decode/deinterleave.h"

#include "stoker/stoker.h"

static void rgb_scalar(const uint8_t *restrict rgb, size_t n,
                       uint8_t *restrict red, uint8_t *restrict green,
                       uint8_t *restrict blue)
{
    for (size_t i = 0; i < n; i++) {
        red[i] = rgb[3 * i];
        green[i] = rgb[3 * i + 1];
        blue[i] = rgb[3 * i + 2];
    }
}

const struct stk_deinterleave stk_deinterleave_scalar = {rgb_scalar};

const struct stk_deinterleave *stk_deinterleave_for(int cpu)
{
#if defined(__x86_64__)
    if (cpu == STOKER_CPU_AVX512)
        return &stk_deinterleave_avx512;
    if (cpu == STOKER_CPU_AVX2)
        return &stk_deinterleave_avx2;
#endif
#if defined(__x86_64__) || defined(__aarch64__)
    if (cpu == STOKER_CPU_VEC128)
        return &stk_deinterleave_vec128;
#endif
    (void)cpu;
    return &stk_deinterleave_scalar;
}
