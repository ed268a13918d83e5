/* Entropy decoding with BMI and AVX-512. */
#include <immintrin.h>

#include "decode/jpeg_loops.h"

const struct stk_entropy_loops stk_entropy_avx512 = STK_ENTROPY_LOOPS;
