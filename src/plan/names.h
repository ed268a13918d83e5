/* File names: which are images, and in which order Python sorts them. */
#ifndef STK_NAMES_H
#define STK_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* true for torchvision's IMG_EXTENSIONS, in any case.  (Python lower-cases by
 * Unicode, but no letter outside ASCII becomes one of these endings.) */
bool stk_name_is_image(const char *name, size_t n);

/* < 0, 0, > 0: the order of Python's str, as os.fsdecode() makes it of these
 * bytes where the file system encoding is UTF-8: by code point, a byte that
 * is no UTF-8 being the code point U+DC00 + byte (surrogateescape).  Differs
 * from the order of bytes only where such a byte meets another one >= 0x80. */
int stk_name_compare(const char *a, size_t a_n, const char *b, size_t b_n);

/* One name among many to be sorted. */
struct stk_name {
    uint64_t key; /* of the sort's own */
    uint64_t at;  /* its first byte in the text; moves with the name */
    uint32_t n;   /* bytes */
    int32_t tag;  /* the caller's; moves with the name */
};

/* Sorts names[0 ... n-1] in Python's order, equal ones in the order they
 * came; spare has room for n.  n may be 0. */
void stk_names_sort(struct stk_name *names, struct stk_name *spare, size_t n,
                    const char *text);

#endif
