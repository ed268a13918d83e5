/* The chunk reader: Pillow 13.0.0's rules, fact by fact. */
#include "decode/png_chunks.h"

#include <ctype.h>
#include <errno.h>

#include "decode/png_text.h"

#define ID STK_PNG_ID

enum { PIECE_BYTES = 65536 };

struct chunk {
    uint32_t id;
    uint32_t length;
    struct stk_span body;
};

static const struct stk_png_kind kinds[] = {
    {1, 0, 1, "1"},      {2, 0, 2, "L"},      {4, 0, 4, "L"},
    {8, 0, 8, "L"},      {16, 0, 16, "I;16"}, {8, 2, 24, "RGB"},
    {16, 2, 48, "RGB"},  {1, 3, 1, "P"},      {2, 3, 2, "P"},
    {4, 3, 4, "P"},      {8, 3, 8, "P"},      {8, 4, 16, "LA"},
    {16, 4, 32, "RGBA"}, {8, 6, 32, "RGBA"},  {16, 6, 64, "RGBA"},
};

static int refuse(struct stk_png *png, int code, const char *why)
{
    png->why = why;
    return code;
}

/* A chunk too short for what it says; lenient passes over it. */
static int torn(struct stk_png *png, const char *why)
{
    return png->lenient ? 0 : refuse(png, -EBADMSG, why);
}

static uint32_t be32(const uint8_t *p)
{
    return ID(p[0], p[1], p[2], p[3]);
}

static size_t bytes_left(const struct stk_png *png)
{
    return png->bytes.n - png->at;
}

/* Moves on, not beyond the end. */
static void skip(struct stk_png *png, size_t n)
{
    png->at += n < bytes_left(png) ? n : bytes_left(png);
}

/* A chunk's head.  Returns 0; 1 at the end of the bytes or where no chunk
 * begins. */
static int read_head(struct stk_png *png, struct chunk *chunk)
{
    const uint8_t *p = png->bytes.data + png->at;
    if (bytes_left(png) < (png->lenient ? 4 : 8))
        return 1;
    chunk->length = be32(p);
    chunk->id = 0;
    if (bytes_left(png) < 8) { /* a chunk of an unknown kind, to Pillow */
        for (size_t i = 4; i < bytes_left(png); i++)
            chunk->id |= p[i];
        chunk->id &= 0x80;
        skip(png, 8);
        return 0;
    }
    chunk->id = be32(p + 4);
    png->at += 8;
    if (png->lenient)
        return 0;
    for (int i = 4; i < 8; i++)
        if (!isascii(p[i]) || (!isalnum(p[i]) && p[i] != '_'))
            return 1;
    return 0;
}

static int read_body(struct stk_png *png, struct chunk *chunk, size_t n)
{
    if (bytes_left(png) < n)
        return refuse(png, -ENODATA, "truncated inside a chunk");
    chunk->body = (struct stk_span){png->bytes.data + png->at, n};
    png->at += n;
    return 0;
}

static int read_header(struct stk_png *png, struct stk_span body)
{
    const uint8_t *p = body.data;
    if (body.n < 13)
        return torn(png, "a torn IHDR chunk");
    png->width = be32(p);
    png->height = be32(p + 4);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].depth == p[8] && kinds[i].colour == p[9])
            png->kind = &kinds[i];
    if (p[12])
        png->interlaced = true;
    if (p[11])
        return refuse(png, -EBADMSG, "an unknown filter category");
    return 0;
}

static void read_palette(struct stk_png *png, struct stk_span body)
{
    if (!png->kind || png->kind->colour != 3)
        return;
    png->n_palette_bytes = body.n;
    png->has_palette = true;
    /* Colours that PLTE does not give are black in Pillow. */
    for (int i = 0; i < 256; i++)
        for (size_t c = 0; c < 3; c++)
            png->palette[i][c] =
                (size_t)i * 3 + 3 <= body.n ? body.data[(size_t)i * 3 + c] : 0;
}

/* Pillow notes the index of tRNS's only 0 where all else is 255, and looks it
 * up in the palette; any other transparency is dropped unread. */
static void read_transparency(struct stk_png *png, struct stk_span body)
{
    size_t n_zeros = 0, n_others = 0;
    if (!png->kind || png->kind->colour != 3)
        return;
    for (size_t i = 0; i < body.n; i++) {
        n_zeros += body.data[i] == 0;
        n_others += body.data[i] != 0 && body.data[i] != 255;
    }
    png->has_key = n_zeros == 1 && n_others == 0;
}

static int read_frame_control(struct stk_png *png, struct stk_span body)
{
    const uint8_t *p = body.data;
    if (body.n < 26)
        return torn(png, "a torn fcTL chunk");
    uint32_t sequence = be32(p);
    if (png->has_sequence ? sequence == 0 || png->sequence != sequence - 1
                          : sequence != 0)
        return refuse(png, -EBADMSG, "APNG frames out of order");
    png->has_sequence = true;
    png->sequence = sequence;
    int64_t left = be32(p + 12), top = be32(p + 16);
    int64_t right = left + be32(p + 4), bottom = top + be32(p + 8);
    if (right > png->width || bottom > png->height)
        return refuse(png, -EBADMSG, "an APNG frame outside of its image");
    png->has_box = true;
    png->left = left;
    png->top = top;
    png->right = right;
    png->bottom = bottom;
    return 0;
}

static void read_animation(struct stk_png *png, struct stk_span body)
{
    uint32_t n = be32(body.data);
    if (png->has_frames) {
        png->has_frames = false;
        return;
    }
    if (n == 0 || n > 0x80000000u)
        return;
    png->has_frames = true;
    png->n_frames = n;
}

/* The least length of chunks whose values do not matter here; Pillow refuses
 * shorter ones. */
static int check_length(struct stk_png *png, const struct chunk *chunk)
{
    size_t least = 0;
    switch (chunk->id) {
    case ID('g', 'A', 'M', 'A'):
        least = 4;
        break;
    case ID('c', 'H', 'R', 'M'):
        least = 32;
        break;
    case ID('s', 'R', 'G', 'B'):
        least = 1;
        break;
    case ID('p', 'H', 'Y', 's'):
        least = 9;
        break;
    case ID('a', 'c', 'T', 'L'):
        least = 8;
        break;
    case ID('t', 'R', 'N', 'S'):
        if (png->kind && png->kind->colour == 0)
            least = 2;
        else if (png->kind && png->kind->colour == 2)
            least = 6;
        break;
    default:
        break;
    }
    return chunk->body.n < least ? torn(png, "a torn chunk") : 0;
}

/* Lenient: names that are no text end the chunks, where others are skipped. */
static bool is_text(uint32_t id)
{
    return (id & 0x80808080u) == 0;
}

/* Any chunk but image data; its body has been read. */
static int read_other(struct stk_png *png, const struct chunk *chunk)
{
    int rc = check_length(png, chunk);
    if (rc < 0)
        return rc;
    switch (chunk->id) {
    case ID('I', 'H', 'D', 'R'):
        return read_header(png, chunk->body);
    case ID('P', 'L', 'T', 'E'):
        read_palette(png, chunk->body);
        return 0;
    case ID('t', 'R', 'N', 'S'):
        read_transparency(png, chunk->body);
        return 0;
    case ID('a', 'c', 'T', 'L'):
        if (chunk->body.n >= 8)
            read_animation(png, chunk->body);
        return 0;
    case ID('f', 'c', 'T', 'L'):
        return read_frame_control(png, chunk->body);
    case ID('e', 'X', 'I', 'f'):
        png->exif = chunk->body;
        return 0;
    case ID('i', 'C', 'C', 'P'):
    case ID('t', 'E', 'X', 't'):
    case ID('z', 'T', 'X', 't'):
    case ID('i', 'T', 'X', 't'):
        return stk_png_read_text(png, chunk->id, chunk->body);
    default:
        return 0;
    }
}

/* The checksum behind a chunk's body, over its id and its body. */
static int check_crc(struct stk_png *png, const struct chunk *chunk)
{
    if (bytes_left(png) < 4)
        return refuse(png, -ENODATA, "truncated inside a chunk");
    uint32_t want = be32(png->bytes.data + png->at);
    png->at += 4;
    /* Ancillary chunks, by a bit of their name, may be wrong when lenient. */
    if (png->lenient && chunk->id >> 29 & 1)
        return 0;
    if (stk_inflate_crc(
            (struct stk_span){chunk->body.data - 4, chunk->body.n + 4}) != want)
        return refuse(png, -EBADMSG, "a chunk with a wrong checksum");
    return 0;
}

/* fdAT: a sequence number, then image data. */
static int read_frame_data(struct stk_png *png, const struct chunk *chunk)
{
    struct chunk number;
    if (chunk->length < 4)
        return refuse(png, -EBADMSG, "a torn fdAT chunk");
    int rc = read_body(png, &number, 4);
    if (rc < 0)
        return rc;
    uint32_t sequence = be32(number.body.data);
    if (!png->has_sequence || sequence == 0 || png->sequence != sequence - 1)
        return refuse(png, -EBADMSG, "APNG frames out of order");
    png->sequence = sequence;
    return 0;
}

/* Lenient: a torn one is a chunk like any other. */
static bool is_frame_data(const struct stk_png *png, const struct chunk *chunk)
{
    return chunk->id == ID('f', 'd', 'A', 'T') &&
           !(png->lenient && chunk->length < 4);
}

static void begin_data(struct stk_png *png, uint32_t n)
{
    png->n_left = n;
    png->is_animated = png->has_frames && (png->n_frames > 1 || !png->has_box);
    if (png->has_box)
        return;
    png->left = png->top = 0;
    png->right = png->width;
    png->bottom = png->height;
}

int stk_png_open(struct stk_png *png)
{
    png->at = 8;
    for (;;) {
        struct chunk chunk;
        if (read_head(png, &chunk))
            return refuse(png, bytes_left(png) ? -EBADMSG : -ENODATA,
                          "broken or truncated before its image data");
        if (chunk.id == ID('I', 'E', 'N', 'D') || !is_text(chunk.id))
            return refuse(png, -EBADMSG, "no image data");
        /* In front of IHDR it is a chunk of an unknown kind, to Pillow. */
        if (chunk.id == ID('I', 'D', 'A', 'T') && png->kind) {
            begin_data(png, chunk.length);
            return 0;
        }
        if (is_frame_data(png, &chunk)) {
            int rc = read_frame_data(png, &chunk);
            begin_data(png, chunk.length - 4);
            return rc;
        }
        int rc = read_body(png, &chunk, chunk.length);
        if (rc == 0)
            rc = read_other(png, &chunk);
        if (rc == 0)
            rc = check_crc(png, &chunk);
        if (rc < 0)
            return rc;
    }
}

int stk_png_piece(struct stk_png *png, struct stk_span *piece)
{
    while (png->n_left == 0) {
        struct chunk chunk;
        skip(png, 4);
        size_t before = png->at;
        if (read_head(png, &chunk)) {
            if (png->lenient)
                return 0;
            return refuse(png, bytes_left(png) ? -EBADMSG : -ENODATA,
                          "broken or truncated inside its image data");
        }
        if (chunk.id == ID('f', 'd', 'A', 'T')) {
            int rc = read_frame_data(png, &chunk);
            if (rc < 0)
                return rc;
            png->n_left = chunk.length - 4;
        } else if (chunk.id == ID('I', 'D', 'A', 'T') ||
                   chunk.id == ID('D', 'D', 'A', 'T')) {
            png->n_left = chunk.length;
        } else {
            png->at = before;
            png->is_queued = true;
            return 0;
        }
    }
    uint32_t n = png->n_left < PIECE_BYTES ? png->n_left : PIECE_BYTES;
    png->n_left -= n;
    *piece = (struct stk_span){png->bytes.data + png->at, n};
    if (piece->n > bytes_left(png))
        piece->n = bytes_left(png);
    skip(png, n);
    return piece->n > 0;
}

int stk_png_finish(struct stk_png *png)
{
    skip(png, png->n_left);
    png->n_left = 0;
    for (;;) {
        struct chunk chunk;
        if (!png->is_queued)
            skip(png, 4);
        png->is_queued = false;
        if (read_head(png, &chunk) || !is_text(chunk.id) ||
            chunk.id == ID('I', 'E', 'N', 'D') ||
            (chunk.id == ID('f', 'c', 'T', 'L') && png->is_animated))
            return 0;
        size_t n = chunk.length;
        int rc = 0;
        bool is_frame = is_frame_data(png, &chunk);
        if (is_frame) {
            rc = read_frame_data(png, &chunk);
            n -= 4;
        }
        bool is_data = is_frame || chunk.id == ID('I', 'D', 'A', 'T');
        if (rc == 0 && is_data && png->lenient && bytes_left(png) < n)
            return 0;
        if (rc == 0)
            rc = read_body(png, &chunk, n);
        if (rc == 0 && !is_data)
            rc = read_other(png, &chunk);
        if (rc < 0)
            return rc;
    }
}
