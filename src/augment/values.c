/* The table of values, apart because its few roundings are a promise: t =
 * (float)v * (1/255), then (t - mean) / std, each step rounded to float, and
 * narrower types round that once more. */
#include "augment/values.h"

#include <string.h>

size_t stk_dtype_bytes(int dtype)
{
    switch (dtype) {
    case STOKER_U8:
        return 1;
    case STOKER_F16:
    case STOKER_BF16:
        return 2;
    case STOKER_F32:
        return 4;
    default:
        return 0;
    }
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* value >> shift, rounded to nearest even; 1 <= shift <= 31. */
static uint32_t shift_to_even(uint32_t value, unsigned shift)
{
    uint32_t kept = value >> shift;
    uint32_t rest = value & ((UINT32_C(1) << shift) - 1);
    uint32_t half = UINT32_C(1) << (shift - 1);

    return kept + (rest > half || (rest == half && (kept & 1)));
}

uint16_t stk_f16_bits(float value)
{
    uint32_t bits = float_bits(value);
    uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;

    if (magnitude > 0x7f800000) /* NaN: quiet, the payload's top bits kept */
        return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
    if (magnitude >= 0x47800000) /* 65536 and more, infinity too */
        return (uint16_t)(sign | 0x7c00);
    if (magnitude >= 0x38800000) /* normal: 2^-14 and more; a carry out of the
                                    fraction raises the exponent, up to inf */
        return (uint16_t)(sign | shift_to_even(magnitude - 0x38000000, 13));
    if (magnitude < 0x33000000) /* below half of the smallest, 2^-25 */
        return (uint16_t)sign;
    /* Subnormal: units of 2^-24. */
    uint32_t fraction = (magnitude & 0x7fffff) | 0x800000;
    return (uint16_t)(sign | shift_to_even(fraction, 126 - (magnitude >> 23)));
}

uint16_t stk_bf16_bits(float value)
{
    uint32_t bits = float_bits(value);

    if ((bits & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)shift_to_even(bits, 16);
}

static float value_of(const struct stk_program *program, int channel,
                      uint32_t byte)
{
    float t = (float)byte * (1.0f / 255);

    if (!program->has_normalize)
        return t;
    t = t - program->mean[channel];
    return t / program->std[channel];
}

void stk_values_fill(struct stk_program *program)
{
    for (int c = 0; c < 3; c++)
        for (uint32_t byte = 0; byte < 256; byte++) {
            float value = value_of(program, c, byte);
            uint32_t *out = &program->table[c][byte];
            if (program->dtype == STOKER_U8)
                *out = byte;
            else if (program->dtype == STOKER_F16)
                *out = stk_f16_bits(value);
            else if (program->dtype == STOKER_BF16)
                *out = stk_bf16_bits(value);
            else
                *out = float_bits(value);
        }
}
