/* Any bytes through a decoder whose allocations fail by a seed: an error with
 * a text or the image, and the same decoder goes on with the next bytes.
 * Linked with --wrap for stk_calloc, stk_calloc_aligned, stk_realloc and
 * stk_scratch_reserve. */
#include <errno.h>
#include <stdlib.h>

#include "mutate.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "decode/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

void *__real_stk_calloc(size_t n, size_t bytes);
void *__real_stk_calloc_aligned(size_t n, size_t bytes);
void *__real_stk_realloc(void *memory, size_t bytes);
int __real_stk_scratch_reserve(struct stk_scratch *scratch, size_t bytes);
void *__wrap_stk_calloc(size_t n, size_t bytes);
void *__wrap_stk_calloc_aligned(size_t n, size_t bytes);
void *__wrap_stk_realloc(void *memory, size_t bytes);
int __wrap_stk_scratch_reserve(struct stk_scratch *scratch, size_t bytes);

static uint32_t countdown; /* 0: nothing fails */
static int for_ever;

static int fails(void)
{
    if (countdown == 0 || --countdown > 0)
        return 0;
    countdown = (uint32_t)for_ever;
    return 1;
}

void *__wrap_stk_calloc(size_t n, size_t bytes)
{
    return fails() ? NULL : __real_stk_calloc(n, bytes);
}

void *__wrap_stk_calloc_aligned(size_t n, size_t bytes)
{
    return fails() ? NULL : __real_stk_calloc_aligned(n, bytes);
}

void *__wrap_stk_realloc(void *memory, size_t bytes)
{
    return fails() ? NULL : __real_stk_realloc(memory, bytes);
}

int __wrap_stk_scratch_reserve(struct stk_scratch *scratch, size_t bytes)
{
    if (bytes > scratch->bytes && fails())
        return -ENOMEM;
    return __real_stk_scratch_reserve(scratch, bytes);
}

/* One image as far as it goes; returns its code. */
static int decode(struct stk_decoder *decoder, struct stk_span bytes)
{
    struct stk_image image;
    struct stk_strip strip;
    stoker_error err = {0};

    int rc = stk_decoder_probe(decoder, bytes, "fuzz", &image, &err);
    if (rc == 0) {
        const struct stk_window all = {0, 0, image.height, image.width};
        rc = stk_decoder_begin(decoder, &all, &err);
    }
    while (rc == 0 && (rc = stk_decoder_rows(decoder, &strip, &err)) == 1)
        rc = 0;
    if (rc < 0 && (err.code != rc || !err.text[0]))
        abort();
    stk_decoder_end(decoder);
    return rc;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room,
                               unsigned seed)
{
    return fuzz_mutate(data, n, room, seed, 2, FUZZ_ALL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct stk_decoder *decoder = NULL;

    if (n < 3)
        return 0;
    struct stk_decode_limits limits = {
        .max_pixels = 1 << 18,
        .max_side = 1 << 14,
        .max_file_bytes = 1 << 20,
        .max_decoder_bytes = data[1] & 1 ? 1 << 16 : 32 << 20,
        .max_scans = 20,
        .max_decode_ms = 5000,
        .damaged =
            data[1] >> 1 & 1 ? STOKER_DAMAGED_LENIENT : STOKER_DAMAGED_PILLOW,
        .decoder = data[1] >> 2 & 1,
        .cpu = stk_cpu_best(),
    };
    const struct stk_span bytes = {data + 2, n - 2};
    countdown = 1u + data[0] % 64;
    for_ever = data[1] >> 7;
    int rc = stk_decoder_open(&decoder, &limits, NULL);
    if (rc == 0)
        decode(decoder, bytes);
    countdown = 0;
    if (rc == 0) { /* with memory again: what a fresh decoder says */
        int after = decode(decoder, bytes);
        struct stk_decoder *fresh = NULL;
        if (stk_decoder_open(&fresh, &limits, NULL) < 0 ||
            decode(fresh, bytes) != after)
            abort();
        stk_decoder_close(&fresh);
    }
    stk_decoder_close(&decoder);
    return 0;
}
