/* A folder tree for one test: made under $TMPDIR, gone when the test ends. */
#ifndef STK_TEST_TREE_H
#define STK_TEST_TREE_H

#include <check.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char tree_root[512];

static inline const char *tree_path(const char *name)
{
    static char path[8192];
    snprintf(path, sizeof path, "%s/%s", tree_root, name);
    return path;
}

static inline void tree_begin(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(tree_root, sizeof tree_root, "%s/stoker-test-XXXXXX",
             tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(tree_root));
    ck_assert_int_eq(chmod(tree_root, 0755), 0);
}

static inline int tree_remove(const char *path, const struct stat *st, int flag,
                              struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline void tree_end(void)
{
    nftw(tree_root, tree_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void tree_folder(const char *name)
{
    ck_assert_int_eq(mkdir(tree_path(name), 0755), 0);
}

static inline void tree_file(const char *name, size_t bytes)
{
    FILE *f = fopen(tree_path(name), "we");
    ck_assert_msg(f != NULL, "%s", name);
    for (size_t i = 0; i < bytes; i++)
        fputc('x', f);
    fclose(f);
}

static inline void tree_link(const char *to, const char *name)
{
    ck_assert_int_eq(symlink(to, tree_path(name)), 0);
}

#endif
