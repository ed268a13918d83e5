/* The walk of torchvision.datasets.ImageFolder through one class.  Differs
 * where that would keep silent: a folder that cannot be read and a loop of
 * links are errors with their name. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "plan/catalog.h"
#include "plan/walk.h"

/* A folder under way.  parent chains lead to the root, for loops. */
struct place {
    dev_t device;
    ino_t inode;
    int64_t parent; /* index in walk.places; -1: the root */
    uint64_t path_at;
    uint32_t path_n; /* without a final '/'; ends with 0 in walk.paths */
    uint64_t first_file, n_files;
};

static struct place *place_at(const struct stk_walk *walk, int64_t i)
{
    return (struct place *)walk->places.data + i;
}

static const char *path_of(const struct stk_walk *walk, int64_t i)
{
    return (const char *)walk->paths.data + place_at(walk, i)->path_at;
}

int stk_walk_fail_memory(const struct stk_walk *walk)
{
    return stk_fail(walk->err, -ENOMEM, "%s: no memory to list it", walk->root);
}

static int fail_at(const struct stk_walk *walk, const char *path, int code)
{
    return stk_fail(walk->err, -code, "%s/%s: %s", walk->root, path,
                    strerror(code));
}

/* true for a folder or a link to one, as os.DirEntry.is_dir(); a link that
 * leads nowhere is none.  *code: why a link could not be followed, or 0. */
static bool is_folder(const struct stk_walk *walk, int fd,
                      const struct dirent64 *entry, int *code)
{
    struct stat st;
    *code = 0;
    if (entry->d_type == DT_DIR)
        return true;
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
        return false;
    stk_pulse_beat(walk->pulse);
    if (fstatat(fd, entry->d_name, &st, 0) == 0)
        return S_ISDIR(st.st_mode);
    *code = errno;
    return false;
}

static ssize_t next_listing(const struct stk_walk *walk, int fd)
{
    stk_pulse_beat(walk->pulse);
    return getdents64(fd, walk->listing, STK_LISTING_BYTES);
}

static bool is_dot(const char *name)
{
    return name[0] == '.' &&
           (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Adds a name to text and to the list of names. */
static int keep_name(struct stk_grow *list, struct stk_grow *text,
                     const char *name, size_t n)
{
    struct stk_name one = {.at = text->n, .n = (uint32_t)n};
    int rc = stk_grow_add(text, name, n);
    return rc != 0 ? rc : stk_grow_add(list, &one, sizeof one);
}

/* Adds a folder that is to be listed: name in parent (-1: in the root). */
static int add_place(struct stk_walk *walk, int64_t parent, const char *name)
{
    struct place place = {.parent = parent, .path_at = walk->paths.n};
    size_t n = strlen(name), above = 0;

    if (parent >= 0) {
        above = place_at(walk, parent)->path_n + (size_t)1;
        /* Grown first, as the parent's path lies in the same block. */
        if (stk_grow_add(&walk->paths, NULL, above) != 0)
            return stk_walk_fail_memory(walk);
        char *to = (char *)walk->paths.data + place.path_at;
        memcpy(to, path_of(walk, parent), above - 1);
        to[above - 1] = '/';
    }
    place.path_n = (uint32_t)(above + n);
    if (stk_grow_add(&walk->paths, name, n + 1) != 0 ||
        stk_grow_add(&walk->places, &place, sizeof place) != 0)
        return stk_walk_fail_memory(walk);
    return 0;
}

/* Refuses a folder that is one of those above it. */
static int check_loop(const struct stk_walk *walk, int64_t i)
{
    const struct place *me = place_at(walk, i);
    for (int64_t up = me->parent; up >= 0; up = place_at(walk, up)->parent) {
        const struct place *above = place_at(walk, up);
        if (above->inode == me->inode && above->device == me->device)
            return stk_fail(walk->err, -ELOOP,
                            "%s/%s: a loop, it is the folder %s above it",
                            walk->root, path_of(walk, i), path_of(walk, up));
    }
    if (walk->root_inode == me->inode && walk->root_device == me->device)
        return stk_fail(walk->err, -ELOOP,
                        "%s/%s: a loop, it is the root itself", walk->root,
                        path_of(walk, i));
    return 0;
}

static int take_entry(struct stk_walk *walk, int64_t i, int fd,
                      const struct dirent64 *entry, size_t *longest)
{
    size_t n = strlen(entry->d_name);
    int code;

    if (is_dot(entry->d_name))
        return 0;
    if (is_folder(walk, fd, entry, &code))
        return add_place(walk, i, entry->d_name);
    if (!stk_name_is_image(entry->d_name, n))
        return 0;
    if (keep_name(&walk->files, &walk->file_names, entry->d_name, n) != 0)
        return stk_walk_fail_memory(walk);
    place_at(walk, i)->n_files++;
    if (n > *longest)
        *longest = n;
    return 0;
}

static int list_place(struct stk_walk *walk, int64_t i, int fd)
{
    size_t longest = 0;
    ssize_t n;

    place_at(walk, i)->first_file = walk->files.n / sizeof(struct stk_name);
    while ((n = next_listing(walk, fd)) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry =
                (const void *)((const char *)walk->listing + at);
            int rc = take_entry(walk, i, fd, entry, &longest);
            if (rc != 0)
                return rc;
            at += entry->d_reclen;
        }
    }
    if (n < 0)
        return fail_at(walk, path_of(walk, i), errno);
    if (strlen(walk->root) + place_at(walk, i)->path_n + longest + 3 > PATH_MAX)
        return fail_at(walk, path_of(walk, i), ENAMETOOLONG);
    return 0;
}

static int open_place(struct stk_walk *walk, int64_t i)
{
    struct stat st;
    int rc = 0;
    stk_pulse_beat(walk->pulse);
    int fd = openat(walk->root_fd, path_of(walk, i),
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        rc = fail_at(walk, path_of(walk, i), errno);
    if (rc == 0) {
        place_at(walk, i)->device = st.st_dev;
        place_at(walk, i)->inode = st.st_ino;
        rc = check_loop(walk, i);
    }
    if (rc == 0)
        rc = list_place(walk, i, fd);
    if (fd >= 0)
        close(fd);
    return rc;
}

int stk_walk_classes(struct stk_walk *walk, struct stk_grow *list,
                     struct stk_grow *text)
{
    ssize_t n;
    while ((n = next_listing(walk, walk->root_fd)) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry =
                (const void *)((const char *)walk->listing + at);
            int code = 0;
            at += entry->d_reclen;
            if (is_dot(entry->d_name))
                continue;
            if (is_folder(walk, walk->root_fd, entry, &code)) {
                if (keep_name(list, text, entry->d_name,
                              strlen(entry->d_name)) != 0)
                    return stk_walk_fail_memory(walk);
            } else if (code == ELOOP) {
                return fail_at(walk, entry->d_name, code);
            }
        }
    }
    if (n < 0)
        return stk_fail(walk->err, -errno, "%s: %s", walk->root,
                        strerror(errno));
    return 0;
}

/* Room for n names to be merged into. */
static struct stk_name *spare_for(struct stk_walk *walk, size_t n)
{
    size_t bytes;
    walk->spare.n = 0;
    if (stk_mul_overflows(n, sizeof(struct stk_name), &bytes) ||
        stk_grow_add(&walk->spare, NULL, bytes) != 0)
        return NULL;
    return walk->spare.data;
}

/* The class's folders in order of their paths: os.walk(), sorted. */
static int sort_places(struct stk_walk *walk)
{
    size_t n = walk->places.n / sizeof(struct place);
    walk->order.n = 0;
    for (size_t i = 0; i < n; i++) {
        const struct place *place = place_at(walk, (int64_t)i);
        struct stk_name one = {
            .at = place->path_at, .n = place->path_n, .tag = (int32_t)i};
        if (stk_grow_add(&walk->order, &one, sizeof one) != 0)
            return stk_walk_fail_memory(walk);
    }
    struct stk_name *spare = spare_for(walk, n);
    if (!spare)
        return stk_walk_fail_memory(walk);
    stk_names_sort(walk->order.data, spare, n, walk->paths.data);
    return 0;
}

/* Moves a folder's files, sorted, to the dataset to be. */
static int keep_place(struct stk_walk *walk, const struct place *place,
                      int32_t class_index)
{
    struct stk_name *files =
        (struct stk_name *)walk->files.data + place->first_file;
    const char *text = walk->file_names.data;
    struct stk_catalog_dir dir = {
        .path_at = walk->text.n,
        .path_n = place->path_n + 1,
        .class_index = class_index,
        .first_item = (int64_t)(walk->name_at.n / sizeof(uint64_t)),
    };

    if (place->n_files == 0)
        return 0;
    struct stk_name *spare = spare_for(walk, place->n_files);
    if (!spare ||
        stk_grow_add(&walk->text,
                     (const char *)walk->paths.data + place->path_at,
                     place->path_n) != 0 ||
        stk_grow_add(&walk->text, "/", 1) != 0 ||
        stk_grow_add(&walk->dirs, &dir, sizeof dir) != 0)
        return stk_walk_fail_memory(walk);
    stk_names_sort(files, spare, place->n_files, text);
    for (uint64_t i = 0; i < place->n_files; i++) {
        uint64_t at = walk->names.n;
        if (stk_grow_add(&walk->name_at, &at, sizeof at) != 0 ||
            stk_grow_add(&walk->names, text + files[i].at, files[i].n) != 0)
            return stk_walk_fail_memory(walk);
    }
    return 0;
}

static int note_empty(struct stk_walk *walk, const char *name)
{
    if (walk->n_empty++ < 8 &&
        (stk_grow_add(&walk->empty, walk->empty.n ? ", " : "",
                      walk->empty.n ? 2 : 0) != 0 ||
         stk_grow_add(&walk->empty, name, strlen(name)) != 0))
        return stk_walk_fail_memory(walk);
    return 0;
}

/* Lists a class: its folder and all below, breadth first, then in order. */
int stk_walk_class(struct stk_walk *walk, const char *name, int32_t class_index)
{
    uint64_t at = walk->text.n, n_before = walk->name_at.n;

    if (stk_grow_add(&walk->class_at, &at, sizeof at) != 0 ||
        stk_grow_add(&walk->text, name, strlen(name) + 1) != 0)
        return stk_walk_fail_memory(walk);
    walk->places.n = walk->paths.n = walk->files.n = walk->file_names.n = 0;
    int rc = add_place(walk, -1, name);
    for (size_t i = 0; rc == 0 && i < walk->places.n / sizeof(struct place);
         i++) {
        if (i == INT32_MAX)
            return stk_fail(walk->err, -EOVERFLOW,
                            "%s/%s: more than 2^31 folders", walk->root, name);
        rc = open_place(walk, (int64_t)i);
    }
    if (rc == 0)
        rc = sort_places(walk);
    size_t n = walk->order.n / sizeof(struct stk_name);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct stk_name *order = walk->order.data;
        rc = keep_place(walk, place_at(walk, order[i].tag), class_index);
    }
    if (rc == 0 && walk->name_at.n == n_before)
        rc = note_empty(walk, name);
    return rc;
}

void stk_walk_fini(struct stk_walk *walk)
{
    struct stk_grow *all[] = {
        &walk->places, &walk->paths, &walk->files,   &walk->file_names,
        &walk->order,  &walk->spare, &walk->text,    &walk->class_at,
        &walk->dirs,   &walk->names, &walk->name_at, &walk->empty,
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        stk_grow_fini(all[i]);
    stk_free(walk->listing);
    walk->listing = NULL;
}
