/* The entropy loops symbol by symbol: the definition. */
#include "decode/jpeg_scan.h"

static void unstuff(struct stk_unstuffing *work)
{
    const uint8_t *in = work->in;
    uint8_t *out = work->out;
    while (out < work->out_end) {
        if (in == work->end) {
            work->ended = true;
            break;
        }
        if (*in == 0xff && (in + 1 == work->end || in[1] != 0)) {
            work->ended = true;
            break;
        }
        *out++ = *in;
        in += *in == 0xff ? 2 : 1;
    }
    work->in = in;
    work->out = out;
}

static void refill(struct stk_bits *bits)
{
    while (bits->n_bits <= 56) {
        bits->acc |= (uint64_t)*bits->p++ << (56 - bits->n_bits);
        bits->n_bits += 8;
    }
}

static int extend(uint64_t acc, unsigned size)
{
    if (!size)
        return 0;
    int v = (int)(acc >> (64 - size));
    return v >> (size - 1) ? v : v - (1 << size) + 1;
}

static void drop(struct stk_bits *bits, unsigned n)
{
    bits->acc <<= n;
    bits->n_bits -= n;
}

static int one_block(struct stk_scan *scan, const struct stk_block *b,
                     int16_t *out)
{
    struct stk_bits *bits = &scan->bits;
    unsigned n, size;

    refill(bits);
    int symbol = stk_codes_symbol(b->dc_codes, bits->acc, &n);
    if (symbol < 0)
        return 1;
    drop(bits, n);
    size = (unsigned)symbol & 15;
    int32_t dc = scan->dc[b->component] += extend(bits->acc, size);
    drop(bits, size);
    if (out) {
        memset(out, 0, 64 * sizeof *out);
        out[0] = (int16_t)dc;
        if ((uint32_t)dc + b->dc_limit > 2 * b->dc_limit)
            return 1;
    }
    for (unsigned k = 1; k < 64; k++) {
        refill(bits);
        symbol = stk_codes_symbol(b->ac_codes, bits->acc, &n);
        if (symbol < 0)
            return 1;
        drop(bits, n);
        size = (unsigned)symbol & 15;
        if (!size && symbol != 0xf0)
            break;
        k += (unsigned)symbol >> 4;
        if (k > 63)
            return 1;
        int v = extend(bits->acc, size);
        drop(bits, size);
        if (out) {
            if (v * b->quant[k] > 32767 || v * b->quant[k] < -32767)
                return 1;
            out[k] = (int16_t)v;
        }
    }
    return 0;
}

static uint32_t loop(struct stk_scan *scan, uint32_t n_mcus, int16_t *out)
{
    uint32_t mcu = 0;
    for (; mcu < n_mcus && scan->bits.p <= scan->limit; mcu++)
        for (uint32_t i = 0; i < scan->n_blocks; i++) {
            if (one_block(scan, &scan->block[i], out)) {
                scan->bad = true;
                return mcu;
            }
            if (out)
                out += 64;
        }
    return mcu;
}

static uint32_t values(struct stk_scan *scan, uint32_t n_mcus, int16_t *out)
{
    return loop(scan, n_mcus, out);
}

static uint32_t skip(struct stk_scan *scan, uint32_t n_mcus)
{
    return loop(scan, n_mcus, NULL);
}

const struct stk_entropy_loops stk_entropy_plain = {unstuff, values, skip};
