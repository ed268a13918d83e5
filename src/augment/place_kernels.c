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

/* Runs the kernels' own arithmetic on every byte of every channel. */
static bool is_computable(const struct stk_emit *emit,
                          const struct stk_place_kernels *kernels)
{
    size_t bytes = emit->dtype == STOKER_F32 ? 4 : 2;
    struct stk_emit trial = *emit;
    uint8_t value[256 + STK_STRIP_SLACK] = {0}, out[3 * 256 * 4];
    const uint8_t *const from[3] = {value, value, value};
    if (emit->dtype == STOKER_U8 || emit->interleaved)
        return false;
    for (size_t v = 0; v < 256; v++)
        value[v] = (uint8_t)v;
    trial.computable = true;
    trial.plane_bytes = 256 * bytes;
    kernels->emit(&trial, from, 256, out);
    kernels->fence();
    for (size_t i = 0; i < 3 * 256; i++)
        if (memcmp(out + i * bytes, &emit->table[i / 256][i % 256], bytes) != 0)
            return false;
    return true;
}

void stk_emit_init(struct stk_emit *emit, const struct stk_program *program,
                   const struct stk_place_kernels *kernels)
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
    emit->computable = is_computable(emit, kernels);
}
