/* The rare way: symbols too long or too great for the tables, one by one. */
#include "decode/jpeg_scan.h"

static int extend(uint64_t acc, unsigned size)
{
    if (!size)
        return 0;
    int v = (int)(acc >> (64 - size));
    return v >> (size - 1) ? v : v - (1 << size) + 1;
}

bool stk_rare_ac(const struct stk_block *block, struct stk_rare *at,
                 int16_t *out)
{
    unsigned n;
    int symbol = stk_codes_symbol(block->ac_codes, at->acc, &n);
    unsigned size = (unsigned)symbol & 15;

    if (symbol < 0)
        return false;
    if (!size && symbol != 0xf0) {
        at->k = 64;
    } else {
        at->k += (unsigned)symbol >> 4;
        if (at->k > 63)
            return false;
        int v = extend(at->acc << n, size);
        int dequantised = v * block->quant[at->k];
        if (out) {
            if (dequantised > 32767 || dequantised < -32767)
                return false;
            out[at->k] = (int16_t)v;
        }
        at->k++;
    }
    at->acc <<= n + size;
    at->n_bits -= n + size;
    return true;
}

int stk_rare_dc(const struct stk_block *block, uint64_t acc, unsigned *n_bits)
{
    unsigned n;
    int symbol = stk_codes_symbol(block->dc_codes, acc, &n);

    *n_bits = symbol < 0 ? 0 : n + (unsigned)symbol;
    return symbol < 0 ? 0 : extend(acc << n, (unsigned)symbol);
}
