/* Which kernels a cpu level runs, and the tables that they share. */
#include "augment/place_kernels.h"

#include <string.h>

const struct stk_place_kernels *stk_place_kernels_of(int cpu)
{
#if defined(__x86_64__)
    if (cpu == STOKER_CPU_AVX512)
        return &stk_place_avx512;
    if (cpu == STOKER_CPU_AVX2)
        return &stk_place_avx2;
#endif
#if defined(__x86_64__) || defined(__aarch64__)
    if (cpu == STOKER_CPU_VEC128)
        return &stk_place_vec128;
#endif
    (void)cpu;
    return &stk_place_plain;
}

/* Which channels the kernels compute to the table's values with their forms,
 * a bit each. */
static unsigned proved(const struct stk_emit *emit,
                       const struct stk_place_kernels *kernels)
{
    size_t bytes = emit->dtype == STOKER_F32 ? 4 : 2;
    struct stk_emit trial = *emit;
    uint8_t value[256 + STK_STRIP_SLACK] = {0}, out[3 * 256 * 4];
    const uint8_t *const from[3] = {value, value, value};
    unsigned equal = 7;
    for (size_t v = 0; v < 256; v++)
        value[v] = (uint8_t)v;
    trial.plane_bytes = 256 * bytes;
    kernels->emit(&trial, from, 256, out);
    kernels->fence();
    for (size_t i = 0; i < 3 * 256; i++)
        if (memcmp(out + i * bytes, &emit->table[i / 256][i % 256], bytes) != 0)
            equal &= ~(1u << i / 256);
    return equal;
}

/* A float some units in the last place away. */
static float nudged(double value, int32_t units)
{
    float near = (float)value;
    uint32_t bits;
    memcpy(&bits, &near, sizeof bits);
    bits += (uint32_t)units;
    memcpy(&near, &bits, sizeof bits);
    return value == 0.0 ? 0.0f : near;
}

/* Finds the cheapest proved form of each channel.  A line's few roundings are
 * not the definition's, but narrow types hide them for some line nearby. */
static void choose_forms(struct stk_emit *emit,
                         const struct stk_place_kernels *kernels)
{
    enum { REACH = 2, SIDE = 2 * REACH + 1 };
    struct stk_emit trial = *emit;
    unsigned open = 7;
    for (int32_t k = -1; k < SIDE * SIDE && open; k++) {
        for (size_t c = 0; c < 3; c++) {
            double std = (double)emit->std[c];
            int32_t up = k < 0 ? 0 : k / SIDE - REACH;
            int32_t right = k < 0 ? 0 : k % SIDE - REACH;
            trial.form[c] = STK_FORM_LINE;
            trial.scale[c] = nudged((double)(1.0f / 255) / std, up);
            trial.offset[c] = nudged(-(double)emit->mean[c] / std, right);
        }
        unsigned equal = proved(&trial, kernels) & open;
        open &= ~equal;
        for (size_t c = 0; c < 3; c++)
            if (equal >> c & 1) {
                emit->form[c] = STK_FORM_LINE;
                emit->scale[c] = trial.scale[c];
                emit->offset[c] = trial.offset[c];
            }
    }
    for (size_t c = 0; c < 3; c++)
        trial.form[c] = STK_FORM_STEPS;
    open &= proved(&trial, kernels);
    for (size_t c = 0; c < 3; c++)
        if (open >> c & 1)
            emit->form[c] = STK_FORM_STEPS;
}

void stk_emit_init(struct stk_emit *emit, const struct stk_program *program,
                   const struct stk_place_kernels *kernels)
{
    emit->dtype = program->dtype;
    emit->interleaved = program->layout == STOKER_NHWC;
    emit->plane_bytes = program->sample_bytes / 3;
    memcpy(emit->table, program->table, sizeof emit->table);
    for (size_t c = 0; c < 3; c++) {
        emit->form[c] = STK_FORM_TABLE;
        emit->mean[c] = program->has_normalize ? program->mean[c] : 0.0f;
        emit->std[c] = program->has_normalize ? program->std[c] : 1.0f;
        emit->inverse[c] = 1.0f / emit->std[c];
        for (size_t v = 0; v < 256; v++) {
            emit->low[c][v] = (uint16_t)program->table[c][v];
            emit->high[c][v] = (uint16_t)(program->table[c][v] >> 16);
        }
    }
    if (emit->dtype != STOKER_U8 && !emit->interleaved)
        choose_forms(emit, kernels);
}
