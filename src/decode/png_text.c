/* Text chunks can expand a thousandfold: Pillow refuses files whose texts do,
 * without looking at what they say.  Apart from the other chunks because it is
 * the one place that expands what is no pixel. */
#include "decode/png_text.h"

#include <errno.h>

#include "base/clock.h"

/* Pillow's MAX_TEXT_CHUNK and MAX_TEXT_MEMORY, in bytes. */
enum { MAX_CHUNK = 1 << 20, MAX_TEXTS = 64 << 20 };

static int refuse(struct stk_png *png, int code, const char *why)
{
    png->why = why;
    return code;
}

/* What lies in front of the first 0 (all, where there is none); *body moves
 * behind it. */
static bool split(struct stk_span *body, struct stk_span *front)
{
    const uint8_t *end = body->n ? memchr(body->data, 0, body->n) : NULL;
    size_t n = end ? (size_t)(end - body->data) : body->n;
    *front = (struct stk_span){body->data, n};
    body->data += n + (end != NULL);
    body->n -= n + (end != NULL);
    return end != NULL;
}

static int expand(struct stk_png *png, struct stk_span data, size_t *n)
{
    bool too_large;
    *n = stk_inflate_measure(png->inflate, data, MAX_CHUNK, &too_large);
    /* A small file may hold any number of profiles, which nothing counts. */
    if (stk_now_ns() > png->deadline_ns)
        return refuse(png, -EFBIG,
                      "its texts take longer to expand than max_decode_ms");
    if (too_large && !png->lenient)
        return refuse(png, -EFBIG, "a text chunk that expands over 1 MiB");
    if (too_large)
        *n = 0;
    return 0;
}

static int count(struct stk_png *png, size_t n)
{
    png->text_bytes += n;
    if (png->text_bytes > MAX_TEXTS)
        return refuse(png, -EFBIG, "texts of over 64 MiB");
    return 0;
}

static int read_profile(struct stk_png *png, struct stk_span body)
{
    struct stk_span all = body, name;
    size_t n;
    /* Without a 0, Pillow takes the first byte for the method's. */
    if (!split(&body, &name))
        body = all;
    if (!body.n)
        return refuse(png, -EBADMSG, "a torn iCCP chunk");
    if (body.data[0] != 0)
        return refuse(png, -EBADMSG, "an unknown compression in iCCP");
    return expand(png, (struct stk_span){body.data + 1, body.n - 1}, &n);
}

static int read_compressed(struct stk_png *png, struct stk_span body)
{
    struct stk_span key;
    size_t n;
    split(&body, &key);
    if (body.n && body.data[0] != 0)
        return refuse(png, -EBADMSG, "an unknown compression in zTXt");
    if (body.n) {
        body.data++;
        body.n--;
    }
    int rc = expand(png, body, &n);
    return rc < 0 || !key.n ? rc : count(png, n);
}

/* Characters of UTF-8 are counted by their first bytes. */
static size_t count_characters(struct stk_span text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += (text.data[i] & 0xC0) != 0x80;
    return n;
}

static int read_international(struct stk_png *png, struct stk_span body)
{
    struct stk_span key, language, translated;
    size_t n;
    if (!split(&body, &key) || body.n < 2)
        return 0;
    uint8_t is_compressed = body.data[0], method = body.data[1];
    body.data += 2;
    body.n -= 2;
    if (!split(&body, &language) || !split(&body, &translated))
        return 0;
    if (!is_compressed)
        return count(png, count_characters(body));
    if (method != 0)
        return 0;
    int rc = expand(png, body, &n);
    return rc < 0 ? rc : count(png, n);
}

int stk_png_read_text(struct stk_png *png, uint32_t id, struct stk_span body)
{
    struct stk_span key;
    switch (id) {
    case STK_PNG_ID('i', 'C', 'C', 'P'):
        return read_profile(png, body);
    case STK_PNG_ID('z', 'T', 'X', 't'):
        return read_compressed(png, body);
    case STK_PNG_ID('i', 'T', 'X', 't'):
        return read_international(png, body);
    default:
        split(&body, &key);
        return key.n ? count(png, body.n) : 0;
    }
}
