/* The only door to zlib.  PNG is read over zlib itself and not over libpng:
 * Pillow does so, too, and which damaged files it accepts (no checksums over
 * pixels, a stream that ends early on a row's end, any order of chunks)
 * cannot be had from libpng. */
#include "decode/png_inflate.h"

#include <errno.h>
#include <zlib.h>

#include "base/mem.h"

struct stk_inflate {
    z_stream stream; /* valid while is_open */
    bool is_open;
    uint8_t waste[16384]; /* where measured text goes */
};

int stk_inflate_open(struct stk_inflate **out)
{
    *out = stk_calloc(1, sizeof **out);
    return *out ? 0 : -ENOMEM;
}

void stk_inflate_close(struct stk_inflate **inflater)
{
    if (!*inflater)
        return;
    if ((*inflater)->is_open)
        inflateEnd(&(*inflater)->stream);
    stk_free(*inflater);
    *inflater = NULL;
}

int stk_inflate_begin(struct stk_inflate *self)
{
    self->stream.next_in = NULL;
    self->stream.avail_in = 0;
    if (self->is_open)
        return inflateReset(&self->stream) == Z_OK ? 0 : -ENOMEM;
    if (inflateInit(&self->stream) != Z_OK)
        return -ENOMEM;
    self->is_open = true;
    return 0;
}

static uInt clamp(size_t n)
{
    return n < (1u << 30) ? (uInt)n : 1u << 30;
}

int stk_inflate_fill(struct stk_inflate *self, struct stk_span *piece,
                     uint8_t *out, size_t size, size_t *n_out)
{
    z_stream *z = &self->stream;
    z->next_in = (z_const Bytef *)piece->data;
    z->avail_in = clamp(piece->n);
    z->next_out = out + *n_out;
    z->avail_out = clamp(size - *n_out);
    int rc = inflate(z, Z_NO_FLUSH);
    size_t used = (size_t)(z->next_in - piece->data);
    piece->data += used;
    piece->n -= used;
    *n_out = (size_t)(z->next_out - out);
    if (rc < 0 && rc != Z_BUF_ERROR)
        return STK_INFLATE_BAD;
    if (rc == Z_NEED_DICT)
        return STK_INFLATE_BAD;
    if (rc == Z_STREAM_END)
        return STK_INFLATE_END;
    return *n_out == size ? STK_INFLATE_FULL : STK_INFLATE_MORE;
}

size_t stk_inflate_measure(struct stk_inflate *self, struct stk_span data,
                           size_t limit, bool *too_large)
{
    size_t total = 0;
    *too_large = false;
    if (stk_inflate_begin(self) < 0)
        return 0;
    for (;;) {
        size_t n_out = 0, room = limit - total;
        if (room > sizeof self->waste)
            room = sizeof self->waste;
        int rc = stk_inflate_fill(self, &data, self->waste, room, &n_out);
        total += n_out;
        if (rc == STK_INFLATE_BAD)
            return 0;
        if (rc != STK_INFLATE_FULL)
            return total;
        if (total == limit) {
            *too_large = data.n > 0;
            return total;
        }
    }
}

uint32_t stk_inflate_crc(struct stk_span data)
{
    return (uint32_t)crc32_z(0, data.data, data.n);
}

const char *stk_inflate_version(void)
{
    return "zlib " ZLIB_VERSION;
}
