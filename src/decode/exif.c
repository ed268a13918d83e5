/* EXIF orientation: a bounds-checked look into the first directory. */
#include "decode/exif.h"

enum { TAG_ORIENTATION = 0x0112 };

struct tiff {
    struct stk_span bytes;
    bool big;
};

static bool read_int(const struct tiff *tiff, size_t at, size_t n,
                     uint32_t *out)
{
    if (at > tiff->bytes.n || tiff->bytes.n - at < n)
        return false;
    *out = 0;
    for (size_t i = 0; i < n; i++)
        *out = *out << 8 | tiff->bytes.data[at + (tiff->big ? i : n - 1 - i)];
    return true;
}

/* One directory entry: tag, type, count, value of up to 4 bytes. */
static bool read_entry(const struct tiff *tiff, size_t at, int32_t *value)
{
    uint32_t tag, type, count, found;
    if (!read_int(tiff, at, 2, &tag) || tag != TAG_ORIENTATION ||
        !read_int(tiff, at + 2, 2, &type) ||
        !read_int(tiff, at + 4, 4, &count) || count != 1)
        return false;
    size_t bytes = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0;
    if (!bytes || !read_int(tiff, at + 8, bytes, &found) || found > INT32_MAX)
        return false;
    *value = (int32_t)found;
    return true;
}

int32_t stk_exif_orientation(struct stk_span exif)
{
    struct tiff tiff = {exif, false};
    uint32_t at, n;
    int32_t value = 1;

    while (stk_span_starts_with(tiff.bytes, "Exif\0\0", 6))
        tiff.bytes = (struct stk_span){tiff.bytes.data + 6, tiff.bytes.n - 6};
    if (stk_span_starts_with(tiff.bytes, "MM", 2))
        tiff.big = true;
    else if (!stk_span_starts_with(tiff.bytes, "II", 2))
        return 1;
    if (!read_int(&tiff, 4, 4, &at) || !read_int(&tiff, at, 2, &n))
        return 1;
    for (uint32_t i = 0; i < n; i++) {
        if (read_entry(&tiff, (size_t)at + 2 + (size_t)i * 12, &value))
            break;
        if ((size_t)at + 2 + (size_t)i * 12 > tiff.bytes.n)
            break;
    }
    return value;
}
