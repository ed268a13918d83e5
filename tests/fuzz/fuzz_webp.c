/* WebPs whose outer length is made right. */
#include "decode_any.h"
#include "mutate.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room,
                               unsigned seed)
{
    return fuzz_mutate(data, n, room, seed, 5, FUZZ_WEBP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 5 + 16)
        return 0;
    size_t size = n - 5;
    uint8_t *webp = malloc(size);
    memcpy(webp, data + 5, size);
    memcpy(webp, "RIFF", 4);
    memcpy(webp + 8, "WEBPVP8", 7);
    for (size_t i = 0; i < 4; i++)
        webp[4 + i] = (uint8_t)((size - 8) >> (8 * i));
    fuzz_decode(data, (struct stk_span){webp, size});
    free(webp);
    return 0;
}
