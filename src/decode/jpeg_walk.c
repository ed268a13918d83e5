/* Pillow 13.0.0's walk over a JPEG's header, fact by fact.  Apart from
 * libjpeg's because the two differ on damaged headers, and a file is read only
 * if both accept it. */
#include "decode/jpeg_walk.h"

#include <errno.h>

struct walk {
    struct stk_span rest;
    struct stk_jpeg_head *head;
    const char *why;
    int n_frames;
    struct stk_span icc; /* the least of the ICC chunks, as bytes compare */
    bool has_icc;
};

static int refuse(struct walk *walk, int code, const char *why)
{
    walk->why = why;
    return code;
}

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static bool has_magic(struct stk_span body, const char *text, size_t n)
{
    return stk_span_starts_with(body, text, n);
}

/* A segment's body.  Lengths below 2 are an empty body to Pillow, an error to
 * libjpeg. */
static int take_body(struct walk *walk, struct stk_span *body)
{
    uint16_t length;
    if (!stk_span_take_be16(&walk->rest, &length))
        return refuse(walk, -ENODATA, "truncated inside its header");
    size_t n = length > 2 ? length - 2u : 0;
    if (length < 2)
        walk->head->plain = false;
    if (!stk_span_take(&walk->rest, n, body))
        return refuse(walk, -ENODATA, "truncated inside its header");
    return 0;
}

/* Photoshop's resources: a name length behind the segment's end is an error,
 * other short parts end the list, and so does a short resolution, the one
 * resource that Pillow reads. */
static int check_photoshop(struct walk *walk, struct stk_span body)
{
    enum { RESOLUTION = 0x03ED, RESOLUTION_BYTES = 14 };
    size_t at = 14;
    while (at + 4 <= body.n && memcmp(body.data + at, "8BIM", 4) == 0) {
        at += 4;
        if (at + 2 > body.n)
            return 0;
        uint16_t resource = be16(body.data + at);
        at += 2;
        if (at >= body.n)
            return refuse(walk, -EBADMSG, "a torn Photoshop segment");
        at += 1u + body.data[at];
        at += at & 1;
        if (at + 4 > body.n)
            return 0;
        size_t bytes =
            (size_t)be16(body.data + at) << 16 | be16(body.data + at + 2);
        at += 4;
        if (resource == RESOLUTION &&
            (bytes < RESOLUTION_BYTES || body.n - at < RESOLUTION_BYTES))
            return 0;
        if (bytes > body.n - at) /* also where a size has 32 bits */
            return 0;
        at += bytes;
        at += at & 1;
    }
    return 0;
}

static void remember_icc(struct walk *walk, struct stk_span body)
{
    size_t n = body.n < walk->icc.n ? body.n : walk->icc.n;
    int order = walk->has_icc ? memcmp(body.data, walk->icc.data, n) : -1;
    if (order < 0 || (order == 0 && body.n < walk->icc.n))
        walk->icc = body;
    walk->has_icc = true;
}

static int read_app(struct walk *walk, uint8_t marker, struct stk_span body)
{
    struct stk_jpeg_head *head = walk->head;
    if (marker == 0xE0 && has_magic(body, "JFIF", 4) && body.n < 7)
        return refuse(walk, -EBADMSG, "a torn JFIF segment");
    if (marker == 0xEE && has_magic(body, "Adobe", 5) && body.n < 7)
        return refuse(walk, -EBADMSG, "a torn Adobe segment");
    if (marker == 0xED && has_magic(body, "Photoshop 3.0\0", 14))
        return check_photoshop(walk, body);
    if (marker == 0xE1 && has_magic(body, "Exif\0\0", 6) && !head->exif.n)
        head->exif = body;
    if (marker == 0xE2 && !has_magic(body, "FPXR\0", 5) &&
        has_magic(body, "ICC_PROFILE\0", 12))
        remember_icc(walk, body);
    return 0;
}

static int read_frame(struct walk *walk, uint8_t marker, struct stk_span body)
{
    struct stk_jpeg_head *head = walk->head;
    const uint8_t *p = body.data;

    if (body.n < 5)
        return refuse(walk, -EBADMSG, "a torn frame header");
    head->height = be16(p + 1);
    head->width = be16(p + 3);
    if (p[0] != 8)
        return refuse(walk, -ENOTSUP, "a JPEG with other than 8 bits a sample");
    if (body.n < 6)
        return refuse(walk, -EBADMSG, "a torn frame header");
    head->n_layers = p[5];
    if (p[5] != 1 && p[5] != 3 && p[5] != 4)
        return refuse(walk, -ENOTSUP,
                      "a JPEG with other than 1, 3 or 4 layers");
    if ((marker & 3) == 2 && marker != 0xDE)
        head->progressive = true;
    if (walk->has_icc && walk->icc.n < 14)
        return refuse(walk, -EBADMSG, "a torn ICC segment");
    walk->has_icc = false;
    walk->icc = (struct stk_span){0};
    if ((body.n - 6) % 3)
        return refuse(walk, -EBADMSG, "a torn frame header");
    head->sof = marker;
    if (walk->n_frames++ || body.n != 6u + 3u * p[5])
        head->plain = false;
    else
        for (int i = 0; i < head->n_layers; i++)
            head->sampling[i] = p[7 + 3 * i];
    return 0;
}

static int read_quantisers(struct walk *walk, struct stk_span body)
{
    uint8_t first;
    struct stk_span table;
    while (stk_span_take_u8(&body, &first))
        if (!stk_span_take(&body, first >> 4 ? 128 : 64, &table))
            return refuse(walk, -EBADMSG, "a torn quantisation table");
    return 0;
}

static bool is_frame(uint8_t marker)
{
    return (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 &&
            marker != 0xC8 && marker != 0xCC) ||
           marker == 0xDE;
}

/* Markers without a body, to Pillow. */
static bool is_bare(uint8_t marker)
{
    return marker == 0xC8 || (marker >= 0xD0 && marker <= 0xD9) ||
           (marker >= 0xF0 && marker <= 0xFD);
}

/* Returns 1 at the first scan, 0 to go on. */
static int read_segment(struct walk *walk, uint8_t marker)
{
    struct stk_span body;
    int rc = take_body(walk, &body);
    if (rc < 0)
        return rc;
    if (is_frame(marker))
        return read_frame(walk, marker, body);
    if (marker >= 0xE0 && marker <= 0xEF)
        return read_app(walk, marker, body);
    if (marker == 0xDB)
        return read_quantisers(walk, body);
    if (marker == 0xDD) {
        if (body.n == 2)
            walk->head->restart_interval = be16(body.data);
        else
            walk->head->plain = false;
    }
    if (marker == 0xDC || marker == 0xDF)
        walk->head->plain = false;
    if (marker != 0xDA)
        return 0;
    walk->head->scan_layers = body.n ? body.data[0] : 0;
    return 1;
}

/* The next marker, over filler and junk; 0: the bytes end. */
static int next_marker(struct walk *walk, uint8_t *marker)
{
    uint8_t byte = 0;
    *marker = 0;
    for (;;) {
        /* Pillow looks for any 0xFF; what lies before it is skipped. */
        while (byte != 0xFF) {
            if (!stk_span_take_u8(&walk->rest, &byte))
                return 0;
            if (byte != 0xFF)
                walk->head->plain = false;
        }
        if (!stk_span_take_u8(&walk->rest, &byte))
            return 0;
        if (byte >= 0xC0 && byte != 0xFF) {
            *marker = byte;
            return 0;
        }
        walk->head->plain = false;
        if (byte != 0 && byte != 0xFF)
            return refuse(walk, -EBADMSG, "an unknown marker in its header");
    }
}

static int walk_header(struct walk *walk)
{
    struct stk_span magic;
    /* The third byte is the first marker's 0xFF. */
    if (!stk_span_take(&walk->rest, 2, &magic))
        return refuse(walk, -ENODATA, "truncated inside its header");
    for (;;) {
        uint8_t marker;
        int rc = next_marker(walk, &marker);
        if (rc < 0)
            return rc;
        if (!marker)
            return refuse(walk, -ENODATA, "truncated before its first scan");
        if (is_bare(marker)) {
            walk->head->plain = false;
            continue;
        }
        rc = read_segment(walk, marker);
        if (rc < 0)
            return rc;
        if (rc == 1)
            return 0;
    }
}

int stk_jpeg_walk(struct stk_span bytes, struct stk_jpeg_head *head,
                  const char **why)
{
    struct walk walk = {.rest = bytes, .head = head};
    *head = (struct stk_jpeg_head){.plain = true};
    int rc = walk_header(&walk);
    if (rc == 0 && !head->sof)
        rc = refuse(&walk, -EBADMSG, "a scan without a frame");
    head->scan_at = bytes.n - walk.rest.n;
    *why = walk.why;
    return rc;
}
