/* PNG files by hand, chunk by chunk; for tests alone. */
#ifndef STK_TEST_PNG_CHUNK_H
#define STK_TEST_PNG_CHUNK_H

#include <stdint.h>
#include <string.h>

#include <zlib.h>

/* Writes length, type, body and checksum; returns the byte behind them. */
static inline uint8_t *put_chunk(uint8_t *out, const char *type,
                                 const uint8_t *body, size_t n)
{
    uint8_t *start = out + 4;
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(n >> (24 - 8 * i));
    memcpy(start, type, 4);
    if (n)
        memcpy(start + 4, body, n);
    uint32_t crc = (uint32_t)crc32_z(0, start, n + 4);
    out = start + 4 + n;
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(crc >> (24 - 8 * i));
    return out + 4;
}

#endif
