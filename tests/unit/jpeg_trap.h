/* libjpeg's errors as a jump back to the caller; for tests alone. */
#ifndef STK_TEST_JPEG_TRAP_H
#define STK_TEST_JPEG_TRAP_H

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

struct trap {
    struct jpeg_error_mgr base;
    jmp_buf out; /* set it before the next call of libjpeg */
};

static inline void trap_spring(j_common_ptr any)
{
    longjmp(((struct trap *)(void *)any->err)->out, 1);
}

static inline void trap_say_nothing(j_common_ptr any)
{
    (void)any;
}

static inline struct jpeg_error_mgr *trap_set(struct trap *trap)
{
    jpeg_std_error(&trap->base);
    trap->base.error_exit = trap_spring;
    trap->base.output_message = trap_say_nothing;
    return &trap->base;
}

#endif
