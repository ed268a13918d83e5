/* SHA-256 (FIPS 180-4), small and slow, for tests that compare with hashes
 * made elsewhere. */
#ifndef TEST_SHA256_H
#define TEST_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t n_bytes;
    uint8_t block[64];
};

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t n);
/* 64 digits and a final 0. */
void sha256_end(struct sha256 *hash, char hex[65]);

#endif
