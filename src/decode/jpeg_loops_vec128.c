/* Entropy decoding at the level of SSE4.1 and NEON. */
#include "decode/jpeg_loops.h"

const struct stk_entropy_loops stk_entropy_vec128 = STK_ENTROPY_LOOPS;
