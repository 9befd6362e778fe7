/* Preloaded into chatd, this makes the kernel give no socket a send buffer of more than
 * SEND_BYTES_MAX, as it does in effect while memory for TCP is short on the machine: what is asked
 * for beyond that is asked for in vain, without an error. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/socket.h>

int setsockopt(int socket, int level, int name, const void *value, socklen_t length) {
    static int (*original)(int, int, int, const void *, socklen_t);
    if (!original && !(original = dlsym(RTLD_NEXT, "setsockopt")))
        abort();
    if (level != SOL_SOCKET || name != SO_SNDBUF || length != sizeof(int))
        return original(socket, level, name, value, length);
    const char *most = getenv("SEND_BYTES_MAX");
    int bytes = *(const int *)value, bytes_max = most ? atoi(most) : bytes;
    if (bytes > bytes_max)
        bytes = bytes_max;
    return original(socket, level, name, &bytes, sizeof bytes);
}
