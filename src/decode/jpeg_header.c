/* The marker parser of stoker's own JPEG decoder: takes what libjpeg-turbo
 * takes without complaint, in any order it takes it, and leaves the rest. */
#include "decode/jpeg_header.h"

#include "decode/jpeg_tables.h"

enum marker {
    M_SOF0 = 0xc0,
    M_SOF1 = 0xc1,
    M_DHT = 0xc4,
    M_SOI = 0xd8,
    M_SOS = 0xda,
    M_DQT = 0xdb,
    M_DRI = 0xdd,
    M_APP0 = 0xe0,
    M_APP14 = 0xee,
    M_APP15 = 0xef,
    M_COM = 0xfe,
};

/* What the markers said so far. */
struct reading {
    struct stk_jpeg *jpeg;
    uint16_t quant[4][64];
    uint8_t id[STK_JPEG_COMPONENTS], quant_index[STK_JPEG_COMPONENTS];
    bool has_quant[4], has_frame, has_jfif, has_adobe;
    bool has_dc[4], has_ac[4];
    uint8_t adobe_transform;
};

static int read_quant(struct reading *r, struct stk_span body)
{
    while (body.n) {
        uint8_t what;
        if (!stk_span_take_u8(&body, &what) || (what & 15) > 3)
            return 1;
        uint16_t *table = r->quant[what & 15];
        for (int k = 0; k < 64; k++) {
            uint8_t byte = 0;
            if (what >> 4 ? !stk_span_take_be16(&body, &table[k])
                          : !stk_span_take_u8(&body, &byte))
                return 1;
            if (!(what >> 4))
                table[k] = byte;
            /* libjpeg multiplies by signed 16-bit words. */
            if (table[k] > 32767)
                return 1;
        }
        r->has_quant[what & 15] = true;
    }
    return 0;
}

static int read_huffman(struct reading *r, struct stk_span body)
{
    while (body.n) {
        struct stk_span counts, symbols;
        uint8_t what;
        size_t n = 0;
        if (!stk_span_take_u8(&body, &what) || (what & 15) > 3 || what >> 5 ||
            !stk_span_take(&body, 16, &counts))
            return 1;
        for (int i = 0; i < 16; i++)
            n += counts.data[i];
        if (n > 256 || !stk_span_take(&body, n, &symbols))
            return 1;
        bool ac = what >> 4;
        struct stk_huffman *table = ac ? &r->jpeg->huffman_ac[what & 15]
                                       : &r->jpeg->huffman_dc[what & 15];
        memset(table, 0, sizeof *table);
        memcpy(table->count + 1, counts.data, 16);
        memcpy(table->symbol, symbols.data, n);
        *(ac ? &r->has_ac[what & 15] : &r->has_dc[what & 15]) = true;
    }
    return 0;
}

static int read_frame(struct reading *r, struct stk_span body)
{
    struct stk_jpeg *jpeg = r->jpeg;
    uint8_t precision, n;
    uint16_t height, width;

    if (r->has_frame || !stk_span_take_u8(&body, &precision) ||
        !stk_span_take_be16(&body, &height) ||
        !stk_span_take_be16(&body, &width) || !stk_span_take_u8(&body, &n))
        return 1;
    if (precision != 8 || !height || height > STK_JPEG_MAX_SIDE || !width ||
        width > STK_JPEG_MAX_SIDE || (n != 1 && n != 3) ||
        body.n != (size_t)n * 3)
        return 1;
    jpeg->height = height;
    jpeg->width = width;
    jpeg->n_components = n;
    for (int c = 0; c < n; c++) {
        const uint8_t *said = body.data + (size_t)c * 3;
        r->id[c] = said[0];
        jpeg->component[c].h = said[1] >> 4;
        jpeg->component[c].v = said[1] & 15;
        r->quant_index[c] = said[2];
        for (int before = 0; before < c; before++)
            if (r->id[before] == r->id[c])
                return 1;
    }
    r->has_frame = true;
    return 0;
}

/* The sampling factors that are ours, and the MCU that follows from them. */
static int lay_out(struct stk_jpeg *jpeg)
{
    struct stk_jpeg_component *first = jpeg->component;

    if (first->h < 1 || first->h > 4 || first->v < 1 || first->v > 4)
        return 1;
    if (jpeg->n_components == 1)
        first->h = first->v = 1;
    if (first->h > 2 || first->v > 2)
        return 1;
    for (int c = 1; c < jpeg->n_components; c++)
        if (jpeg->component[c].h != 1 || jpeg->component[c].v != 1)
            return 1;
    jpeg->h_max = first->h;
    jpeg->v_max = first->v;
    jpeg->mcus_x = (jpeg->width + 8 * first->h - 1) / (8 * first->h);
    jpeg->mcus_y = (jpeg->height + 8 * first->v - 1) / (8 * first->v);
    jpeg->n_blocks = 0;
    for (int c = 0; c < jpeg->n_components; c++)
        for (int b = jpeg->component[c].h * jpeg->component[c].v; b > 0; b--)
            jpeg->block_component[jpeg->n_blocks++] = (uint8_t)c;
    return 0;
}

/* libjpeg's default_decompress_parms(). */
static int colour_of(const struct reading *r)
{
    if (r->jpeg->n_components == 1)
        return STK_JPEG_GREY;
    if (r->has_jfif)
        return STK_JPEG_YCC;
    if (r->has_adobe)
        return r->adobe_transform ? STK_JPEG_YCC : STK_JPEG_RGB;
    return memcmp(r->id, "RGB", 3) == 0 ? STK_JPEG_RGB : STK_JPEG_YCC;
}

static int read_scan(struct reading *r, struct stk_span body)
{
    struct stk_jpeg *jpeg = r->jpeg;
    uint8_t n;

    if (!r->has_frame || !stk_span_take_u8(&body, &n) ||
        n != jpeg->n_components || body.n != (size_t)n * 2 + 3)
        return 1;
    for (int c = 0; c < n; c++) {
        struct stk_jpeg_component *component = &jpeg->component[c];
        int dc = body.data[2 * c + 1] >> 4, ac = body.data[2 * c + 1] & 15;
        if (body.data[2 * c] != r->id[c] || dc > 3 || ac > 3 ||
            r->quant_index[c] > 3 || !r->has_quant[r->quant_index[c]])
            return 1;
        component->dc = (uint8_t)dc;
        component->ac = (uint8_t)ac;
        memcpy(component->quant, r->quant[r->quant_index[c]],
               sizeof component->quant);
        /* Motion JPEG leaves the usual tables out; libjpeg puts them in. */
        if (!r->has_dc[dc] && stk_huffman_usual(&jpeg->huffman_dc[dc], 0, dc))
            return 1;
        if (!r->has_ac[ac] && stk_huffman_usual(&jpeg->huffman_ac[ac], 1, ac))
            return 1;
        if (stk_huffman_check(&jpeg->huffman_dc[dc], true) ||
            stk_huffman_check(&jpeg->huffman_ac[ac], false))
            return 1;
    }
    const uint8_t *spectral = body.data + 2 * (size_t)n;
    if (spectral[0] != 0 || spectral[1] != 63 || spectral[2] != 0)
        return 1;
    jpeg->colour = colour_of(r);
    return lay_out(jpeg);
}

static int read_restart(struct reading *r, struct stk_span body)
{
    uint16_t interval;
    if (body.n != 2 || !stk_span_take_be16(&body, &interval))
        return 1;
    r->jpeg->restart_interval = interval;
    return 0;
}

static void read_app(struct reading *r, int marker, struct stk_span body)
{
    if (marker == M_APP0 && body.n >= 14 &&
        stk_span_starts_with(body, "JFIF", 5))
        r->has_jfif = true;
    if (marker == M_APP14 && body.n >= 12 &&
        stk_span_starts_with(body, "Adobe", 5)) {
        r->has_adobe = true;
        r->adobe_transform = body.data[11];
    }
}

/* Returns 0: go on; 1: not mine; 2: that was the scan. */
static int read_marker(struct reading *r, int marker, struct stk_span body)
{
    switch (marker) {
    case M_SOF0:
    case M_SOF1:
        return read_frame(r, body);
    case M_DHT:
        return read_huffman(r, body);
    case M_DQT:
        return read_quant(r, body);
    case M_DRI:
        return read_restart(r, body);
    case M_SOS:
        return read_scan(r, body) ? 1 : 2;
    default:
        if (marker != M_COM && (marker < M_APP0 || marker > M_APP15))
            return 1;
        read_app(r, marker, body);
        return 0;
    }
}

int stk_jpeg_parse(struct stk_jpeg *jpeg, struct stk_span bytes)
{
    static const uint8_t start[2] = {0xff, M_SOI};
    struct reading r = {.jpeg = jpeg};
    struct stk_span left = bytes, head, body;
    int said = 0;

    if (!stk_span_take(&left, 2, &head) || memcmp(head.data, start, 2) != 0)
        return 1;
    jpeg->restart_interval = 0;
    while (!said) {
        uint8_t byte;
        uint16_t length;
        if (!stk_span_take_u8(&left, &byte) || byte != 0xff)
            return 1;
        while (byte == 0xff) /* any number of them may pad a marker */
            if (!stk_span_take_u8(&left, &byte))
                return 1;
        if (!stk_span_take_be16(&left, &length) || length < 2 ||
            !stk_span_take(&left, length - 2u, &body))
            return 1;
        said = read_marker(&r, byte, body);
    }
    jpeg->entropy_offset = (size_t)(left.data - bytes.data);
    jpeg->entropy_bytes = left.n;
    return said == 2 ? 0 : 1;
}
