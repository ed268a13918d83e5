/* By the image's magic bytes. */
#include "mutate.h"

#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "jpeg_maker.h"
#include "png_maker.h"

#if defined(STK_HAVE_WEBP)
#include <webp/encode.h>
#endif

enum { FRESH_ONE_IN = 64, LEAST = 16 };

#if defined(STK_HAVE_WEBP)
static size_t webp_draw(uint8_t *out, size_t room, uint32_t seed)
{
    enum { MAX_SIDE = 48 };
    uint8_t rgba[MAX_SIDE * MAX_SIDE * 4], *bytes = NULL;
    int width = 1 + (int)draw(&seed, MAX_SIDE);
    int height = 1 + (int)draw(&seed, MAX_SIDE);
    uint32_t what = draw(&seed, 4), noise = 1 << draw(&seed, 9);
    size_t n;

    for (size_t i = 0; i < sizeof rgba; i++)
        rgba[i] = (uint8_t)(i / 7 + draw(&seed, noise));
    if (what == 0)
        n = WebPEncodeLosslessRGB(rgba, width, height, width * 3, &bytes);
    else if (what == 1)
        n = WebPEncodeLosslessRGBA(rgba, width, height, width * 4, &bytes);
    else if (what == 2)
        n = WebPEncodeRGBA(rgba, width, height, width * 4,
                           (float)draw(&seed, 101), &bytes);
    else
        n = WebPEncodeRGB(rgba, width, height, width * 3,
                          (float)draw(&seed, 101), &bytes);
    if (n > room)
        n = 0;
    if (n)
        memcpy(out, bytes, n);
    WebPFree(bytes);
    return n;
}
#endif

size_t fuzz_make(uint8_t *out, size_t room, uint32_t seed, unsigned kinds)
{
    unsigned kind;

    do /* one of those asked for */
        kind = 1u << draw(&seed, 3);
    while (!(kinds & kind));
#if defined(STK_HAVE_PNG)
    if (kind == FUZZ_PNG)
        return png_draw(out, room, seed);
#endif
#if defined(STK_HAVE_WEBP)
    if (kind == FUZZ_WEBP)
        return webp_draw(out, room, seed);
#endif
    return jpeg_draw(out, room, seed);
}

size_t fuzz_mutate(uint8_t *data, size_t n, size_t room, unsigned seed,
                   size_t choices, unsigned kinds)
{
    uint32_t random = seed;

    if (room < choices + LEAST)
        return LLVMFuzzerMutate(data, n, room);
    uint8_t *image = data + choices;
    if (n < choices + LEAST || draw(&random, FRESH_ONE_IN) == 0) {
        for (size_t i = 0; i < choices; i++)
            data[i] = (uint8_t)draw(&random, 256);
        return choices + fuzz_make(image, room - choices, random, kinds);
    }
    if (draw(&random, 2))
        return LLVMFuzzerMutate(data, n, room);
    if (image[0] == 0xFF && image[1] == 0xD8)
        return choices +
               jpeg_shuffle(image, n - choices, room - choices, random);
#if defined(STK_HAVE_PNG)
    if (memcmp(image, "\x89PNG", 4) == 0)
        return choices +
               png_shuffle(image, n - choices, room - choices, random);
#endif
    return LLVMFuzzerMutate(data, n, room);
}
