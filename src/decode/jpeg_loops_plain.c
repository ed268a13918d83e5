/* Entropy decoding in portable C: the definition, correct on any machine. */
#include "decode/jpeg_loops.h"

const struct stk_entropy_loops stk_entropy_plain = STK_ENTROPY_LOOPS;
