/* Preloaded into chatd, this stands between it and the disk on which its history lies: calls on the
 * database, its log and the journal fail or end the process as the row wants, and what a power cut
 * could take is written down. It knows files by their names only:
 *
 *   .../history.db, .../history.db-wal   the database
 *   .../chatd-NAME.journal-a and -b      the journal, where kills count but nothing fails
 *
 *   DISK_CONTROL   a file of a page that is mapped; `struct control` says what stands where. The row
 *                  writes to it while chatd runs
 *   DISK_RECORD    a file that gets each change of the database and each sync, in order: a
 *                  `struct entry`, then the bytes. No sync is real then
 *
 * Only the thread that writes the history changes the database, so the record needs no lock. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 65536 };
enum file { OTHER, DATABASE, LOG, JOURNAL };
enum kind { WRITE, TRUNCATE, SYNC, SYNC_FAILED };

struct control {
    uint32_t write_error; /* of each write, truncation and opening to write; 0: none */
    uint32_t sync_error;  /* of each sync */
    uint32_t syncs_to_go; /* so many syncs succeed before that */
    uint32_t kill_at;     /* the process ends instead of this call; 0: never */
    uint32_t calls;       /* writes, truncations and syncs so far */
};

struct entry {
    uint32_t kind, file;
    uint64_t offset, length; /* of a truncation `offset` alone */
    uint64_t at;             /* monotonic clock, nanoseconds */
};

static uint8_t files[DESCRIPTORS_MAX];
static struct control nothing, *control = &nothing;
static int record = -1;

static void *original(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

#define REAL(name, type, ...)                                                                       \
    static type (*real)(__VA_ARGS__);                                                               \
    if (!real)                                                                                      \
        real = original(name)

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("DISK_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *page = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (page == MAP_FAILED)
            abort();
        control = page;
        close(fd);
    }
    path = getenv("DISK_RECORD");
    if (path)
        record = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static enum file which(const char *path) {
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    if (strcmp(name, "history.db") == 0)
        return DATABASE;
    if (strcmp(name, "history.db-wal") == 0)
        return LOG;
    return strncmp(name, "chatd-", 6) == 0 && strstr(name, ".journal-") ? JOURNAL : OTHER;
}

static enum file file_of(int fd) {
    return fd >= 0 && fd < DESCRIPTORS_MAX ? (enum file)files[fd] : OTHER;
}

static int opened(int fd, const char *path) {
    if (fd >= 0 && fd < DESCRIPTORS_MAX)
        files[fd] = which(path);
    return fd;
}

/* Whether the call may go on; it may also not come back. */
static int may(enum file file, uint32_t error) {
    if (file == OTHER)
        return 1;
    if (__atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST) == control->kill_at)
        kill(getpid(), SIGKILL);
    if (file == JOURNAL || !error)
        return 1;
    errno = (int)error;
    return 0;
}

static void put(const void *bytes, size_t length) {
    static ssize_t (*real_write)(int, const void *, size_t);
    if (!real_write)
        real_write = original("write");
    if (real_write(record, bytes, length) != (ssize_t)length)
        abort();
}

static void note(enum kind kind, enum file file, off_t offset, const void *bytes, size_t length) {
    if (record < 0 || (file != DATABASE && file != LOG))
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct entry entry = {kind, file, (uint64_t)offset, length,
                          (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec};
    put(&entry, sizeof entry);
    if (length)
        put(bytes, length);
}

static int may_open(const char *path, int flags) {
    enum file file = which(path);
    if ((file != DATABASE && file != LOG) || (flags & O_ACCMODE) == O_RDONLY || !control->write_error)
        return 1;
    errno = (int)control->write_error;
    return 0;
}

#define OPENS(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                    \
        REAL(#name, int, const char *, int, ...);                                                   \
        va_list rest;                                                                               \
        va_start(rest, flags);                                                                      \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                     \
        va_end(rest);                                                                               \
        return may_open(path, flags) ? opened(real(path, flags, mode), path) : -1;                  \
    }
OPENS(open)
OPENS(open64)

int close(int fd) {
    REAL("close", int, int);
    if (fd >= 0 && fd < DESCRIPTORS_MAX)
        files[fd] = OTHER;
    return real(fd);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL("write", ssize_t, int, const void *, size_t);
    enum file file = file_of(fd);
    return may(file, control->write_error) ? real(fd, bytes, length) : -1;
}

#define WRITES_AT(name)                                                                             \
    ssize_t name(int fd, const void *bytes, size_t length, off_t offset) {                          \
        REAL(#name, ssize_t, int, const void *, size_t, off_t);                                     \
        enum file file = file_of(fd);                                                               \
        if (!may(file, control->write_error))                                                       \
            return -1;                                                                              \
        ssize_t written = real(fd, bytes, length, offset);                                          \
        if (written > 0)                                                                            \
            note(WRITE, file, offset, bytes, (size_t)written);                                      \
        return written;                                                                             \
    }
WRITES_AT(pwrite)
WRITES_AT(pwrite64)

#define TRUNCATES(name)                                                                             \
    int name(int fd, off_t length) {                                                                \
        REAL(#name, int, int, off_t);                                                               \
        enum file file = file_of(fd);                                                               \
        if (!may(file, control->write_error))                                                       \
            return -1;                                                                              \
        int result = real(fd, length);                                                              \
        if (result == 0)                                                                            \
            note(TRUNCATE, file, length, NULL, 0);                                                  \
        return result;                                                                              \
    }
TRUNCATES(ftruncate)
TRUNCATES(ftruncate64)

/* The error of a sync that is due; 0 for none. */
static uint32_t sync_error(enum file file) {
    if ((file != DATABASE && file != LOG) || !control->sync_error)
        return 0;
    if (control->syncs_to_go == 0)
        return control->sync_error;
    control->syncs_to_go--;
    return 0;
}

#define SYNCS(name)                                                                                 \
    int name(int fd) {                                                                              \
        REAL(#name, int, int);                                                                      \
        enum file file = file_of(fd);                                                               \
        if (!may(file, sync_error(file))) {                                                         \
            int error = errno;                                                                      \
            note(SYNC_FAILED, file, 0, NULL, 0);                                                    \
            errno = error;                                                                          \
            return -1;                                                                              \
        }                                                                                           \
        int result = record < 0 ? real(fd) : 0;                                                     \
        if (result == 0)                                                                            \
            note(SYNC, file, 0, NULL, 0);                                                           \
        return result;                                                                              \
    }
SYNCS(fsync)
SYNCS(fdatasync)
