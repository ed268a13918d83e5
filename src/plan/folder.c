/* Finding a dataset: the classes of a root in order, each walked (walk.c),
 * and what was found handed over to an immutable dataset. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "plan/catalog.h"
#include "plan/walk.h"

static int open_root(struct stk_walk *walk)
{
    struct stat st;
    int fd = open(walk->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return stk_fail(walk->err, -ENOENT, "%s: no such folder", walk->root);
    if (fd < 0 && errno == ENOTDIR)
        return stk_fail(walk->err, -ENOTDIR, "%s: is not a folder", walk->root);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int code = errno;
        if (fd >= 0)
            close(fd);
        return stk_fail(walk->err, -code, "%s: %s", walk->root, strerror(code));
    }
    walk->root_fd = fd;
    walk->root_device = st.st_dev;
    walk->root_inode = st.st_ino;
    return 0;
}

/* The root with exactly one '/' behind it, unless the user wrote more. */
static int keep_root(struct stk_walk *walk, const char *root)
{
    size_t n = strlen(root);
    if (stk_grow_add(&walk->text, root, n) != 0 ||
        (root[n - 1] != '/' && stk_grow_add(&walk->text, "/", 1) != 0))
        return stk_walk_fail_memory(walk);
    return 0;
}

/* Walks the classes in Python's order of their names. */
static int walk_root(struct stk_walk *walk, bool allow_empty)
{
    struct stk_grow list = {0}, text = {0}, spare = {0};
    int rc = stk_walk_classes(walk, &list, &text);
    size_t n = list.n / sizeof(struct stk_name);

    if (rc == 0 && n == 0)
        rc = stk_fail(walk->err, -ENODATA,
                      "%s: no class folder in it (each sub-folder is a class)",
                      walk->root);
    if (rc == 0 && n > INT32_MAX)
        rc = stk_fail(walk->err, -EOVERFLOW, "%s: more than 2^31 classes",
                      walk->root);
    if (rc == 0 && stk_grow_add(&spare, NULL, list.n) != 0)
        rc = stk_walk_fail_memory(walk);
    if (rc == 0)
        stk_names_sort(list.data, spare.data, n, text.data);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct stk_name *one = (const struct stk_name *)list.data + i;
        char name[256]; /* NAME_MAX and the final 0 */
        if (one->n >= sizeof name) {
            rc = stk_fail(walk->err, -ENAMETOOLONG,
                          "%s: a class's name is over 255 bytes", walk->root);
            break;
        }
        memcpy(name, (const char *)text.data + one->at, one->n);
        name[one->n] = '\0';
        rc = stk_walk_class(walk, name, (int32_t)i);
    }
    if (rc == 0 && walk->n_empty > 0 && !allow_empty)
        rc = stk_fail(walk->err, -ENODATA,
                      "%s: no image in %lld of %zu classes: %.*s%s (images "
                      "end in .jpg .jpeg .png .ppm .bmp .pgm .tif .tiff "
                      ".webp)",
                      walk->root, (long long)walk->n_empty, n,
                      (int)walk->empty.n, (const char *)walk->empty.data,
                      walk->n_empty > 8 ? ", ..." : "");
    stk_grow_fini(&list);
    stk_grow_fini(&text);
    stk_grow_fini(&spare);
    return rc;
}

/* Hands what was found over to a new dataset. */
static int build(struct stk_walk *walk, size_t root_n,
                 struct stoker_dataset **out)
{
    uint64_t end = walk->names.n;
    int64_t n = (int64_t)(walk->name_at.n / sizeof(uint64_t));
    struct stoker_dataset *ds = stk_calloc(1, sizeof *ds);

    if (!ds || stk_grow_add(&walk->name_at, &end, sizeof end) != 0) {
        stk_free(ds);
        return stk_walk_fail_memory(walk);
    }
    stk_refcount_init(&ds->owners);
    ds->n = n;
    ds->n_classes = (int64_t)(walk->class_at.n / sizeof(uint64_t));
    ds->n_dirs = (int64_t)(walk->dirs.n / sizeof(struct stk_catalog_dir));
    ds->root_n = root_n;
    ds->text_bytes = walk->text.n;
    ds->text = stk_grow_take(&walk->text);
    ds->class_at = stk_grow_take(&walk->class_at);
    ds->dirs = stk_grow_take(&walk->dirs);
    ds->names = stk_grow_take(&walk->names);
    ds->name_at = stk_grow_take(&walk->name_at);
    *out = ds;
    return 0;
}

int stk_dataset_from_folder(stoker_dataset **out, const char *root,
                            const stoker_folder_options *opt,
                            struct stk_pulse *pulse, stoker_error *err)
{
    struct stk_walk walk = {
        .root = root, .root_fd = -1, .pulse = pulse, .err = err};
    int rc = open_root(&walk);

    if (rc == 0) {
        walk.listing = stk_calloc(STK_LISTING_BYTES, 1);
        rc =
            walk.listing ? keep_root(&walk, root) : stk_walk_fail_memory(&walk);
    }
    size_t root_n = walk.text.n;
    if (rc == 0)
        rc = walk_root(&walk, opt->allow_empty != 0);
    if (rc == 0)
        rc = build(&walk, root_n, out);
    if (rc == 0)
        stk_catalog_fingerprint(*out, opt->hash_sizes ? walk.root_fd : -1,
                                pulse);
    if (walk.root_fd >= 0)
        close(walk.root_fd);
    stk_walk_fini(&walk);
    return rc;
}
