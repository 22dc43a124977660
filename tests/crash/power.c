/* What a process does to the files of one folder, written down before it is done, so that a loss of power can be played
 * afterwards (power.py): writes that were not synced are undone then, or kept, or torn.
 *
 * LD_PRELOAD of a real server: its threads, SQLite and packs are those of production. POWER_FOLDER is the folder,
 * POWER_LOG where it is written, POWER_LIES a part of the names of files whose syncs are not believed (a planted bug).
 * Memory that is mapped is not seen: SQLite's -shm alone is written so, and is made anew after a loss of power.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FILES = 65536, LYING = 2, FOLDER = 3 };

struct record {
    char kind; /* W write, T truncate, S synced up to `seq`, C created, U unlinked, R renamed, D folder synced */
    char padding[7];
    uint64_t seq, inode, offset, size; /* size: of the file before */
    uint64_t old_length, new_length;   /* of what follows: data before and after, or names */
};

static struct { char kind; uint64_t inode; } files[FILES]; /* kind 0: not ours, 1: a file */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const char *folder, *lies;
static size_t folder_length;
static int log_fd = -1;
static uint64_t seq;

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static int (*real_close)(int);

#define REAL(result, name, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void) {
    *(void **)&real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    *(void **)&real_close = dlsym(RTLD_NEXT, "close");
    folder = getenv("POWER_FOLDER");
    lies = getenv("POWER_LIES");
    const char *path = getenv("POWER_LOG");
    if (!folder || !path) return;
    folder_length = strlen(folder);
    static int (*open_log)(const char *, int, ...);
    *(void **)&open_log = dlsym(RTLD_NEXT, "open64");
    log_fd = open_log(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static int ends(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && !strcmp(text + length - tail, end);
}

static int ours(const char *path) {
    return log_fd >= 0 && path && !strncmp(path, folder, folder_length) &&
           (path[folder_length] == '/' || !path[folder_length]) && !ends(path, "-shm") && !ends(path, "/lock") &&
           !ends(path, ".sock");
}

/* With the mutex held. */
static void note(char kind, uint64_t inode, uint64_t offset, uint64_t size, const void *old, size_t old_length,
                 const void *new, size_t new_length) {
    struct record head = {kind, {0}, ++seq, inode, offset, size, old_length, new_length};
    struct iovec parts[] = {{&head, sizeof head}, {(void *)old, old_length}, {(void *)new, new_length}};
    static ssize_t (*append)(int, const struct iovec *, int);
    if (!append) *(void **)&append = dlsym(RTLD_NEXT, "writev");
    if (append(log_fd, parts, 3) != (ssize_t)(sizeof head + old_length + new_length)) abort();
}

static void note_names(char kind, const char *first, const char *second) {
    struct stat status;
    uint64_t inode = lstat(first, &status) ? 0 : status.st_ino;
    note(kind, inode, 0, 0, first, strlen(first), second, second ? strlen(second) : 0);
}

static int opened(int fd, const char *path, int existed) {
    int error = errno;
    struct stat status;
    if (fd >= 0 && fd < FILES && !fstat(fd, &status)) {
        pthread_mutex_lock(&mutex);
        files[fd].kind = S_ISDIR(status.st_mode) ? FOLDER : lies && strstr(path, lies) ? LYING : 1;
        files[fd].inode = status.st_ino;
        if (!existed) note_names('C', path, NULL);
        pthread_mutex_unlock(&mutex);
    }
    errno = error;
    return fd;
}

#define OPEN(name)                                                       \
    int name(const char *path, int flags, ...) {                         \
        REAL(int, name, const char *, int, ...);                         \
        va_list list;                                                    \
        va_start(list, flags);                                           \
        mode_t mode = va_arg(list, mode_t);                              \
        va_end(list);                                                    \
        if (!ours(path)) return real(path, flags, mode);                 \
        int existed = !access(path, F_OK);                               \
        return opened(real(path, flags, mode), path, existed);           \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                     \
    int name(int at, const char *path, int flags, ...) {                 \
        REAL(int, name, int, const char *, int, ...);                    \
        va_list list;                                                    \
        va_start(list, flags);                                           \
        mode_t mode = va_arg(list, mode_t);                              \
        va_end(list);                                                    \
        if (!ours(path)) return real(at, path, flags, mode);             \
        int existed = !access(path, F_OK);                               \
        return opened(real(at, path, flags, mode), path, existed);       \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
    if (fd >= 0 && fd < FILES) files[fd].kind = 0;
    return real_close(fd);
}

static int watched(int fd) { return log_fd >= 0 && fd >= 0 && fd < FILES && files[fd].kind; }

static void note_write(int fd, const void *data, size_t length, off_t offset) {
    struct stat status;
    fstat(fd, &status);
    size_t old_length = offset >= status.st_size ? 0 : (size_t)(status.st_size - offset);
    if (old_length > length) old_length = length;
    void *old = malloc(old_length + 1);
    /* A descriptor that only writes cannot be read: through /proc it can. */
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    static int (*open_again)(const char *, int, ...);
    if (!open_again) *(void **)&open_again = dlsym(RTLD_NEXT, "open64");
    if (old_length) {
        int again = open_again(path, O_RDONLY | O_CLOEXEC);
        if (again < 0 || pread(again, old, old_length, offset) != (ssize_t)old_length) abort();
        real_close(again);
    }
    note('W', status.st_ino, offset, status.st_size, old, old_length, data, length);
    free(old);
}

#define PWRITE(name, kind)                                               \
    ssize_t name(int fd, const void *data, size_t length, kind offset) { \
        if (!watched(fd)) return real_pwrite(fd, data, length, offset);  \
        pthread_mutex_lock(&mutex);                                      \
        note_write(fd, data, length, offset);                            \
        ssize_t written = real_pwrite(fd, data, length, offset);         \
        pthread_mutex_unlock(&mutex);                                    \
        return written;                                                  \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t length) {
    REAL(ssize_t, write, int, const void *, size_t);
    if (!watched(fd)) return real(fd, data, length);
    pthread_mutex_lock(&mutex);
    struct stat status;
    fstat(fd, &status);
    off_t offset = fcntl(fd, F_GETFL) & O_APPEND ? status.st_size : lseek(fd, 0, SEEK_CUR);
    note_write(fd, data, length, offset);
    ssize_t written = real(fd, data, length);
    pthread_mutex_unlock(&mutex);
    return written;
}

static int truncate_noted(int fd, off_t length, int (*real)(int, off_t)) {
    if (!watched(fd)) return real(fd, length);
    pthread_mutex_lock(&mutex);
    struct stat status;
    fstat(fd, &status);
    size_t old_length = status.st_size > length ? (size_t)(status.st_size - length) : 0;
    void *old = malloc(old_length + 1);
    if (old_length && pread(fd, old, old_length, length) != (ssize_t)old_length) abort();
    note('T', status.st_ino, length, status.st_size, old, old_length, NULL, 0);
    free(old);
    int result = real(fd, length);
    pthread_mutex_unlock(&mutex);
    return result;
}

int ftruncate(int fd, off_t length) {
    REAL(int, ftruncate, int, off_t);
    return truncate_noted(fd, length, real);
}

int ftruncate64(int fd, off64_t length) {
    REAL(int, ftruncate64, int, off64_t);
    return truncate_noted(fd, length, real);
}

static int sync_noted(int fd, int (*real)(int)) {
    if (!watched(fd)) return real(fd);
    pthread_mutex_lock(&mutex);
    uint64_t before = seq; /* what is written while it goes on is not covered */
    char kind = files[fd].kind;
    uint64_t inode = files[fd].inode;
    pthread_mutex_unlock(&mutex);
    int result = real(fd);
    if (!result && kind != LYING) {
        pthread_mutex_lock(&mutex);
        note(kind == FOLDER ? 'D' : 'S', inode, before, 0, NULL, 0, NULL, 0);
        pthread_mutex_unlock(&mutex);
    }
    return result;
}

int fsync(int fd) {
    REAL(int, fsync, int);
    return sync_noted(fd, real);
}

int fdatasync(int fd) {
    REAL(int, fdatasync, int);
    return sync_noted(fd, real);
}

/* A file that is unlinked, or replaced, keeps another name beside the log: its folder may not have been synced. */
static void bury(const char *path) {
    struct stat status;
    if (lstat(path, &status)) return;
    char grave[PATH_MAX];
    snprintf(grave, sizeof grave, "%s.%lu", getenv("POWER_LOG"), (unsigned long)status.st_ino);
    if (link(path, grave) && errno != EEXIST) abort();
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    if (!ours(path) || access(path, F_OK)) return real(path);
    pthread_mutex_lock(&mutex);
    bury(path);
    note_names('U', path, NULL);
    int result = real(path);
    pthread_mutex_unlock(&mutex);
    return result;
}

int rename(const char *old, const char *new) {
    REAL(int, rename, const char *, const char *);
    if (!ours(old) || !ours(new)) return real(old, new);
    pthread_mutex_lock(&mutex);
    if (!access(new, F_OK)) {
        bury(new);
        note_names('U', new, NULL);
    }
    note_names('R', old, new);
    int result = real(old, new);
    pthread_mutex_unlock(&mutex);
    return result;
}
