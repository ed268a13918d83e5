/* PNG out, without a library: stored blocks, so that the file holds the very
 * bytes and the tool needs no zlib.  PNG and zlib as in RFC 2083 and 1950. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "png_file.h"

struct out {
    FILE *file;
    int error;     /* the first write's that failed, negated, or 0 */
    uint32_t crc;  /* of the chunk so far, inverted */
    uint32_t a, b; /* adler32 of the pixels so far */
    uint32_t crc_table[256];
};

static void make_crc_table(uint32_t table[256])
{
    for (uint32_t n = 0; n < 256; n++) {
        uint32_t c = n;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
        table[n] = c;
    }
}

static void put(struct out *out, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    uint32_t crc = out->crc;
    for (size_t i = 0; i < n; i++)
        crc = out->crc_table[(crc ^ at[i]) & 255] ^ (crc >> 8);
    out->crc = crc;
    if (fwrite(bytes, 1, n, out->file) != n && out->error == 0)
        out->error = errno ? -errno : -EIO;
}

static void put_u32(struct out *out, uint32_t value)
{
    uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16),
                        (uint8_t)(value >> 8), (uint8_t)value};
    put(out, bytes, 4);
}

static void begin_chunk(struct out *out, uint32_t length, const char *type)
{
    put_u32(out, length);
    out->crc = 0xFFFFFFFFu;
    put(out, type, 4);
}

static void end_chunk(struct out *out)
{
    put_u32(out, ~out->crc);
}

static void sum(struct out *out, const uint8_t *bytes, size_t n)
{
    while (n) {
        size_t some = n < 5552 ? n : 5552; /* what 32 bits hold */
        for (size_t i = 0; i < some; i++) {
            out->a += bytes[i];
            out->b += out->a;
        }
        out->a %= 65521;
        out->b %= 65521;
        bytes += some;
        n -= some;
    }
}

/* One row is one stored block in one chunk of its own. */
static void put_row(struct out *out, const uint8_t *row, size_t bytes,
                    int first, int last)
{
    uint16_t n = (uint16_t)(bytes + 1);
    uint8_t head[6] = {(uint8_t)last, (uint8_t)n,         (uint8_t)(n >> 8),
                       (uint8_t)~n,   (uint8_t)(~n >> 8), 0};
    static const uint8_t zlib[2] = {0x78, 0x01};
    uint32_t length = (uint32_t)(bytes + 6 + (first ? 2 : 0) + (last ? 4 : 0));
    begin_chunk(out, length, "IDAT");
    if (first)
        put(out, zlib, 2);
    put(out, head, 6); /* the last of them is the row's filter: none */
    put(out, row, bytes);
    sum(out, head + 5, 1);
    sum(out, row, bytes);
    if (last)
        put_u32(out, out->b << 16 | out->a);
    end_chunk(out);
}

int png_file_write(const char *path, const uint8_t *rgb, size_t width,
                   size_t height)
{
    static const uint8_t magic[8] = {137, 'P', 'N', 'G', 13, 10, 26, 10};
    static const uint8_t kind[5] = {8, 2, 0, 0, 0};
    if (width == 0 || height == 0 || width > PNG_FILE_MAX_WIDTH)
        return -EINVAL;
    struct out out = {.a = 1, .b = 0};
    struct stat about;
    out.file = fopen(path, "wb");
    if (!out.file)
        return -errno;
    make_crc_table(out.crc_table);
    put(&out, magic, sizeof(magic));
    begin_chunk(&out, 13, "IHDR");
    put_u32(&out, (uint32_t)width);
    put_u32(&out, (uint32_t)height);
    put(&out, kind, sizeof(kind));
    end_chunk(&out);
    for (size_t y = 0; y < height; y++)
        put_row(&out, rgb + y * width * 3, width * 3, y == 0, y + 1 == height);
    begin_chunk(&out, 0, "IEND");
    end_chunk(&out);
    int rc = out.error;
    bool is_file =
        fstat(fileno(out.file), &about) == 0 && S_ISREG(about.st_mode);
    if (fclose(out.file) != 0 && rc == 0)
        rc = -errno;
    if (rc != 0 && is_file) /* half a picture; a device stays */
        unlink(path);
    return rc;
}
