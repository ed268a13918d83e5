/* The entropy decoder's driver: feeds the hot loops with un-stuffed bytes,
 * keeps the restart markers, and says at the end of each call whether the
 * bits that were used were there.
 *
 * Why hostile bytes do no harm.  The loops read from buffer alone.  They
 * begin an MCU only while p <= limit, and an MCU takes p at most
 * n_blocks * STK_BLOCK_BYTES + STK_READER_BYTES further, so that p stays
 * inside buffer, which is that much longer than its data and is zero there.
 * Zeros decode to something; what was decoded from them is found out when the
 * call ends (over_end), before anyone uses it.  The file's bytes are read by
 * _unstuff alone, between in and end. */
#include "decode/jpeg_entropy.h"

#include <endian.h>
#include <errno.h>

#include "base/mem.h"
#include "decode/jpeg_scan.h"
#include "stoker/stoker.h"

/* Longest run over which DC predictions are not looked at: 4096 MCUs of 4
 * blocks of 2^15 stay far inside 32 bits. */
enum { MAX_RUN = 4096 };

/* MCUs decoded and dropped at a time. */
enum { N_DROPPED = 8 };

/* Fewer bytes of data than this are not worth tables for values: in empty ones
 * every symbol is rare, and is found by its code. */
enum { LEAST_BYTES = 200 };
static const struct stk_dc_table no_dc;

/* What tables were built from: files of one encoder often bring the same. */
struct origin {
    struct stk_huffman codes;
    int size; /* 0: never built */
};

struct stk_entropy {
    struct stk_scan scan;
    const struct stk_entropy_loops *loops;
    const struct stk_jpeg *jpeg;
    struct stk_unstuffing source;
    uint64_t before; /* un-stuffed bytes of this interval before buffer[0] */
    uint64_t mcu, n_mcus;
    uint64_t interval_end; /* the MCU before which a restart marker stands */
    unsigned next_restart; /* 0 ... 7 */
    struct stk_codes dc_codes[4], ac_codes[4];
    struct stk_value_table values[4]; /* by AC slot */
    struct stk_value_table no_values;
    struct stk_dc_table dc[4];     /* by DC slot */
    struct stk_skip_table skip[4]; /* by AC slot */
    struct stk_skip_table skip_first[STK_JPEG_COMPONENTS];
    struct origin values_from[4], dc_from[4], skip_from[4];
    struct origin first_ac[STK_JPEG_COMPONENTS], first_dc[STK_JPEG_COMPONENTS];
    struct stk_build_scratch build;
    bool can_skip;
    _Alignas(64) int16_t
        dropped[N_DROPPED * STK_JPEG_MCU_BLOCKS * 64 + STK_ENTROPY_SLACK];
    uint8_t buffer[STK_CHUNK_BYTES + STK_CHUNK_PAD];
};

static const struct stk_entropy_loops *loops_of(int cpu)
{
#if defined(__x86_64__)
    if (cpu == STOKER_CPU_AVX512)
        return &stk_entropy_avx512;
    if (cpu == STOKER_CPU_AVX2)
        return &stk_entropy_avx2;
#endif
#if defined(__x86_64__) || defined(__aarch64__)
    if (cpu == STOKER_CPU_VEC128)
        return &stk_entropy_vec128;
#endif
    (void)cpu;
    return &stk_entropy_plain;
}

int stk_entropy_open(struct stk_entropy **out, int cpu)
{
    struct stk_entropy *e = stk_calloc_aligned(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->loops = loops_of(cpu);
    for (int i = 0; i < STK_AC_ENTRIES; i++)
        e->no_values.entry[i] = htole64((uint64_t)STK_RARE << 56);
    *out = e;
    return 0;
}

void stk_entropy_close(struct stk_entropy **entropy)
{
    stk_free(*entropy);
    *entropy = NULL;
}

size_t stk_entropy_scratch_bytes(void)
{
    return sizeof(struct stk_entropy);
}

/* Keeps the bytes that no loop has taken yet, fills the rest of the buffer,
 * and says how far the loops may go. */
static void top_up(struct stk_entropy *e)
{
    struct stk_bits *bits = &e->scan.bits;
    size_t kept = 0;

    if (bits->p < e->source.out) {
        kept = (size_t)(e->source.out - bits->p);
        memmove(e->buffer, bits->p, kept);
    }
    e->before += (uint64_t)(bits->p - e->buffer);
    bits->p = e->buffer;
    e->source.out = e->buffer + kept;
    e->loops->unstuff(&e->source);
    if (e->source.ended) {
        memset(e->source.out, 0, STK_CHUNK_PAD);
        e->scan.limit = e->source.out + 8;
    } else {
        e->scan.limit = e->source.out - e->scan.n_blocks * STK_BLOCK_BYTES -
                        STK_READER_BYTES;
    }
}

/* Starts at the bytes that source.in points to. */
static void begin_interval(struct stk_entropy *e)
{
    uint64_t interval = (uint64_t)e->jpeg->restart_interval;

    e->scan.bits = (struct stk_bits){0, 0, e->buffer};
    memset(e->scan.dc, 0, sizeof e->scan.dc);
    e->before = 0;
    e->source.out = e->buffer;
    e->source.ended = false;
    e->interval_end = e->n_mcus;
    if (interval && interval < e->n_mcus - e->mcu)
        e->interval_end = e->mcu + interval;
    top_up(e);
}

static uint64_t bits_taken(const struct stk_entropy *e)
{
    return (e->before + (uint64_t)(e->scan.bits.p - e->buffer)) * 8 -
           e->scan.bits.n_bits;
}

/* Bits that are left in the buffer; negative: more were used than came. */
static int64_t bits_left(const struct stk_entropy *e)
{
    return (int64_t)((e->before + (uint64_t)(e->source.out - e->buffer)) * 8) -
           (int64_t)bits_taken(e);
}

/* Behind the last MCU of an interval: nothing but padding bits, then the
 * marker whose turn it is. */
static int next_interval(struct stk_entropy *e)
{
    if (!e->source.ended)
        top_up(e);
    if (!e->source.ended || bits_left(e) > 7 ||
        e->source.end - e->source.in < 2 || e->source.in[0] != 0xff ||
        e->source.in[1] != 0xd0 + e->next_restart)
        return 1;
    e->source.in += 2;
    e->next_restart = (e->next_restart + 1) & 7;
    begin_interval(e);
    return 0;
}

/* The greatest magnitude category of which no value times any of the
 * component's quantisers leaves 16 bits; greater ones go the rare way, where
 * the exact product is looked at. */
static int safe_size(const struct stk_jpeg_component *component)
{
    int most = 0, size = STK_AC_SIZE;
    for (int k = 1; k < 64; k++)
        if (component->quant[k] > most)
            most = component->quant[k];
    while (((1 << size) - 1) * most > 32767)
        size--;
    return size;
}

/* Whether the tables of from were built of the same; they will have been. */
static bool is_built(struct origin *from, const struct stk_huffman *codes,
                     int size)
{
    if (from->size == size && !memcmp(&from->codes, codes, sizeof *codes))
        return true;
    *from = (struct origin){*codes, size};
    return false;
}

/* Codes and tables by slot, each built once: for values those of an AC slot
 * obey the strictest of its components. */
static void build_values(struct stk_entropy *e, const struct stk_jpeg *jpeg,
                         bool has_tables)
{
    int size[4] = {STK_AC_SIZE, STK_AC_SIZE, STK_AC_SIZE, STK_AC_SIZE};
    unsigned used = 0;

    for (int c = 0; c < jpeg->n_components; c++) {
        int slot = jpeg->component[c].ac;
        int safe = safe_size(&jpeg->component[c]);
        if (safe < size[slot])
            size[slot] = safe;
        used |= 1u << slot;
    }
    for (int slot = 0; slot < 4; slot++)
        if (used >> slot & 1) {
            stk_codes_from(&e->ac_codes[slot], &jpeg->huffman_ac[slot]);
            if (has_tables && !is_built(&e->values_from[slot],
                                        &jpeg->huffman_ac[slot], size[slot]))
                e->loops->build_values(&e->values[slot],
                                       &jpeg->huffman_ac[slot], size[slot],
                                       &e->build);
        }
    used = 0;
    for (int c = 0; c < jpeg->n_components; c++)
        used |= 1u << jpeg->component[c].dc;
    for (int slot = 0; slot < 4; slot++)
        if (used >> slot & 1) {
            stk_codes_from(&e->dc_codes[slot], &jpeg->huffman_dc[slot]);
            if (has_tables && !is_built(&e->dc_from[slot],
                                        &jpeg->huffman_dc[slot], STK_DC_SIZE))
                e->loops->build_dc(&e->dc[slot], &jpeg->huffman_dc[slot]);
        }
}

/* first[c]: whose skip_first component c uses, one for each pair of slots. */
static void build_skips(struct stk_entropy *e, const struct stk_jpeg *jpeg,
                        int *first)
{
    for (int c = 0; c < jpeg->n_components; c++) {
        int ac = jpeg->component[c].ac, dc = jpeg->component[c].dc;
        first[c] = c;
        for (int b = c - 1; b >= 0; b--)
            if (jpeg->component[b].ac == ac && jpeg->component[b].dc == dc)
                first[c] = b;
        if (first[c] != c)
            continue;
        /* All three are asked, for each takes note; skip_first is composed of
         * what building skip leaves. */
        const struct stk_huffman *ac_codes = &jpeg->huffman_ac[ac];
        const struct stk_huffman *dc_codes = &jpeg->huffman_dc[dc];
        bool kept = is_built(&e->skip_from[ac], ac_codes, STK_AC_SIZE);
        kept &= is_built(&e->first_ac[c], ac_codes, STK_AC_SIZE);
        kept &= is_built(&e->first_dc[c], dc_codes, STK_DC_SIZE);
        if (kept)
            continue;
        e->loops->build_skip(&e->skip[ac], ac_codes, &e->build);
        e->loops->build_skip_first(&e->skip_first[c], dc_codes, &e->build);
    }
}

static void plan_blocks(struct stk_entropy *e, const struct stk_jpeg *jpeg,
                        bool need_skip)
{
    int first[STK_JPEG_COMPONENTS] = {0};
    bool has_tables = jpeg->entropy_bytes >= LEAST_BYTES;

    build_values(e, jpeg, has_tables);
    if (need_skip)
        build_skips(e, jpeg, first);
    for (int i = 0; i < jpeg->n_blocks; i++) {
        int c = jpeg->block_component[i];
        const struct stk_jpeg_component *component = &jpeg->component[c];
        uint32_t quant = component->quant[0];
        e->scan.block[i] = (struct stk_block){
            .values = has_tables ? &e->values[component->ac] : &e->no_values,
            .dc = has_tables ? &e->dc[component->dc] : &no_dc,
            .skip = need_skip ? &e->skip[component->ac] : NULL,
            .skip_first = need_skip ? &e->skip_first[first[c]] : NULL,
            .dc_codes = &e->dc_codes[component->dc],
            .ac_codes = &e->ac_codes[component->ac],
            .quant = component->quant,
            .dc_limit = 32767u / (quant ? quant : 1),
            .component = (uint32_t)c,
        };
    }
    e->scan.n_blocks = (uint32_t)jpeg->n_blocks;
}

int stk_entropy_begin(struct stk_entropy *e, const struct stk_jpeg *jpeg,
                      struct stk_span bytes, bool need_skip)
{
    struct stk_span head, data;

    e->scan.bad = true;
    if (!stk_span_take(&bytes, jpeg->entropy_offset, &head) ||
        !stk_span_take(&bytes, jpeg->entropy_bytes, &data))
        return 1;
    e->jpeg = jpeg;
    e->source.in = data.data;
    e->source.end = data.data + data.n;
    e->source.out_end = e->buffer + STK_CHUNK_BYTES;
    e->mcu = 0;
    e->n_mcus = (uint64_t)jpeg->mcus_x * (uint64_t)jpeg->mcus_y;
    e->can_skip = need_skip;
    e->next_restart = 0;
    plan_blocks(e, jpeg, need_skip);
    begin_interval(e);
    e->scan.bad = false;
    return 0;
}

/* One stretch of MCUs inside an interval and inside the buffer; blocks NULL:
 * skip.  Returns how many were done, 0 when the data is not mine. */
static uint32_t run(struct stk_entropy *e, uint32_t n, int16_t *blocks)
{
    struct stk_scan *scan = &e->scan;

    if (e->mcu == e->interval_end &&
        (e->mcu == e->n_mcus || next_interval(e) != 0))
        return 0;
    if (scan->bits.p > scan->limit) {
        if (e->source.ended)
            return 0;
        top_up(e);
    }
    if (n > e->interval_end - e->mcu)
        n = (uint32_t)(e->interval_end - e->mcu);
    if (n > MAX_RUN)
        n = MAX_RUN;
    n = blocks ? e->loops->values(scan, n, blocks) : e->loops->skip(scan, n);
    e->mcu += n;
    if (scan->bad || bits_left(e) < 0)
        return 0;
    /* Those of delivered blocks were checked one by one.  Beyond 32 bits
     * libjpeg calls the file bad, so sums may not get there. */
    for (int c = 0; c < STK_JPEG_COMPONENTS; c++)
        if (scan->dc[c] > 32767 || scan->dc[c] < -32767)
            return 0;
    return n;
}

static int run_all(struct stk_entropy *e, uint32_t n_mcus, int16_t *blocks)
{
    while (n_mcus && !e->scan.bad) {
        uint32_t n = run(e, n_mcus, blocks);
        if (!n)
            e->scan.bad = true;
        n_mcus -= n;
        if (blocks)
            blocks += (size_t)n * e->scan.n_blocks * 64;
    }
    return e->scan.bad;
}

int stk_entropy_values(struct stk_entropy *e, uint32_t n_mcus, int16_t *blocks)
{
    return run_all(e, n_mcus, blocks);
}

int stk_entropy_skip(struct stk_entropy *e, uint32_t n_mcus)
{
    if (e->can_skip)
        return run_all(e, n_mcus, NULL);
    while (n_mcus && !e->scan.bad) {
        uint32_t n = n_mcus < N_DROPPED ? n_mcus : N_DROPPED;
        run_all(e, n, e->dropped);
        n_mcus -= n;
    }
    return e->scan.bad;
}

bool stk_entropy_is_cut(struct stk_entropy *e, const struct stk_jpeg *jpeg,
                        struct stk_span bytes)
{
    uint32_t n = 1;

    if (stk_entropy_begin(e, jpeg, bytes, true))
        return false;
    while (n && e->mcu < e->n_mcus)
        n = run(e, MAX_RUN, NULL);
    return !n && !e->scan.bad && e->source.ended &&
           e->source.in == e->source.end && bits_left(e) < 0;
}

void stk_entropy_where(const struct stk_entropy *e,
                       struct stk_entropy_place *place)
{
    place->mcu = e->mcu;
    place->bit = bits_taken(e);
    memcpy(place->dc, e->scan.dc, sizeof place->dc);
}
