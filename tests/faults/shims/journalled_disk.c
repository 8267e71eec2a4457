/* A disk that writes down what happens to it, for LD_PRELOAD: a line an event, appended to the file that
JOURNALLED_DISK_FILE names, of what lies under the folder JOURNALLED_DISK_UNDER. What fails is not written down.

What changes the disk is told when it has happened. A sync is told twice, when it begins and when it is over, since it
vouches only for what had happened when it began. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int journal = -1;
static const char *folder = NULL;

__attribute__((constructor)) static void look(void) {
    const char *file = getenv("JOURNALLED_DISK_FILE");
    folder = getenv("JOURNALLED_DISK_UNDER");
    if (file != NULL && folder != NULL) journal = open64(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static void tell(const char *format, ...) {
    char line[3 * PATH_MAX];
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line, sizeof line, format, values), before = errno;
    va_end(values);
    if (write(journal, line, length) != length) abort();
    errno = before;
}

static int under(const char *path) {
    return journal >= 0 && strncmp(path, folder, strlen(folder)) == 0;
}

static int open_under(int descriptor, char *path) {
    char link[64];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = journal < 0 ? -1 : readlink(link, path, PATH_MAX - 1);
    errno = before;
    if (length < 0) return 0;
    path[length] = 0;
    return under(path);
}

static int opened(int descriptor, const char *path, int flags) {
    if (descriptor >= 0 && (flags & O_CREAT) && under(path)) tell("create\t%s\n", path);
    return descriptor;
}

int open(const char *path, int flags, ...) {
    va_list values;
    va_start(values, flags);
    int mode = va_arg(values, int);
    va_end(values);
    return opened(REAL(open)(path, flags, mode), path, flags);
}

int open64(const char *path, int flags, ...) {
    va_list values;
    va_start(values, flags);
    int mode = va_arg(values, int);
    va_end(values);
    return opened(REAL(open64)(path, flags, mode), path, flags);
}

static int synced(int descriptor, int (*real)(int)) {
    static __thread unsigned serial = 0;
    char path[PATH_MAX];
    struct stat found;
    if (!open_under(descriptor, path) || fstat(descriptor, &found) != 0) return real(descriptor);
    unsigned mine = ++serial;
    tell("syncing\t%d-%d-%u\t%s\t%lld\n", getpid(), gettid(), mine, path, (long long)found.st_size);
    int answer = real(descriptor);
    if (answer == 0) tell("synced\t%d-%d-%u\n", getpid(), gettid(), mine);
    return answer;
}

int fsync(int descriptor) { return synced(descriptor, REAL(fsync)); }

int fdatasync(int descriptor) { return synced(descriptor, REAL(fdatasync)); }

int link(const char *from, const char *to) {
    int answer = REAL(link)(from, to);
    if (answer == 0 && under(to)) tell("link\t%s\t%s\n", from, to);
    return answer;
}

int rename(const char *from, const char *to) {
    int answer = REAL(rename)(from, to);
    if (answer == 0 && under(to)) tell("rename\t%s\t%s\n", from, to);
    return answer;
}

int unlink(const char *path) {
    int answer = REAL(unlink)(path);
    if (answer == 0 && under(path)) tell("unlink\t%s\n", path);
    return answer;
}

int mkdir(const char *path, mode_t mode) {
    int answer = REAL(mkdir)(path, mode);
    /* Where another made it just now, that may not be written down yet. */
    if ((answer == 0 || errno == EEXIST) && under(path)) tell("mkdir\t%s\n", path);
    return answer;
}
