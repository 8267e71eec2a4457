/* A disk that fails, for LD_PRELOAD.

While the file that FAILING_DISK_WHEN names exists, those of write, fsync, fdatasync and link that it lists answer EIO,
for what lies under the folder FAILING_DISK_UNDER; with "nolink" link answers EPERM there, as where there are none. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int under(const char *path) {
    const char *folder = getenv("FAILING_DISK_UNDER");
    return folder != NULL && strncmp(path, folder, strlen(folder)) == 0;
}

static int open_under(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return under(path);
}

static int broken(const char *call) {
    const char *when = getenv("FAILING_DISK_WHEN");
    char calls[256] = " ";
    char wanted[64];
    int control = when == NULL ? -1 : open(when, O_RDONLY | O_CLOEXEC);
    if (control < 0) return 0;
    ssize_t length = read(control, calls + 1, sizeof calls - 3);
    close(control);
    if (length < 0) return 0;
    strcpy(calls + 1 + length, " ");
    snprintf(wanted, sizeof wanted, " %s ", call);
    return strstr(calls, wanted) != NULL;
}

static int fails(const char *call, int concerned) {
    int before = errno;
    int answer = concerned && broken(call);
    errno = answer ? EIO : before;
    return answer;
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
    return fails("write", open_under(descriptor)) ? -1 : REAL(write)(descriptor, bytes, count);
}

int fsync(int descriptor) { return fails("fsync", open_under(descriptor)) ? -1 : REAL(fsync)(descriptor); }

int fdatasync(int descriptor) { return fails("fdatasync", open_under(descriptor)) ? -1 : REAL(fdatasync)(descriptor); }

int link(const char *from, const char *to) {
    if (fails("nolink", under(to))) {
        errno = EPERM;
        return -1;
    }
    return fails("link", under(to)) ? -1 : REAL(link)(from, to);
}
