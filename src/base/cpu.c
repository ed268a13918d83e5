/* CPU features by the compiler's own detection (which also asks the system
 * whether it saves the registers), and quotas by cgroup files. */
#include "base/cpu.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stoker/stoker.h"

#if defined(__x86_64__)
#include <cpuid.h>

static int has_vec128(void)
{
    return __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1");
}

/* Not every compiler knows this feature's name. */
static int has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static int has_avx2(void)
{
    return has_vec128() && has_f16c() && __builtin_cpu_supports("avx2") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("fma");
}

static int has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("avx512vbmi2") &&
           __builtin_cpu_supports("avx512vnni");
}
#endif

int stk_cpu_best(void)
{
#if defined(__x86_64__)
    if (has_avx512())
        return STOKER_CPU_AVX512;
    if (has_avx2())
        return STOKER_CPU_AVX2;
    if (has_vec128())
        return STOKER_CPU_VEC128;
#elif defined(__aarch64__)
    return STOKER_CPU_VEC128;
#endif
    return STOKER_CPU_SCALAR;
}

int stk_cpu_resolve(int asked)
{
    /* From the lowest up; a machine runs what stands before its best. */
    static const int levels[] = {STOKER_CPU_SCALAR, STOKER_CPU_VEC128,
                                 STOKER_CPU_AVX2, STOKER_CPU_AVX512};
    int best = stk_cpu_best();
    if (asked == STOKER_CPU_AUTO)
        return best;
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (levels[i] == asked)
            return asked;
        if (levels[i] == best)
            break;
    }
    return -1;
}

const char *stk_cpu_name(int cpu)
{
    switch (cpu) {
    case STOKER_CPU_SCALAR:
        return "scalar";
    case STOKER_CPU_AVX2:
        return "avx2";
    case STOKER_CPU_AVX512:
        return "avx512";
    case STOKER_CPU_VEC128:
        return "vec128";
    default:
        return "auto";
    }
}

void stk_cpu_features(char *text, size_t bytes)
{
    if (!bytes)
        return;
    text[0] = '\0';
#if defined(__x86_64__)
#define ADD(name)                                                              \
    do {                                                                       \
        size_t used_ = strlen(text);                                           \
        if (__builtin_cpu_supports(name))                                      \
            snprintf(text + used_, bytes - used_, "%s%s", used_ ? " " : "",    \
                     name);                                                    \
    } while (0)
    ADD("ssse3");
    ADD("sse4.1");
    ADD("avx2");
    ADD("bmi");
    ADD("bmi2");
    ADD("fma");
    ADD("avx512f");
    ADD("avx512bw");
    ADD("avx512dq");
    ADD("avx512vl");
    ADD("avx512vbmi");
    ADD("avx512vbmi2");
    ADD("avx512vnni");
#undef ADD
    if (has_f16c())
        strncat(text, " f16c", bytes - strlen(text) - 1);
#elif defined(__aarch64__)
    snprintf(text, bytes, "neon");
#endif
}

/* Quota in whole CPUs from "QUOTA PERIOD" or two files; 0: no limit. */
static int quota_cpus(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long long n = (quota + period - 1) / period;
    return n > 65536 ? 0 : (int)n;
}

static int read_line(const char *path, char *line, int bytes)
{
    FILE *f = fopen(path, "re");
    if (!f)
        return -1;
    char *got = fgets(line, bytes, f);
    fclose(f);
    return got ? 0 : -1;
}

static int tightest(int a, int b)
{
    return !a ? b : !b ? a : a < b ? a : b;
}

/* One cgroup folder's own quota, version 2 or 1; 0: none here. */
static int folder_quota(const char *folder)
{
    char path[4352], line[128];
    long long quota = 0, period = 0;

    snprintf(path, sizeof path, "%s/cpu.max", folder);
    if (read_line(path, line, sizeof line) == 0)
        return sscanf(line, "%lld %lld", &quota, &period) == 2
                   ? quota_cpus(quota, period)
                   : 0;
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);
    if (read_line(path, line, sizeof line) != 0)
        return 0;
    quota = strtoll(line, NULL, 10);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (read_line(path, line, sizeof line) != 0)
        return 0;
    return quota_cpus(quota, strtoll(line, NULL, 10));
}

/* The tightest quota from a group up to its hierarchy's root: a limit on a
 * parent binds its children too. */
static int path_quota(const char *mount, char *group)
{
    int best = 0;
    for (;;) {
        char folder[4224];
        snprintf(folder, sizeof folder, "%s%s", mount, group);
        best = tightest(best, folder_quota(folder));
        char *slash = strrchr(group, '/');
        if (!slash || !group[1])
            break;
        slash[slash == group] = '\0';
    }
    return best;
}

static int cgroup_cpus(void)
{
    /* Inside a container the group's own root is what is mounted. */
    int best = tightest(folder_quota("/sys/fs/cgroup"),
                        folder_quota("/sys/fs/cgroup/cpu"));
    char line[4096];
    FILE *f = fopen("/proc/self/cgroup", "re");

    if (!f)
        return best;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *names = strchr(line, ':');
        char *group = names ? strchr(names + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        names++;
        if (!*names)
            best = tightest(best, path_quota("/sys/fs/cgroup", group));
        else if (strcmp(names, "cpu,cpuacct") == 0 || strcmp(names, "cpu") == 0)
            best = tightest(best, path_quota("/sys/fs/cgroup/cpu", group));
    }
    fclose(f);
    return best;
}

int stk_cpu_usable(void)
{
    int n = 0;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    if (n < 1) /* more than 1024 CPUs: the mask did not fit */
        n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    if (n < 1)
        n = 1;
    n = tightest(n, cgroup_cpus());
    return n;
}
