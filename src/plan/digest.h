/* Digests of delivered ids: sums of hashes modulo 2^128, so that the order
 * does not matter and ranks can be added up. */
#ifndef STK_DIGEST_H
#define STK_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "plan/order.h"
#include "stoker/stoker.h"

/* sum += SipHash-2-4-128(key of ids, id as 8 bytes, lowest first); sum[0] is
 * the low word.  The caller counts. */
void stk_digest_id(uint64_t sum[2], int64_t id);

/* As above by the key of bytes, over id and then an image. */
void stk_digest_image(uint64_t sum[2], int64_t id, const void *image,
                      size_t bytes);

/* sum += more, modulo 2^128. */
void stk_digest_sum(uint64_t sum[2], const uint64_t more[2]);

/* What positions from ... to-1 of an order add up to, in good. */
void stk_digest_range(const struct stk_order *order, int64_t from, int64_t to,
                      stoker_digest *out);

#endif
