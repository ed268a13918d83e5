/* Magic bytes of what lies in photo folders and is no JPEG, PNG or WebP:
 * apart because it only serves the error's words. */
#include "decode/sniff.h"

#include <ctype.h>

static const struct {
    size_t at;
    size_t n;
    const char *magic;
    const char *name;
} magics[] = {
    {0, 4, "GIF8", "GIF"},
    {0, 2, "BM", "BMP"},
    {0, 4, "II*\0", "TIFF"},
    {0, 4, "MM\0*", "TIFF"},
    {0, 4, "II+\0", "TIFF"},
    {0, 4, "MM\0+", "TIFF"},
    {4, 8, "ftypavif", "AVIF"},
    {4, 8, "ftypheic", "HEIC"},
    {4, 8, "ftypmif1", "HEIF"},
    {4, 4, "ftyp", "ISO media (MP4, HEIF)"},
    {0, 12, "\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"},
    {0, 4, "\xff\x4f\xff\x51", "JPEG 2000"},
    {0, 12, "\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"},
    {0, 2, "\xff\x0a", "JPEG XL"},
    {0, 4, "8BPS", "PSD"},
    {0, 4, "%PDF", "PDF"},
    {0, 4, "PK\x03\x04", "ZIP"},
    {0, 2, "\x1f\x8b", "gzip"},
    {0, 4, "\0\0\1\0", "ICO"},
    {0, 4, "RIFF", "RIFF"},
    {0, 8, "\x89PNG\r\n\x1a\n", "PNG"},
};

static bool starts_with_nocase(struct stk_span bytes, const char *text)
{
    size_t n = strlen(text);
    if (bytes.n < n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (tolower(bytes.data[i]) != text[i])
            return false;
    return true;
}

const char *stk_sniff(struct stk_span bytes)
{
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        if (bytes.n >= magics[i].at + magics[i].n &&
            memcmp(bytes.data + magics[i].at, magics[i].magic, magics[i].n) ==
                0) {
            if (strcmp(magics[i].name, "RIFF") == 0 && bytes.n >= 12 &&
                memcmp(bytes.data + 8, "WEBP", 4) == 0)
                return "WebP";
            return magics[i].name;
        }
    }
    if (bytes.n >= 3 && bytes.data[0] == 'P' && bytes.data[1] >= '1' &&
        bytes.data[1] <= '7' && isspace(bytes.data[2]))
        return "PNM (PBM, PGM, PPM)";
    while (bytes.n && isspace(bytes.data[0])) {
        bytes.data++;
        bytes.n--;
    }
    if (starts_with_nocase(bytes, "<!doctype html") ||
        starts_with_nocase(bytes, "<html") ||
        starts_with_nocase(bytes, "<head"))
        return "HTML";
    if (starts_with_nocase(bytes, "<svg"))
        return "SVG";
    if (starts_with_nocase(bytes, "<?xml"))
        return "XML";
    return NULL;
}
