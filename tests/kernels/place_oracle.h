/* Placing written as plainly as its definition reads, over whole images, to
 * compare the placer with; and guarded memory to run it in. */
#ifndef PLACE_ORACLE_H
#define PLACE_ORACLE_H

#include "augment/place.h"

/* One random or chosen case; crop's pixels are pixel[c][y * crop.width + x].
 */
struct place_case {
    struct stk_program program;
    struct stk_geometry geometry;
    uint8_t *pixel[3];
};

/* Sets geometry.source to what the view needs of the crop. */
void oracle_set_source(struct stk_geometry *geometry);

/* Writes the sample that the placer has to write. */
void oracle_place(const struct place_case *c, uint8_t *target);

/* bytes that end (at_end) or begin beside a page without access. */
struct guarded {
    uint8_t *data, *map;
    size_t bytes, map_bytes;
};
struct guarded guarded_map(size_t bytes, bool at_end);
void guarded_unmap(struct guarded *g);

/* Runs the case through a placer of this cpu, in strips of strip_rows, each
 * alone between guard pages; compares with want.  Fails the test by name. */
void oracle_check(const struct place_case *c, int cpu, int strip_rows,
                  const uint8_t *want, bool at_end);

#endif
