/* Any bytes into stoker's JPEG header parser and entropy decoder, at every
 * CPU level this machine has: nothing is touched that should not be, all
 * levels and both ways (values, skip) agree, and what is ours equals libjpeg's
 * coefficients. */
#include "../unit/jpeg_oracle.h"

#include "mutate.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "stoker/stoker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX_MCUS = 4096 };

static void must(bool right)
{
    if (!right)
        __builtin_trap();
}

/* From the first MCU to the last by varied steps; mixed: every other one is
 * skipped, and what lies behind a decoded step is clobbered (the slack). */
static int walk(struct stk_entropy *e, const struct stk_jpeg *jpeg,
                struct stk_span bytes, bool mixed, int16_t *blocks,
                struct stk_entropy_place *end)
{
    uint32_t n_mcus = (uint32_t)(jpeg->mcus_x * jpeg->mcus_y), done = 0;
    int not_mine = stk_entropy_begin(e, jpeg, bytes, mixed);

    while (!not_mine && done < n_mcus) {
        uint32_t left = n_mcus - done, step = 1 + done % 37;
        int16_t *out = blocks + (size_t)done * (size_t)jpeg->n_blocks * 64;
        if (step > left)
            step = left;
        not_mine = mixed && step & 1 ? stk_entropy_skip(e, step)
                                     : stk_entropy_values(e, step, out);
        done += step;
    }
    stk_entropy_where(e, end);
    return not_mine;
}

/* Blocks of the whole image, exactly as many as there are and the slack, so
 * that a store behind them is found.  NULL: not mine. */
static int16_t *decode(struct stk_entropy *e, const struct stk_jpeg *jpeg,
                       struct stk_span bytes, struct stk_entropy_place *end)
{
    size_t n_mcus = (size_t)jpeg->mcus_x * (size_t)jpeg->mcus_y;
    size_t n = n_mcus * (size_t)jpeg->n_blocks * 64;
    int16_t *blocks = aligned_alloc(64, (n + STK_ENTROPY_SLACK) * 2);
    struct stk_entropy_place at = {0};

    must(blocks != NULL);
    if (stk_entropy_begin(e, jpeg, bytes, true) == 0)
        stk_entropy_skip(e, (uint32_t)n_mcus);
    /* Skipping minds values less; what is mine with all values is mine. */
    int mixed_not_mine = walk(e, jpeg, bytes, true, blocks, &at);
    if (walk(e, jpeg, bytes, false, blocks, end)) {
        free(blocks);
        return NULL;
    }
    must(!mixed_not_mine);
    must(at.mcu == end->mcu && at.bit == end->bit &&
         memcmp(at.dc, end->dc, sizeof at.dc) == 0);
    return blocks;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t n, size_t room,
                               unsigned seed)
{
    return fuzz_mutate(data, n, room, seed, 0, FUZZ_JPEG);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const int levels[] = {STOKER_CPU_SCALAR, STOKER_CPU_VEC128,
                                 STOKER_CPU_AVX2, STOKER_CPU_AVX512};
    static struct stk_entropy *entropy[4];
    struct stk_jpeg jpeg;
    struct stk_span bytes = {data, n};
    int16_t *first = NULL;
    struct stk_entropy_place first_end = {0};

    if (stk_jpeg_parse(&jpeg, bytes) ||
        (int64_t)jpeg.mcus_x * jpeg.mcus_y > MAX_MCUS)
        return 0;
    size_t n_blocks =
        (size_t)jpeg.mcus_x * (size_t)jpeg.mcus_y * (size_t)jpeg.n_blocks;
    for (int l = 0; l < 4; l++) {
        struct stk_entropy_place end = {0};
        if (stk_cpu_resolve(levels[l]) < 0)
            continue;
        if (!entropy[l])
            must(stk_entropy_open(&entropy[l], levels[l]) == 0);
        int16_t *blocks = decode(entropy[l], &jpeg, bytes, &end);
        if (l == 0) {
            first = blocks;
            first_end = end;
            continue;
        }
        must(!blocks == !first);
        if (blocks) {
            must(memcmp(blocks, first, n_blocks * 128) == 0);
            must(end.bit == first_end.bit);
        }
        free(blocks);
    }
    if (first) {
        struct jpeg_truth truth;
        jpeg_truth_of(&truth, &jpeg, data, n);
        must(!truth.error);
        must(jpeg_truth_differs(&truth, first, n_blocks) < 0);
        jpeg_truth_free(&truth);
        free(first);
    }
    return 0;
}
