/* SipHash-2-4 with 128 bits out (Aumasson and Bernstein, "SipHash: a fast
 * short-input PRF", 2012), as a stream.  The keys are fixed and public: it
 * tells data apart, it keeps no secret.  Bytes in, bytes out: the same on
 * every machine, whatever its byte order. */
#ifndef STK_HASH_H
#define STK_HASH_H

#include <stddef.h>
#include <stdint.h>

/* A hash under way; owned by one thread. */
struct stk_hash {
    uint64_t v0, v1, v2, v3;
    uint64_t tail; /* the last n % 8 bytes, first byte lowest */
    uint64_t n;    /* bytes so far */
};

/* The key of fingerprints, checksums and stk_hash128(). */
extern const uint8_t stk_hash_key[16];
/* The key of digests of ids. */
extern const uint8_t stk_hash_key_id[16];

void stk_hash_begin(struct stk_hash *hash, const uint8_t key[16]);
void stk_hash_add(struct stk_hash *hash, const void *bytes, size_t n);
/* Adds eight bytes, lowest first. */
void stk_hash_add_u64(struct stk_hash *hash, uint64_t value);
void stk_hash_end(struct stk_hash *hash, uint8_t out[16]);

/* All at once, by stk_hash_key. */
void stk_hash128(const void *bytes, size_t n, uint8_t out[16]);

#endif
