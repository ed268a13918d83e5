/* Chunks put one behind the other, and put about. */
#include "png_maker.h"

#include <string.h>
#include <zlib.h>

#include "draw.h"

enum { MAX_CHUNKS = 64, SIDE = 24, MAX_SIDE = 200, SIGNATURE = 8, FRAME = 12 };

static const char names[][5] = {"IHDR", "PLTE", "IDAT", "IEND", "tRNS", "fcTL",
                                "fdAT", "acTL", "iCCP", "zTXt", "tEXt", "iTXt",
                                "gAMA", "cHRM", "sRGB", "pHYs", "bKGD", "eXIf"};

struct out {
    uint8_t *data;
    size_t n, room;
};

uint32_t png_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

static void put_be32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void put(struct out *out, const char *name, const void *body, size_t n)
{
    if (out->room - out->n < n + FRAME) {
        out->room = out->n; /* full: nothing behind it either */
        return;
    }
    uint8_t *at = out->data + out->n;
    put_be32(at, (uint32_t)n);
    memcpy(at + 4, name, 4);
    if (n)
        memcpy(at + 8, body, n);
    memset(at + 8 + n, 0, 4);
    out->n += n + FRAME;
}

/* Rows enough for either way of interlacing, filters 0 ... 4; `ahead` bytes
 * stay free in front of the stream. */
static size_t pixels(uint8_t *stream, size_t room, size_t ahead,
                     uint32_t row_bits, uint32_t height, uint32_t *seed)
{
    static uint8_t raw[2 * (MAX_SIDE * 8 + 1) * MAX_SIDE];
    size_t n = ((row_bits + 7) / 8 + 1) * (size_t)height * 2;
    uLongf packed = (uLongf)(room - ahead);

    memset(raw, 0, n); /* large ones stay empty */
    for (size_t i = 0; n <= room / 2 && i < n; i++)
        raw[i] = (uint8_t)draw(seed, draw(seed, 4) ? 5 : 256);
    return compress2(stream + ahead, &packed, raw, n, 1) == Z_OK
               ? packed + ahead
               : ahead;
}

static void put_frame(struct out *out, uint32_t number, uint32_t width,
                      uint32_t height, uint32_t *seed)
{
    uint8_t body[26] = {0};
    uint32_t left = draw(seed, width), top = draw(seed, height);

    put_be32(body, number);
    put_be32(body + 4, 1 + draw(seed, width - left));
    put_be32(body + 8, 1 + draw(seed, height - top));
    put_be32(body + 12, left);
    put_be32(body + 16, top);
    body[24] = (uint8_t)draw(seed, 3);
    body[25] = (uint8_t)draw(seed, 2);
    put(out, "fcTL", body, sizeof body);
}

size_t png_draw(uint8_t *data, size_t room, uint32_t seed)
{
    static const uint8_t kinds[][2] = {
        {0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {2, 8}, {2, 16}, {3, 1},
        {3, 2}, {3, 4}, {3, 8}, {4, 8}, {4, 16}, {6, 8}, {6, 16}};
    static const uint8_t channels[] = {1, 0, 3, 1, 2, 0, 4};
    struct out out = {data, SIGNATURE, room};
    const uint8_t *kind = kinds[draw(&seed, 15)];
    uint32_t side = draw(&seed, 4) ? SIDE : MAX_SIDE, n;
    uint32_t width = 1 + draw(&seed, side), height = 1 + draw(&seed, side);
    uint32_t row_bits = width * channels[kind[0]] * kind[1];
    uint8_t head[13] = {0}, body[768], stream[16384];
    int is_animated = draw(&seed, 3) == 0;

    if (room < SIGNATURE)
        return 0;
    put_be32(head, width);
    put_be32(head + 4, height);
    head[8] = kind[1];
    head[9] = kind[0];
    head[12] = (uint8_t)draw(&seed, 2);
    put(&out, "IHDR", head, sizeof head);
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)draw(&seed, 256);
    if (is_animated)
        put(&out, "acTL", "\0\0\0\2\0\0\0\0", 8);
    if (kind[0] == 3 || draw(&seed, 8) == 0)
        put(&out, "PLTE", body, 3 * (size_t)(1 + draw(&seed, 256)));
    if (draw(&seed, 2))
        put(&out, "tRNS", body,
            kind[0] == 3   ? 1 + draw(&seed, 256)
            : kind[0] == 2 ? 6
                           : 2);
    if (is_animated)
        put_frame(&out, 0, width, height, &seed);
    n = (uint32_t)pixels(stream, sizeof stream, 0, row_bits, height, &seed);
    uint32_t half = draw(&seed, 2) ? draw(&seed, n) : n;
    put(&out, "IDAT", stream, half);
    put(&out, "IDAT", stream + half, n - half);
    if (is_animated) {
        put_frame(&out, 1, width, height, &seed);
        n = (uint32_t)pixels(stream, sizeof stream, 4, row_bits, height, &seed);
        put_be32(stream, 2);
        put(&out, "fdAT", stream, n);
    }
    put(&out, "IEND", NULL, 0);
    memcpy(data, "\x89PNG\r\n\x1a\n", SIGNATURE);
    return out.n;
}

/* Where chunks begin; at[count] is the end of the last one. */
static int find(const uint8_t *png, size_t n, size_t at[MAX_CHUNKS + 1])
{
    int count = 0;

    at[0] = SIGNATURE;
    while (count < MAX_CHUNKS && n - at[count] >= FRAME &&
           png_be32(png + at[count]) <= n - at[count] - FRAME) {
        at[count + 1] = at[count] + png_be32(png + at[count]) + FRAME;
        count++;
    }
    return count;
}

size_t png_shuffle(uint8_t *png, size_t n, size_t room, uint32_t seed)
{
    size_t at[MAX_CHUNKS + 1];
    uint8_t chunk[4096];
    int count = n < SIGNATURE ? 0 : find(png, n, at);

    if (count == 0)
        return n;
    size_t from = at[draw(&seed, (uint32_t)count)];
    size_t bytes = png_be32(png + from) + FRAME;
    uint32_t what = draw(&seed, 4);
    if (what == 0 || bytes > sizeof chunk) {
        memcpy(png + from + 4, names[draw(&seed, sizeof names / 5)], 4);
        return n;
    }
    memcpy(chunk, png + from, bytes);
    if (what != 1) { /* not a copy: it goes away */
        memmove(png + from, png + from + bytes, n - from - bytes);
        n -= bytes;
        count = find(png, n, at);
    }
    if (what == 2 || room - n < bytes)
        return n;
    if (what == 1 && draw(&seed, 2)) /* a smaller or larger field in it */
        chunk[8 + draw(&seed, (uint32_t)(bytes - FRAME + 1))] =
            (uint8_t)draw(&seed, 32);
    size_t to = at[draw(&seed, (uint32_t)count + 1)];
    memmove(png + to + bytes, png + to, n - to);
    memcpy(png + to, chunk, bytes);
    return n + bytes;
}
