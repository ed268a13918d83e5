/* The marker scan: apart because it reads every byte of every JPEG, and so is
 * written for the compiler to vectorise. */
#include "decode/jpeg_marks.h"

enum { BLOCK = 256 };

/* Not 0 when a byte 0xFF in the block is followed by other than 0: what
 * follows it, masked, since compilers turn two truth values into many more
 * operations.  Reads BLOCK + 1 bytes. */
static uint8_t has_marker(const uint8_t *p)
{
    uint8_t any = 0;
    for (int i = 0; i < BLOCK; i++)
        any |= (uint8_t)(-(p[i] == 0xFF) & p[i + 1]);
    return any;
}

/* The next marker's code and the bytes behind it; 0 when there is none. */
static uint8_t next_marker(struct stk_span *data)
{
    const uint8_t *p = data->data, *end = p + data->n;
    uint8_t marker = 0;

    while (end - p > BLOCK && !has_marker(p))
        p += BLOCK;
    while (p < end && !marker) {
        p = memchr(p, 0xFF, (size_t)(end - p));
        if (!p) {
            p = end;
            break;
        }
        while (p < end && *p == 0xFF) /* filler before a marker's code */
            p++;
        if (p < end)
            marker = *p++;
        if (!marker)
            while (end - p > BLOCK && !has_marker(p))
                p += BLOCK;
    }
    *data = (struct stk_span){p, (size_t)(end - p)};
    return marker;
}

bool stk_jpeg_ends_well(struct stk_span data, bool with_restarts)
{
    uint8_t due = 0xD0;
    for (;;) {
        uint8_t marker = next_marker(&data);
        if (marker != due || !with_restarts)
            return marker == 0xD9;
        due = due == 0xD7 ? 0xD0 : (uint8_t)(due + 1);
    }
}

int32_t stk_jpeg_count_scans(struct stk_span data, int32_t limit)
{
    int32_t n = 1;
    while (n <= limit) {
        uint8_t marker = next_marker(&data);
        if (marker == 0 || marker == 0xD9)
            break;
        if (marker >= 0xD0 && marker <= 0xD8)
            continue;
        struct stk_span body = data;
        uint16_t length;
        if (marker == 0xDA)
            n++;
        if (stk_span_take_be16(&body, &length) && length >= 2 &&
            stk_span_take(&data, length, &body))
            continue;
    }
    return n;
}
