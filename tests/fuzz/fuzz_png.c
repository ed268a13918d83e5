/* PNGs with all their checksums made right, so that mutations reach what lies
 * behind them. */
#include "decode_any.h"
#include "mutate.h"
#include "png_maker.h"

#include <string.h>
#include <zlib.h>

enum { CHOICES = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void mend(uint8_t *png, size_t n)
{
    size_t at = 8;
    while (n - at >= 12 && png_be32(png + at) <= n - at - 12) {
        size_t body = png_be32(png + at);
        uint32_t crc = (uint32_t)crc32_z(0, png + at + 4, body + 4);
        for (size_t i = 0; i < 4; i++)
            png[at + 8 + body + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += body + 12;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room,
                               unsigned seed)
{
    return fuzz_mutate(data, n, room, seed, CHOICES, FUZZ_PNG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < CHOICES + 8)
        return 0;
    uint8_t *png = malloc(n - CHOICES);
    memcpy(png, data + CHOICES, n - CHOICES);
    memcpy(png, "\x89PNG\r\n\x1a\n", 8);
    mend(png, n - CHOICES);
    fuzz_decode(data, (struct stk_span){png, n - CHOICES});
    free(png);
    return 0;
}
