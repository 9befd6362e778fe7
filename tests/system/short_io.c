/* Preloaded into chatd, this makes the kernel look as unhelpful as it may be: reads and writes
 * move any part of what they could, are interrupted, or find the socket busy. It stands between
 * the program and libc only, and changes no byte.
 *
 *   SHORT_IO_SEED      makes a run repeatable
 *   SHORT_IO_PERCENT   of the calls, for each of the faults (0 to 100)
 *   SHORT_IO_REPORT    a file that gets the count of each fault when the program ends
 *
 * "Busy" needs care: the program is told EAGAIN although the socket is ready, and whoever uses
 * edge-triggered epoll then waits for an edge that the kernel has no reason to send. A real EAGAIN
 * is always followed by one. So each one made up here re-arms the socket (EPOLL_CTL_MOD with what
 * it was registered with), upon which the kernel reports it again. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 65536, PIECES_MAX = 1024 };
enum fault { SHORT_READ, SHORT_WRITE, INTERRUPTED, BUSY, SPURIOUS_WAKE, FAULTS };
static const char *const fault_names[FAULTS] = {"short reads", "short writes", "interruptions",
                                                "busy sockets", "spurious wake-ups"};

static struct {
    int epoll; /* that it is registered with, plus one */
    struct epoll_event event;
} registered[DESCRIPTORS_MAX];
static unsigned long counts[FAULTS];
static unsigned long long state = 0x9e3779b97f4a7c15ULL;
static unsigned percent;

static unsigned long long next_random(void) { /* splitmix64 */
    unsigned long long z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static int happens(enum fault fault) {
    if (next_random() % 100 >= percent)
        return 0;
    counts[fault]++;
    return 1;
}

static size_t part_of(size_t length) { /* one byte in half of the cases */
    return next_random() % 2 ? 1 : 1 + next_random() % (length - 1);
}

static void *original(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

__attribute__((constructor)) static void start(void) {
    const char *text = getenv("SHORT_IO_SEED");
    state ^= text ? strtoull(text, NULL, 10) : 0;
    text = getenv("SHORT_IO_PERCENT");
    percent = text ? (unsigned)atoi(text) : 0;
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("SHORT_IO_REPORT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file)
        return;
    for (int fault = 0; fault < FAULTS; fault++)
        fprintf(file, "%lu %s\n", counts[fault], fault_names[fault]);
    fclose(file);
}

static int is_internet(int fd) {
    int domain = 0;
    socklen_t length = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 &&
           (domain == AF_INET || domain == AF_INET6);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
    static int (*real)(int, int, int, struct epoll_event *);
    if (!real)
        real = original("epoll_ctl");
    int result = real(epoll, operation, fd, event);
    if (result == 0 && fd >= 0 && fd < DESCRIPTORS_MAX) {
        registered[fd].epoll = operation != EPOLL_CTL_DEL && is_internet(fd) ? epoll + 1 : 0;
        if (operation != EPOLL_CTL_DEL)
            registered[fd].event = *event;
    }
    return result;
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout) {
    static int (*real)(int, struct epoll_event *, int, int);
    if (!real)
        real = original("epoll_wait");
    if (happens(INTERRUPTED)) {
        errno = EINTR;
        return -1;
    }
    if (happens(SPURIOUS_WAKE))
        return 0;
    return real(epoll, events, count, timeout);
}

/* Only connections have faults. The pair of sockets by which a signal handler wakes the loop has
 * none: the kernel always takes that one byte, and nobody could try again. */
static int may_fail(int fd) {
    return fd >= 0 && fd < DESCRIPTORS_MAX && registered[fd].epoll;
}

/* Whether the call is to fail at once, with errno set. */
static int fails(int fd) {
    if (!may_fail(fd))
        return 0;
    if (happens(INTERRUPTED)) {
        errno = EINTR;
        return 1;
    }
    if (happens(BUSY)) {
        epoll_ctl(registered[fd].epoll - 1, EPOLL_CTL_MOD, fd, &registered[fd].event);
        errno = EAGAIN;
        return 1;
    }
    return 0;
}

ssize_t recv(int fd, void *buffer, size_t length, int flags) {
    static ssize_t (*real)(int, void *, size_t, int);
    if (!real)
        real = original("recv");
    if (fails(fd))
        return -1;
    if (length > 1 && may_fail(fd) && happens(SHORT_READ))
        length = part_of(length);
    return real(fd, buffer, length, flags);
}

ssize_t send(int fd, const void *buffer, size_t length, int flags) {
    static ssize_t (*real)(int, const void *, size_t, int);
    if (!real)
        real = original("send");
    if (fails(fd))
        return -1;
    if (length > 1 && may_fail(fd) && happens(SHORT_WRITE))
        length = part_of(length);
    return real(fd, buffer, length, flags);
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
    static ssize_t (*real)(int, const struct iovec *, int);
    if (!real)
        real = original("writev");
    if (count > PIECES_MAX)
        abort();
    if (fails(fd))
        return -1;
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += pieces[i].iov_len;
    if (total < 2 || !may_fail(fd) || !happens(SHORT_WRITE))
        return real(fd, pieces, count);
    struct iovec some[PIECES_MAX];
    size_t left = part_of(total);
    int used = 0;
    for (; left > 0; used++) {
        some[used] = pieces[used];
        if (some[used].iov_len > left)
            some[used].iov_len = left;
        left -= some[used].iov_len;
    }
    return real(fd, some, used);
}
