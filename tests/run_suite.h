/* The end of each libcheck program's main(). */
#ifndef RUN_SUITE_H
#define RUN_SUITE_H

#include <check.h>

/* Runs all and gives the suite back.  Returns the exit status. */
static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed != 0;
}

#endif
