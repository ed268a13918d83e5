/* How image targets mutate: fresh well-formed images now and then, whole
 * segments or chunks put about, else libFuzzer's own ways. */
#ifndef FUZZ_MUTATE_H
#define FUZZ_MUTATE_H

#include <stddef.h>
#include <stdint.h>

enum { FUZZ_JPEG = 1, FUZZ_PNG = 2, FUZZ_WEBP = 4, FUZZ_ALL = 7 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t n, size_t room);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room,
                               unsigned seed);

/* A well-formed image of one of the kinds; 0 where there is no room. */
size_t fuzz_make(uint8_t *out, size_t room, uint32_t seed, unsigned kinds);

/* For LLVMFuzzerCustomMutator.  The first `choices` bytes are the target's
 * own, the image follows; kinds: which images to make. */
size_t fuzz_mutate(uint8_t *data, size_t n, size_t room, unsigned seed,
                   size_t choices, unsigned kinds);

#endif
