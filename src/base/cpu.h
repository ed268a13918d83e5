/* What the processor can do, and how much of it this process may use. */
#ifndef STK_CPU_H
#define STK_CPU_H

#include <stddef.h>

/* The best stoker_cpu that this machine runs. */
int stk_cpu_best(void);

/* asked (a stoker_cpu, AUTO: the best) if this machine runs it, else -1. */
int stk_cpu_resolve(int asked);

/* "scalar", "vec128", "avx2" or "avx512". */
const char *stk_cpu_name(int cpu);

/* The features that were looked for and found, separated by spaces. */
void stk_cpu_features(char *text, size_t bytes);

/* CPUs that this process may really use: affinity, then the quota of its
 * cgroup rounded up, at least 1. */
int stk_cpu_usable(void);

#endif
