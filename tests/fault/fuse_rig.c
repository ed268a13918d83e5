/* A mount of fuse_slow for each test, and a way to cut it off. */
#include "fuse_rig.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "photos.h"

/* What hangs is left behind on purpose: no leak checker may count it. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

char top[64], mount_at[96];
static char source[96];
static pid_t server;

double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int is_mounted(void)
{
    struct stat here, above;
    return stat(mount_at, &here) == 0 && stat(top, &above) == 0 &&
           here.st_dev != above.st_dev;
}

/* 0, or -1 where this machine has no FUSE for us. */
static int mount_slow(void)
{
    struct photos photos;

    photos_make(&photos, 8);
    FILE *f = fopen(source, "wb");
    fwrite(photos.bytes[7], 1, photos.n_bytes[7], f);
    fclose(f);
    photos_free(&photos);
    server = fork();
    if (server == 0) {
        execl(FUSE_SLOW, FUSE_SLOW, mount_at, source, (char *)NULL);
        _exit(2);
    }
    for (int i = 0; i < 500; i++) {
        if (is_mounted())
            return 0;
        if (waitpid(server, NULL, WNOHANG) == server)
            return -1;
        usleep(10000); /* another process's start: nothing to wait on */
    }
    return -1;
}

void cut_off(void)
{
    if (server <= 0)
        return;
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    server = 0;
}

static void setup(void)
{
    if (is_mounted())
        return;
    umount2(mount_at, MNT_DETACH); /* what a failed test left */
    if (mount_slow() != 0)
        ck_abort_msg("cannot mount again");
}

static void teardown(void)
{
    cut_off();
    umount2(mount_at, MNT_DETACH);
}

int fuse_rig_run(Suite *suite, TCase *tc)
{
    strcpy(top, "/tmp/stoker_fuse_XXXXXX");
    if (!mkdtemp(top))
        return EXIT_FAILURE;
    snprintf(mount_at, sizeof mount_at, "%s/at", top);
    snprintf(source, sizeof source, "%s/photo.jpg", top);
    mkdir(mount_at, 0755);
    if (mount_slow() != 0) {
        fprintf(stderr, "SKIPPED: no FUSE mount is possible here (root and "
                        "/dev/fuse are needed)\n");
        return 77;
    }
    teardown();
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    umount2(mount_at, MNT_DETACH); /* what a failed test left */
    unlink(source);
    rmdir(mount_at);
    rmdir(top);
    return n_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
