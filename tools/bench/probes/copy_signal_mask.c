/* A library to preload under valgrind: before 3.20 it writes into the mask that is passed to `sigsuspend`, which libdispatch
 * keeps in memory that must not be written to. This passes a copy. */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int sigsuspend(const sigset_t *mask) {
    sigset_t copy = *mask;
    return (int)syscall(SYS_rt_sigsuspend, &copy, 8);
}
