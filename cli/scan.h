/* What a scan has found, between the file that looks and the one that says. */
#ifndef CLI_SCAN_H
#define CLI_SCAN_H

#include "feeding.h"

/* Things that are no fault, but that surprise. */
enum {
    SCAN_NOT_RGB = 1,
    SCAN_ROTATED = 2,
    SCAN_EXTENSION = 4,
    SCAN_HUGE = 8,
    SCAN_TINY = 16,
    SCAN_DEEP_GREY = 32,
    SCAN_WARNINGS = 64,
    SCAN_DUPLICATE = 128,
};

enum { SCAN_SURPRISES = 8 };

/* One file's verdict. */
struct verdict {
    uint8_t hash[16];
    char *text;   /* why it is bad, or NULL; owned */
    int32_t code; /* 0, or the negated errno */
    int32_t width, height;
    uint8_t surprises;
    char format[8], mode[8];
};

struct scan {
    struct feed feed;
    const char *folder, *move_to;
    int64_t jobs, stall_s;
    bool json, list;

    int64_t n;
    struct verdict *verdicts; /* by id */
    int64_t n_bad, n_moved;
    int64_t n_surprises[SCAN_SURPRISES];
    double seconds, bytes;
};

void scan_print_list(const struct scan *scan);
void scan_print_words(const struct scan *scan);
void scan_print_json(const struct scan *scan);

/* Refuses a folder to move to that the next scan would look into.  Returns an
 * exit code. */
int scan_check_move(const struct scan *scan);

/* Moves the bad files to another folder under their relative names; never
 * overwrites.  Returns an exit code. */
int scan_move_bad(struct scan *scan);

#endif
