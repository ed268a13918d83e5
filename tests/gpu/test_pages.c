/* The pages that batches lie in, before any driver: hugetlb where the machine
 * has some, a NUMA node, the caller's own, and what a forked child sees. */
#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pin/memory.h"
#include "run_suite.h"

enum { HUGE = 2 << 20, N_PAGES = 4, PREFERRED = 1, OF_ADDRESS = 2 };

static stoker_error err;

static stoker_options with_pages(int huge_pages)
{
    stoker_options opt;
    stoker_options_init(&opt, sizeof opt);
    opt.huge_pages = huge_pages;
    return opt;
}

static long free_hugetlb(void)
{
    FILE *f = fopen("/proc/meminfo", "re");
    char line[128];
    long n = 0;

    while (f && fgets(line, sizeof line, f))
        sscanf(line, "HugePages_Free: %ld", &n);
    if (f)
        fclose(f);
    return n;
}

/* The kernel's own word on the mapping that begins at data: kB a page. */
static long page_kb(const void *data)
{
    FILE *f = fopen("/proc/self/smaps", "re");
    unsigned long low, high;
    char line[512];
    bool is_here = false;
    long kb = 0;

    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &low, &high) == 2)
            is_here = low == (unsigned long)data;
        else if (is_here && sscanf(line, "KernelPageSize: %ld kB", &kb) == 1)
            break;
    }
    if (f)
        fclose(f);
    return kb;
}

/* A child reads all of it, behind the parent's next writes. */
static void check_child(uint8_t *data, size_t bytes)
{
    int gate[2], status;
    char go = 1;

    memset(data, 7, bytes);
    ck_assert_int_eq(pipe(gate), 0);
    pid_t child = fork();
    if (child == 0) {
        size_t n = 0;
        if (read(gate[0], &go, 1) != 1)
            _exit(2);
        for (size_t i = 0; i < bytes; i += 512)
            n += data[i] == 7 || data[i] == 8;
        _exit(n == bytes / 512 ? 0 : 1);
    }
    memset(data, 8, bytes);
    ck_assert_int_eq(write(gate[1], &go, 1), 1);
    waitpid(child, &status, 0);
    ck_assert_int_eq(status, 0);
    close(gate[0]);
    close(gate[1]);
}

START_TEST(test_forked_child_sees_the_batches)
{
    stoker_options opt = with_pages(_i);
    struct stk_memory memory;

    ck_assert_int_eq(stk_memory_open(&memory, &opt, N_PAGES * HUGE, -1, &err),
                     0);
    check_child(memory.data, memory.bytes);
    stk_memory_close(&memory);
}
END_TEST

START_TEST(test_hugetlb_pages_are_taken_where_there_are_some)
{
    stoker_options opt = with_pages(2);
    struct stk_memory memory;

    if (free_hugetlb() < N_PAGES) {
        puts("SKIPPED: no hugetlb pages are free here (vm.nr_hugepages)");
        return;
    }
    ck_assert_int_eq(stk_memory_open(&memory, &opt, N_PAGES * HUGE, -1, &err),
                     0);
    ck_assert_str_eq(memory.reason, "");
    memset(memory.data, 1, memory.bytes);
    ck_assert_int_eq(page_kb(memory.data), 2048);
    stk_memory_close(&memory);
}
END_TEST

START_TEST(test_too_few_hugetlb_pages_are_replaced_and_named)
{
    stoker_options opt = with_pages(2);
    struct stk_memory memory;
    size_t bytes = ((size_t)free_hugetlb() + 1) * HUGE;

    ck_assert_int_eq(stk_memory_open(&memory, &opt, bytes, -1, &err), 0);
    ck_assert_msg(strstr(memory.reason, "hugetlb pages are not free"), "%s",
                  memory.reason);
    memory.data[0] = memory.data[bytes - 1] = 1;
    stk_memory_close(&memory);
}
END_TEST

START_TEST(test_pages_prefer_the_node_that_was_named)
{
    stoker_options opt = with_pages(1);
    struct stk_memory memory;
    unsigned long mask[16] = {0};
    int mode = -1;

    ck_assert_int_eq(stk_memory_open(&memory, &opt, HUGE, 0, &err), 0);
    if (syscall(SYS_get_mempolicy, &mode, mask, 1024, memory.data,
                OF_ADDRESS) != 0) {
        printf("SKIPPED: the kernel names no NUMA policy (%s)\n",
               strerror(errno));
    } else {
        ck_assert_int_eq(mode, PREFERRED);
        ck_assert_uint_eq(mask[0], 1);
        ck_assert_str_eq(memory.reason, "");
    }
    stk_memory_close(&memory);
    /* A node that is not there is a hint that nobody follows. */
    ck_assert_int_eq(stk_memory_open(&memory, &opt, HUGE, 1000, &err), 0);
    ck_assert_ptr_nonnull(strstr(memory.reason, "numa_node: 1000"));
    memory.data[0] = 1;
    stk_memory_close(&memory);
}
END_TEST

START_TEST(test_arena_of_the_caller_is_checked_and_left_to_him)
{
    stoker_options opt = with_pages(1);
    struct stk_memory memory;
    uint8_t *mine = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    opt.arena = mine + 64;
    opt.arena_bytes = HUGE;
    ck_assert_int_eq(stk_memory_open(&memory, &opt, HUGE, -1, &err), -EINVAL);
    ck_assert_msg(strstr(err.text, "aligned"), "%s", err.text);
    opt.arena = mine;
    ck_assert_int_eq(stk_memory_open(&memory, &opt, HUGE + 1, -1, &err),
                     -EINVAL);
    ck_assert_msg(strstr(err.text, "need"), "%s", err.text);
    ck_assert_int_eq(stk_memory_open(&memory, &opt, HUGE, -1, &err), 0);
    ck_assert_ptr_eq(memory.data, mine);
    stk_memory_close(&memory);
    mine[0] = 1; /* still mapped */
    munmap(mine, 2 * HUGE);
}
END_TEST

START_TEST(test_more_than_all_memory_is_refused)
{
    stoker_options opt = with_pages(1);
    struct stk_memory memory;

    ck_assert_int_eq(stk_memory_open(&memory, &opt, (size_t)1 << 46, -1, &err),
                     -ENOMEM);
    ck_assert_msg(strstr(err.text, "this machine has"), "%s", err.text);
    stk_memory_close(&memory);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pages");
    TCase *tc = tcase_create("pages");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_forked_child_sees_the_batches, 0, 3);
    tcase_add_test(tc, test_hugetlb_pages_are_taken_where_there_are_some);
    tcase_add_test(tc, test_too_few_hugetlb_pages_are_replaced_and_named);
    tcase_add_test(tc, test_pages_prefer_the_node_that_was_named);
    tcase_add_test(tc, test_more_than_all_memory_is_refused);
    tcase_add_test(tc, test_arena_of_the_caller_is_checked_and_left_to_him);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
