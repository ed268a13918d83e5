/* The stand-in for the sanitizer's runtime, and the search over schedules.
 * This file itself is compiled without instrumentation. */
#include "explorer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum {
    MAX_WORDS = 256,
    MAX_STEPS = 2000,
    MAX_SITES = 64,
    STACK = 64 << 10,
    RELAXED = 0,
    CONSUME = 1,
    ACQUIRE = 2,
    RELEASE = 3,
    ACQ_REL = 4,
    SEQ_CST = 5,
};

struct clock {
    uint32_t at[EXPLORER_THREADS];
};

/* A plain or atomic word of memory that was touched. */
struct word {
    const void *address;
    struct clock released; /* what an acquire load of it brings */
    struct clock reads;    /* the last plain read of each thread */
    int writer;            /* of the last plain write, -1: none */
    uint32_t written_at;
};

struct thread {
    ucontext_t context;
    char *stack;
    struct clock clock;
    bool is_done, is_paused;
};

static struct thread threads[EXPLORER_THREADS];
static struct word words[MAX_WORDS];
static int n_words, n_threads, current;
static bool is_running;
static int64_t n_changes;
static ucontext_t scheduler;
static void (*thread_body)(int);
static const void *sites[MAX_SITES];
static int n_sites, weak_site;
static struct explorer_result result;
static bool has_finding;

/* The schedule: at step i, which of the enabled threads goes on. */
static struct {
    int choice, n_choices;
} path[MAX_STEPS];
static int n_steps;

static void finding(int64_t *count, const char *text)
{
    if (!has_finding)
        result.first = text;
    has_finding = true;
    ++*count;
}

void explorer_fail(const char *text)
{
    finding(&result.n_failed, text);
}

static void yield(void)
{
    if (is_running)
        swapcontext(&threads[current].context, &scheduler);
}

int64_t explorer_now(void)
{
    return n_changes;
}

void explorer_pause(int64_t since)
{
    threads[current].is_paused = since == n_changes;
    yield();
}

static struct word *word_of(const void *address)
{
    for (int i = 0; i < n_words; i++)
        if (words[i].address == address)
            return &words[i];
    if (n_words == MAX_WORDS) {
        fprintf(stderr, "explorer: too many words\n");
        abort();
    }
    words[n_words] = (struct word){.address = address, .writer = -1};
    return &words[n_words++];
}

static void join(struct clock *into, const struct clock *from)
{
    for (int i = 0; i < EXPLORER_THREADS; i++)
        if (from->at[i] > into->at[i])
            into->at[i] = from->at[i];
}

/* ---- plain accesses ---- */

static void plain(const void *address, bool is_write)
{
    if (!is_running)
        return;
    struct word *word = word_of(address);
    struct thread *self = &threads[current];

    if (word->writer >= 0 && word->writer != current &&
        word->written_at > self->clock.at[word->writer])
        finding(&result.n_races, "a race with a plain write");
    if (is_write)
        for (int i = 0; i < n_threads; i++)
            if (i != current && word->reads.at[i] > self->clock.at[i])
                finding(&result.n_races, "a plain write races with a read");
    self->clock.at[current]++;
    if (is_write) {
        word->writer = current;
        word->written_at = self->clock.at[current];
    } else {
        word->reads.at[current] = self->clock.at[current];
    }
}

#define PLAIN(bytes)                                                           \
    void __tsan_read##bytes(void *p);                                          \
    void __tsan_write##bytes(void *p);                                         \
    void __tsan_read##bytes(void *p)                                           \
    {                                                                          \
        plain(p, false);                                                       \
    }                                                                          \
    void __tsan_write##bytes(void *p)                                          \
    {                                                                          \
        plain(p, true);                                                        \
    }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);
void __tsan_init(void)
{
}
void __tsan_func_entry(void *pc)
{
    (void)pc;
}
void __tsan_func_exit(void)
{
}

/* ---- atomics ---- */

/* The order that counts: relaxed at the weakened site. */
static int order_at(const void *site, int order)
{
    int i = 0;

    if (order == RELAXED || !is_running)
        return order;
    while (i < n_sites && sites[i] != site)
        i++;
    if (i == n_sites && n_sites < MAX_SITES)
        sites[n_sites++] = site;
    return i == weak_site ? RELAXED : order;
}

/* Before an operation the scheduler may choose another thread. */
static void before(void)
{
    yield();
}

static void after_load(const void *address, int order)
{
    if (!is_running)
        return;
    if (order == ACQUIRE || order == CONSUME || order == ACQ_REL ||
        order == SEQ_CST)
        join(&threads[current].clock, &word_of(address)->released);
}

static void after_store(const void *address, int order, bool is_rmw)
{
    if (!is_running)
        return;
    struct word *word = word_of(address);
    struct thread *self = &threads[current];
    bool releases = order == RELEASE || order == ACQ_REL || order == SEQ_CST;

    /* A plain store ends the release sequence, a read-modify-write goes on
     * with it. */
    if (!is_rmw)
        memset(&word->released, 0, sizeof word->released);
    if (releases)
        join(&word->released, &self->clock);
    self->clock.at[current]++;
    n_changes++;
    for (int i = 0; i < n_threads; i++)
        if (i != current)
            threads[i].is_paused = false;
}

#define SITE __builtin_return_address(0)
#define ATOMIC(bits, type)                                                     \
    type __tsan_atomic##bits##_load(const volatile type *p, int order);        \
    void __tsan_atomic##bits##_store(volatile type *p, type v, int order);     \
    type __tsan_atomic##bits##_fetch_add(volatile type *p, type v, int o);     \
    type __tsan_atomic##bits##_fetch_sub(volatile type *p, type v, int o);     \
    type __tsan_atomic##bits##_fetch_or(volatile type *p, type v, int o);      \
    type __tsan_atomic##bits##_fetch_and(volatile type *p, type v, int o);     \
    type __tsan_atomic##bits##_load(const volatile type *p, int order)         \
    {                                                                          \
        order = order_at(SITE, order);                                         \
        before();                                                              \
        after_load((const void *)p, order);                                    \
        return *p;                                                             \
    }                                                                          \
    void __tsan_atomic##bits##_store(volatile type *p, type v, int order)      \
    {                                                                          \
        order = order_at(SITE, order);                                         \
        before();                                                              \
        *p = v;                                                                \
        after_store((const void *)p, order, false);                            \
    }                                                                          \
    RMW(bits, type, fetch_add, +)                                              \
    RMW(bits, type, fetch_sub, -)                                              \
    RMW(bits, type, fetch_or, |)                                               \
    RMW(bits, type, fetch_and, &)
#define RMW(bits, type, name, operation)                                       \
    type __tsan_atomic##bits##_##name(volatile type *p, type v, int order)     \
    {                                                                          \
        order = order_at(SITE, order);                                         \
        before();                                                              \
        type old = *p;                                                         \
        after_load((const void *)p, order);                                    \
        *p = old operation v;                                                  \
        after_store((const void *)p, order, true);                             \
        return old;                                                            \
    }
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

/* ---- schedules ---- */

static void enter(int thread)
{
    thread_body(thread);
    threads[thread].is_done = true;
    for (int i = 0; i < n_threads; i++)
        threads[i].is_paused = false;
    swapcontext(&threads[thread].context, &scheduler);
}

/* The enabled threads, the running one first: choice 0 is no preemption. */
static int enabled(int last, int *list)
{
    int n = 0;
    if (last >= 0 && !threads[last].is_done && !threads[last].is_paused)
        list[n++] = last;
    for (int i = 0; i < n_threads; i++)
        if (i != last && !threads[i].is_done && !threads[i].is_paused)
            list[n++] = i;
    return n;
}

/* One run along path; new steps take choice 0. */
static void play(int bound)
{
    int list[EXPLORER_THREADS], last = -1, n_preemptions = 0, step = 0, n;

    while ((n = enabled(last, list)) > 0 && !has_finding) {
        bool may_preempt = last < 0 || list[0] != last || n_preemptions < bound;
        int n_choices = may_preempt ? n : 1;
        if (step == MAX_STEPS) {
            finding(&result.n_stuck, "a run does not end");
            break;
        }
        if (step == n_steps) {
            path[n_steps].choice = 0;
            path[n_steps++].n_choices = n_choices;
        }
        int next = list[path[step].choice];
        n_preemptions += list[0] == last && next != last;
        step++;
        last = current = next;
        is_running = true;
        swapcontext(&scheduler, &threads[current].context);
        is_running = false;
    }
    for (int i = 0; i < n_threads; i++)
        if (!threads[i].is_done && !has_finding)
            finding(&result.n_stuck, "threads wait for ever");
}

static void prepare(void (*reset)(void))
{
    n_words = 0;
    n_changes = 1;
    reset();
    for (int i = 0; i < n_threads; i++) {
        struct thread *t = &threads[i];
        memset(&t->clock, 0, sizeof t->clock);
        t->clock.at[i] = 1;
        t->is_done = t->is_paused = false;
        getcontext(&t->context);
        t->context.uc_stack.ss_sp = t->stack;
        t->context.uc_stack.ss_size = STACK;
        t->context.uc_link = &scheduler;
        makecontext(&t->context, (void (*)(void))enter, 1, i);
    }
}

/* The next schedule in depth-first order; false: all were played. */
static bool advance(void)
{
    while (n_steps > 0) {
        if (++path[n_steps - 1].choice < path[n_steps - 1].n_choices)
            return true;
        n_steps--;
    }
    return false;
}

struct explorer_result explore(int n, void (*reset)(void), void (*body)(int),
                               bool (*check)(void), int bound, int weak)
{
    memset(&result, 0, sizeof result);
    has_finding = false;
    n_threads = n;
    thread_body = body;
    weak_site = weak;
    n_steps = 0;
    if (weak < 0)
        n_sites = 0;
    for (int i = 0; i < n; i++)
        if (!threads[i].stack)
            threads[i].stack = malloc(STACK);
    do {
        prepare(reset);
        play(bound);
        result.n_runs++;
        if (!has_finding && !check())
            explorer_fail("the end of a run is not right");
    } while (!has_finding && advance());
    return result;
}

int explorer_n_sites(void)
{
    return n_sites;
}
