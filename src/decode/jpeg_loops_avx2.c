/* Entropy decoding with BMI and AVX2. */
#include <immintrin.h>

#include "decode/jpeg_loops.h"

const struct stk_entropy_loops stk_entropy_avx2 = STK_ENTROPY_LOOPS;
