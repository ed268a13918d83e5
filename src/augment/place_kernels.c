/* Which kernels a cpu level runs, and the tables that they share. */
#include "augment/place_kernels.h"

#include <string.h>

const struct stk_place_kernels *stk_place_kernels_of(int cpu)
{
#if defined(STK_PLACE_VECTORS)
    if (cpu == STOKER_CPU_AVX512)
        return &stk_place_avx512;
    if (cpu == STOKER_CPU_AVX2)
        return &stk_place_avx2;
#else
    (void)cpu;
#endif
    return &stk_place_plain;
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

/* The f32 bits that the kernels would compute for byte v. */
static uint32_t computed(const struct stk_emit *emit, size_t c, int v)
{
    float t = (float)v * (1.0f / 255);
    return bits_of((t - emit->mean[c]) / emit->std[c]);
}

/* Only f32 is proved here: the halves come from registers anyway, or the
 * kernel's rounding of a computable f32 is checked against its own table. */
static bool is_computable(const struct stk_emit *emit)
{
    if (emit->dtype != STOKER_F32)
        return false;
    for (size_t c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            if (computed(emit, c, v) != emit->table[c][v])
                return false;
    return true;
}

void stk_emit_init(struct stk_emit *emit, const struct stk_program *program)
{
    emit->dtype = program->dtype;
    emit->interleaved = program->layout == STOKER_NHWC;
    emit->plane_bytes = program->sample_bytes / 3;
    memcpy(emit->table, program->table, sizeof emit->table);
    for (size_t c = 0; c < 3; c++) {
        emit->mean[c] = program->has_normalize ? program->mean[c] : 0.0f;
        emit->std[c] = program->has_normalize ? program->std[c] : 1.0f;
        for (size_t v = 0; v < 256; v++) {
            emit->low[c][v] = (uint16_t)program->table[c][v];
            emit->high[c][v] = (uint16_t)(program->table[c][v] >> 16);
        }
    }
    emit->computable = is_computable(emit);
}
