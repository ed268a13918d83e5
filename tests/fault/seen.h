/* What a fault was seen to do, a line each, for scripts/fault_matrix. */
#ifndef SEEN_H
#define SEEN_H

#include <stdio.h>
#include <string.h>

/* The folder in which the test made its file is left out of the sentence. */
static inline void seen(const char *key, int code, const char *text)
{
    const char *from = strstr(text, "/tmp/stoker_"), *name = from;

    for (const char *s = from; s && *s && *s != ':' && *s != ' '; s++)
        if (*s == '/')
            name = s + 1;
    printf("seen\t%s\t%d\t%.*s%s\n", key, code, from ? (int)(from - text) : 0,
           text, from ? name : text);
}

#endif
