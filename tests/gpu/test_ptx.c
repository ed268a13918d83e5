/* Hands the kernel's PTX to ptxas, where there is one: what the driver will
 * compile on a GPU compiles, for the oldest and a recent architecture. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pin/gather_ptx.h"

/* Returns ptxas's exit status; 127: there is none. */
static int assemble(const char *path, const char *arch)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        execlp("ptxas", "ptxas", arch, "-o", "/dev/null", path, (char *)NULL);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int main(void)
{
    static const char *const archs[] = {"-arch=sm_75", "-arch=sm_80",
                                        "-arch=sm_90"};
    char path[] = "/tmp/stk_gather.XXXXXX";
    int fd = mkstemp(path), rc = 0;
    size_t bytes = sizeof stk_gather_ptx - 1;

    if (fd < 0 || write(fd, stk_gather_ptx, bytes) != (ssize_t)bytes)
        return EXIT_FAILURE;
    close(fd);
    for (size_t i = 0; rc == 0 && i < sizeof archs / sizeof archs[0]; i++) {
        rc = assemble(path, archs[i]);
        printf("ptxas %s: %d\n", archs[i], rc);
    }
    unlink(path);
    if (rc == 127)
        fprintf(stderr, "SKIPPED: no ptxas in PATH, the kernel's PTX was not "
                        "checked\n");
    return rc == 127 ? 77 : rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
