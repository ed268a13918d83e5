/* What looks a data set through before it is played, over a mount that hangs:
 * the checker, the scan command, and the listing of a folder. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuse_rig.h"
#include "photos.h"
#include "seen.h"

static stoker_error err;
static stoker_transform crop;

static int check(stoker_checker *checker, int64_t id, double *took)
{
    stoker_image_info info = {.size = sizeof info};
    double start = now();

    int rc = stoker_checker_check(checker, id, &info, &err);
    *took = now() - start;
    return rc;
}

/* Items 0 ... 4 hang, 5 is good. */
static stoker_checker *open_checker(void)
{
    static const char *const names[] = {"opens_.jpg", "hang_a.jpg",
                                        "hang_b.jpg", "hang_c.jpg",
                                        "hang_d.jpg", "good.jpg"};
    stoker_options opt = photos_options(&crop);
    stoker_item items[6] = {{.path = NULL}};
    stoker_checker *checker = NULL;
    stoker_dataset *ds = NULL;
    char paths[6][128];

    for (int i = 0; i < 6; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%s", mount_at, names[i]);
        items[i] = (stoker_item){.path = paths[i], .length = -1};
    }
    opt.stall_timeout_ms = STALL_MS;
    opt.retry_ms = 10;
    ck_assert_int_eq(
        stoker_dataset_from_items(&ds, items, 6, sizeof items[0], &err), 0);
    ck_assert_int_eq(stoker_checker_open(&checker, ds, &opt, &err), 0);
    stoker_dataset_free(ds);
    return checker;
}

START_TEST(test_checker_leaves_what_hangs_and_goes_on)
{
    stoker_checker *checker = open_checker();
    double took;

    for (int id = 0; id < 4; id++) {
        ck_assert_int_eq(check(checker, id, &took), -ETIMEDOUT);
        ck_assert_msg(strstr(err.text, id ? "hang_" : "opens_") &&
                          strstr(err.text, "stalled"),
                      "%s", err.text);
        ck_assert_int_eq(err.id, id);
        ck_assert_double_lt(took, STALL_MS / 1000.0 + 1);
        if (id == 3)
            break;
        ck_assert_msg(check(checker, 5, &took) == 0, "%s", err.text);
    }
    /* Four hang: no fifth is risked, the good one neither. */
    ck_assert_int_eq(check(checker, 4, &took), -ETIMEDOUT);
    ck_assert_msg(strstr(err.text, "hang_d.jpg: not looked at"), "%s",
                  err.text);
    ck_assert_double_lt(took, STALL_MS / 2000.0);
    ck_assert_int_eq(check(checker, 5, &took), -ETIMEDOUT);
    cut_off(); /* they come back: it looks again */
    int rc = 0;
    for (int i = 0; i < 500; i++) {
        rc = check(checker, 5, &took);
        if (!strstr(err.text, "not looked at"))
            break;
        usleep(10000); /* another process's answer: nothing to wait on */
    }
    ck_assert_msg(rc < 0 && rc != -ETIMEDOUT, "%d %s", rc, err.text);
    stoker_checker_close(&checker);
}
END_TEST

START_TEST(test_checker_closes_over_a_hang)
{
    stoker_checker *checker = open_checker();
    double took;

    ck_assert_int_eq(check(checker, 1, &took), -ETIMEDOUT);
    stoker_checker_close(&checker);
    cut_off(); /* the reader wakes: nothing may crash */
    sleep(1);
}
END_TEST

/* A class folder that never lists, and a root that never opens. */
/* A slow file, in a process that is stopped while it is read by the checker or
 * by a loader. */
static int read_slow(bool by_loader, int ready)
{
    stoker_options opt = photos_options(&crop);
    stoker_checker *checker = NULL;
    stoker_loader *loader = NULL;
    stoker_batch *batch;
    stoker_dataset *ds = NULL;
    char path[128];
    double took;

    snprintf(path, sizeof path, "%s/slow_.jpg", mount_at);
    stoker_item item = {.path = path, .length = -1};
    opt.stall_timeout_ms = STALL_MS;
    opt.io = STOKER_IO_PREAD;
    if (stoker_dataset_from_items(&ds, &item, 1, sizeof item, &err) != 0 ||
        stoker_checker_open(&checker, ds, &opt, &err) != 0 ||
        stoker_loader_open(&loader, ds, &opt, &err) != 0 ||
        write(ready, "", 1) != 1)
        return -EINVAL;
    if (!by_loader)
        return check(checker, 0, &took);
    int rc; /* in slices, as Python waits */
    while ((rc = stoker_loader_next(loader, &batch, 100, &err)) ==
           STOKER_TIMEOUT)
        ;
    return rc;
}

START_TEST(test_a_program_that_is_stopped_and_goes_on_has_not_stalled)
{
    for (int i = 0; i < 3; i++) {
        char byte;
        int fds[2], status;
        ck_assert_int_eq(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0)
            _exit(-read_slow(_i, fds[1]));
        ck_assert_int_eq(read(fds[0], &byte, 1), 1);
        usleep(10000); /* into the 50 ms of its read; any other time passes */
        kill(child, SIGSTOP);
        usleep(1500000);
        kill(child, SIGCONT);
        waitpid(child, &status, 0);
        ck_assert_msg(status == 0, "%s", strerror(WEXITSTATUS(status)));
        close(fds[0]);
        close(fds[1]);
    }
}
END_TEST

START_TEST(test_listing_that_hangs_ends_with_the_roots_name)
{
    stoker_folder_options opt;
    stoker_dataset *ds = NULL;
    char root[128], class_at[256];

    stoker_folder_options_init(&opt, sizeof opt);
    opt.stall_timeout_ms = STALL_MS;
    snprintf(root, sizeof root, "%s/photos", top);
    if (_i) {
        snprintf(root, sizeof root, "%s/dirs_root", mount_at);
    } else {
        snprintf(class_at, sizeof class_at, "%s/dirs_class", mount_at);
        ck_assert_int_eq(mkdir(root, 0755), 0);
        strcat(root, "/class");
        ck_assert_int_eq(symlink(class_at, root), 0);
        root[strlen(root) - strlen("/class")] = '\0';
    }
    double start = now();
    ck_assert_int_eq(stoker_dataset_from_folder(&ds, root, &opt, &err),
                     -ETIMEDOUT);
    ck_assert_double_lt(now() - start, STALL_MS / 1000.0 + 1);
    ck_assert_ptr_null(ds);
    ck_assert_msg(strstr(err.text, root) && strstr(err.text, "stalled"), "%s",
                  err.text);
    ck_assert_int_eq(err.stage, STOKER_STAGE_PLAN);
    if (_i == 0)
        seen("listing hangs", -ETIMEDOUT, err.text);
    cut_off(); /* the thread wakes: nothing may crash */
    sleep(1);
    if (_i == 0) {
        snprintf(class_at, sizeof class_at, "rm -r %s", root);
        ck_assert_int_eq(system(class_at), 0);
    }
}
END_TEST

#if defined(STOKER_COMMAND)
/* TOP/photos/class/NAME leads to the mount. */
static void link_photo(const char *name)
{
    char from[256], to[256];

    snprintf(from, sizeof from, "%s/%s", mount_at, name);
    snprintf(to, sizeof to, "%s/photos/class/%s", top, name);
    ck_assert_int_eq(symlink(from, to), 0);
}

/* The kernel keeps a process that hangs in FUSE until that is answered: so
 * the report is read first, and then the mount is cut off. */
START_TEST(test_scan_names_what_hangs_and_ends)
{
    char command[512], line[512], stalled[512] = "", sum[512] = "";

    snprintf(command, sizeof command, "mkdir -p %s/photos/class", top);
    ck_assert_int_eq(system(command), 0);
    link_photo("good.jpg");
    link_photo("hang_.jpg");
    link_photo("opens_.jpg");
    snprintf(command, sizeof command,
             "ASAN_OPTIONS=detect_leaks=0 %s scan %s/photos --jobs 1 "
             "--stall-timeout 1",
             STOKER_COMMAND, top);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    while (!sum[0] && fgets(line, sizeof line, f)) {
        if (strstr(line, "hang_.jpg: stalled"))
            strcpy(stalled, line);
        if (strstr(line, "images, "))
            strcpy(sum, line);
    }
    cut_off();
    int status = pclose(f);
    snprintf(command, sizeof command, "rm -r %s/photos", top);
    ck_assert_int_eq(system(command), 0);
    ck_assert_msg(stalled[0] && strstr(sum, "3 images, 2 bad"), "'%s' '%s'",
                  stalled, sum);
    ck_assert_int_eq(WEXITSTATUS(status), 1);
    stalled[strcspn(stalled, "\n")] = '\0';
    seen("scan of a hang", -ETIMEDOUT, stalled + strspn(stalled, " "));
}
END_TEST
#endif

int main(void)
{
    Suite *suite = suite_create("fuse scan");
    TCase *tc = tcase_create("hangs");

    tcase_add_test(tc, test_checker_leaves_what_hangs_and_goes_on);
    tcase_add_test(tc, test_checker_closes_over_a_hang);
    tcase_add_loop_test(
        tc, test_a_program_that_is_stopped_and_goes_on_has_not_stalled, 0, 2);
    tcase_add_loop_test(tc, test_listing_that_hangs_ends_with_the_roots_name, 0,
                        2);
#if defined(STOKER_COMMAND)
    tcase_add_test(tc, test_scan_names_what_hangs_and_ends);
#endif
    return fuse_rig_run(suite, tc);
}
