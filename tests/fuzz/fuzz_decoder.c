/* Any bytes through the whole decoder: probe and a window, all codecs. */
#include "decode_any.h"
#include "mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room,
                               unsigned seed)
{
    return fuzz_mutate(data, n, room, seed, 5, FUZZ_ALL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 5)
        return 0;
    fuzz_decode(data, (struct stk_span){data + 5, n - 5});
    return 0;
}
