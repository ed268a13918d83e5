/* What the tests of JPEG kernels share. */
#include "jpeg_levels.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cpu.h"
#include "stoker/stoker.h"

const struct stk_jpeg_kernels *levels[MAX_LEVELS];
const char *level_names[MAX_LEVELS];
int n_levels;

void find_levels(void)
{
    static const int cpus[MAX_LEVELS] = {STOKER_CPU_SCALAR, STOKER_CPU_AVX2,
                                         STOKER_CPU_AVX512, STOKER_CPU_VEC128};
    for (int i = 0; i < MAX_LEVELS; i++)
        if (stk_cpu_resolve(cpus[i]) >= 0) {
            level_names[n_levels] = stk_cpu_name(cpus[i]);
            levels[n_levels++] = stk_jpeg_kernels_for(cpus[i]);
            printf("level %s\n", stk_cpu_name(cpus[i]));
        }
}

static uint32_t state = 1;
uint32_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

int between(int low, int high)
{
    return low + (int)(next_random() % (uint32_t)(high - low + 1));
}

uint8_t *fence(int which, size_t n)
{
    static uint8_t *ends[N_FENCES];
    ck_assert_uint_le(n, FENCE_BYTES);
    if (!ends[which]) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        uint8_t *map = mmap(NULL, FENCE_BYTES + page, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ck_assert(map != MAP_FAILED);
        ends[which] = map + FENCE_BYTES;
        ck_assert_int_eq(mprotect(ends[which], page, PROT_NONE), 0);
    }
    uint8_t *data = ends[which] - n;
    for (size_t i = 0; i < n; i++)
        data[i] = (uint8_t)next_random();
    return data;
}
