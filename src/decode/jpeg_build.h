/* Building the look-up tables, by composition: a table of w bits is its first
 * symbol's entries followed by copies of narrower tables, moved on.  A
 * template: each CPU level's file includes it once (jpeg_loops.h). */
#ifndef STK_JPEG_BUILD_H
#define STK_JPEG_BUILD_H

#include <endian.h>

#include "decode/jpeg_scan.h"

/* The compiler's vectors, of one register: gcc makes poor code of wider ones.
 * VECTOR divides 64 and is at least 16. */
#if defined(__AVX512BW__)
#define VECTOR 64
#elif defined(__AVX2__)
#define VECTOR 32
#else
#define VECTOR 16
#endif
typedef uint8_t bytes
    __attribute__((vector_size(VECTOR), aligned(1), may_alias));
typedef uint64_t words
    __attribute__((vector_size(VECTOR), aligned(8), may_alias));

struct symbol {
    uint8_t length, size, run;
    bool rare;
};

/* The symbols of up to max_length bits, in the order of their codes, and so
 * from the table's beginning on without gaps. */
static int list_symbols(const struct stk_huffman *from, int max_length,
                        int max_size, struct symbol *list)
{
    int n = 0;
    for (int l = 1; l <= max_length; l++)
        for (int i = 0; i < from->count[l]; i++, n++) {
            uint8_t symbol = from->symbol[n];
            list[n] = (struct symbol){.length = (uint8_t)l,
                                      .size = symbol & 15,
                                      .run = symbol >> 4,
                                      .rare = (symbol & 15) > max_size};
        }
    return n;
}

/* n times e, and up to 7 more: what follows is written later. */
static inline void fill(uint64_t *out, int n, uint64_t e)
{
    words v = (words){0} + e;
    for (int x = 0; x < n; x += VECTOR / 8)
        *(words *)(out + x) = v;
}

/* The narrower table's entries + add, where it has any, else own.  shift: its
 * earlier value moves on by one coefficient. */
static inline void compose(uint64_t *out, int n, const uint64_t *narrower,
                           bool shift, uint64_t add, uint64_t own)
{
    for (int x = 0; x < n; x += VECTOR / 8) {
        words u = *(const words *)(narrower + x);
        words none = (words)(u == 0);
        if (shift)
            u = (u & ~(0xffffull << 32)) | (u & 0xffull << 32) << 8;
        *(words *)(out + x) = (none & own) | (~none & (u + add));
    }
}

/* One symbol's entries, 1 << (w - length) of them, in a table of w bits that
 * may hold n_earlier coefficients before the last symbol's. */
static void put_symbol(uint64_t *out, const struct symbol *s, int w,
                       int n_earlier, const struct stk_build_scratch *scratch)
{
    int span = 1 << (w - s->length), n_bits = s->length + s->size;
    int rest = w - n_bits;
    uint64_t e = (uint64_t)(64 - n_bits) | (uint64_t)s->size << 8;

    if (s->rare || (s->size && span < 2)) { /* the sign does not fit */
        fill(out, span, 0);
        return;
    }
    if (!s->size) {
        uint64_t advance = s->run == 15 ? 16 : STK_EOB;
        fill(out, span, e | advance << 56);
        return;
    }
    e |= (uint64_t)(s->run + 1) << 56;
    uint64_t negative = e | (uint64_t)(uint16_t)(1 - (1 << s->size)) << 16;
    if (s->run >= n_earlier || rest < 2 || s->size > 7) {
        fill(out, span / 2, negative);
        fill(out + span / 2, span / 2, e);
        return;
    }
    bool two = n_earlier == 2 && s->run == 0;
    const uint64_t *narrower =
        (two ? scratch->pair : scratch->last) + STK_NARROW(rest);
    uint64_t add = ((uint64_t)(s->run + 1) << 56) - (uint64_t)n_bits;
    for (int m = 0; m < 1 << s->size; m++) {
        int v = m >> (s->size - 1) ? m : m - (1 << s->size) + 1;
        compose(out + (m << rest), 1 << rest, narrower, two,
                add + ((uint64_t)(uint8_t)v << (32 + 8 * s->run)),
                v < 0 ? negative : e);
    }
}

static void put_symbols(uint64_t *out, const struct symbol *list, int n, int w,
                        int n_earlier, const struct stk_build_scratch *scratch)
{
    int end = 0;
    for (int i = 0; i < n && list[i].length <= w; i++) {
        put_symbol(out + end, &list[i], w, n_earlier, scratch);
        end += 1 << (w - list[i].length);
    }
    fill(out + end, (1 << w) - end, 0);
}

static void build_values(struct stk_value_table *table,
                         const struct stk_huffman *ac, int max_size,
                         struct stk_build_scratch *scratch)
{
    struct symbol list[256];
    int n = list_symbols(ac, STK_AC_BITS, max_size, list);

    for (int w = 1; w < STK_AC_BITS - 1; w++)
        put_symbols(scratch->last + STK_NARROW(w), list, n, w, 0, scratch);
    for (int w = 1; w < STK_AC_BITS - 1; w++)
        put_symbols(scratch->pair + STK_NARROW(w), list, n, w, 1, scratch);
    put_symbols(scratch->wide, list, n, STK_AC_BITS, 2, scratch);
    for (int x = 0; x < STK_AC_ENTRIES; x++)
        table->n_bits[x] = (uint8_t)(64 - (scratch->wide[x] & 63)) & 63;
    for (int x = 0; x < STK_AC_ENTRIES; x += VECTOR / 8) {
        words u = *(const words *)(scratch->wide + x);
        u |= (words)(u == 0) & ((uint64_t)STK_RARE << 56);
        *(words *)(table->entry + x) = u;
    }
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    for (int x = 0; x < STK_AC_ENTRIES; x++)
        table->entry[x] = htole64(table->entry[x]);
#endif
}

static void build_dc(struct stk_dc_table *table, const struct stk_huffman *dc)
{
    struct symbol list[256];
    int n = list_symbols(dc, STK_DC_BITS, STK_DC_SIZE, list), end = 0;

    memset(table, 0, sizeof *table);
    for (int i = 0; i < n; i++) {
        int l = list[i].length, size = list[i].size;
        int span = 1 << (STK_DC_BITS - l);
        uint32_t e = (uint32_t)(64 - l - size) | (uint32_t)size << 8;
        uint32_t negative = e | (uint32_t)(uint16_t)(1 - (1 << size)) << 16;
        bool rare = list[i].rare || (size && span < 2);
        for (int x = 0; x < span && !rare; x++) {
            table->entry[end + x] = size && x < span / 2 ? negative : e;
            table->n_bits[end + x] = (uint8_t)(l + size);
        }
        end += span;
    }
}

/* scratch->wide_* of w bits: a symbol, then what the narrower tables say of
 * the bits behind its magnitude.  Returns the greatest advance. */
static int put_skips(const struct symbol *list, int n, int w, bool dc,
                     struct stk_build_scratch *scratch)
{
    int end = 0, most = 0;
    uint8_t *bits = scratch->wide_bits, *advance = scratch->wide_advance;

    for (int i = 0; i < n && list[i].length <= w; i++) {
        const struct symbol *s = &list[i];
        int span = 1 << (w - s->length), n_bits = s->length + s->size;
        int rest = w - n_bits, step = dc ? 1 : s->run + 1;
        bool eob = !dc && !s->size && s->run != 15;
        if (eob)
            step = 1;
        if (s->rare || eob || rest < 0 || scratch->skip_most[rest] + step > 63)
            rest = 0;
        int period = rest > 6 ? 1 << rest : 64; /* the least that is stored */
        uint8_t add_bits = (uint8_t)(s->rare ? 0 : n_bits);
        uint8_t add = (uint8_t)(s->rare ? 0 : eob ? STK_EOB : step);
        const uint8_t *then_bits = scratch->skip_bits + STK_NARROW_BYTES(rest);
        const uint8_t *then = scratch->skip_advance + STK_NARROW_BYTES(rest);
        for (int x = 0; x < span; x += VECTOR) {
            int y = x & (period - 1);
            *(bytes *)(bits + end + x) =
                *(const bytes *)(then_bits + y) + add_bits;
            *(bytes *)(advance + end + x) = *(const bytes *)(then + y) + add;
        }
        if (!s->rare && step + scratch->skip_most[rest] > most)
            most = step + scratch->skip_most[rest];
        end += span;
    }
    memset(bits + end, 0, (size_t)((1 << w) - end));
    memset(advance + end, 0, (size_t)((1 << w) - end));
    return most;
}

static void finish_skip(struct stk_skip_table *table,
                        const struct stk_build_scratch *scratch)
{
    for (int x = 0; x < STK_SKIP_ENTRIES; x += VECTOR) {
        bytes n = *(const bytes *)(scratch->wide_bits + x);
        bytes advance = *(const bytes *)(scratch->wide_advance + x);
        *(bytes *)(table->n_bits + x) = n;
        *(bytes *)(table->advance + x) = advance | ((bytes)(n == 0) & STK_RARE);
    }
}

static void build_skip(struct stk_skip_table *table,
                       const struct stk_huffman *ac,
                       struct stk_build_scratch *scratch)
{
    struct symbol list[256];
    int n = list_symbols(ac, STK_SKIP_BITS, STK_AC_SIZE, list);

    /* The table of no bits: nothing follows. */
    memset(scratch->skip_bits + STK_NARROW_BYTES(0), 0, 64);
    memset(scratch->skip_advance + STK_NARROW_BYTES(0), 0, 64);
    scratch->skip_most[0] = 0;
    for (int w = 1; w < STK_SKIP_BITS; w++) {
        uint8_t *bits = scratch->skip_bits + STK_NARROW_BYTES(w);
        uint8_t *advance = scratch->skip_advance + STK_NARROW_BYTES(w);
        size_t n_bytes = 1u << w;
        scratch->skip_most[w] = put_skips(list, n, w, false, scratch);
        memcpy(bits, scratch->wide_bits, n_bytes);
        memcpy(advance, scratch->wide_advance, n_bytes);
        for (; n_bytes < 64; n_bytes *= 2) { /* repeated to a full vector */
            memcpy(bits + n_bytes, bits, n_bytes);
            memcpy(advance + n_bytes, advance, n_bytes);
        }
    }
    put_skips(list, n, STK_SKIP_BITS, false, scratch);
    finish_skip(table, scratch);
}

static void build_skip_first(struct stk_skip_table *table,
                             const struct stk_huffman *dc,
                             struct stk_build_scratch *scratch)
{
    struct symbol list[256];
    int n = list_symbols(dc, STK_SKIP_BITS, STK_DC_SIZE, list);

    put_skips(list, n, STK_SKIP_BITS, true, scratch);
    finish_skip(table, scratch);
}

#endif
