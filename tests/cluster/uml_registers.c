/* Preloaded into linux.uml: its guests' extended registers, on a processor that has more of them than it has room for.

   Invariant: what it does not know of stays as it is. Debian 12's keeps 2.7 kB; with AMX the host writes back the whole
   11 kB or nothing (xstateregs_set, arch/x86/kernel/fpu/regset.c), and every program in the guest would die at its first
   step. The area is laid out by architecture (Intel SDM 1, 13.4): a shorter one is a beginning of a longer one. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

long ptrace(enum __ptrace_request request, ...)
{
    long (*libc)(long, pid_t, void *, void *) = (long (*)(long, pid_t, void *, void *))dlsym(RTLD_NEXT, "ptrace");
    va_list rest;
    va_start(rest, request);
    pid_t pid = va_arg(rest, pid_t);
    void *address = va_arg(rest, void *);
    struct iovec *theirs = va_arg(rest, void *);
    va_end(rest);

    if ((request != PTRACE_GETREGSET && request != PTRACE_SETREGSET) || (long)address != NT_X86_XSTATE)
        return libc(request, pid, address, theirs);
    static char area[1 << 16]; /* its stacks have 16 kB, and it has one thread that traces */
    struct iovec whole = {area, sizeof area};
    if (libc(PTRACE_GETREGSET, pid, address, &whole))
        return -1;
    size_t known = theirs->iov_len < whole.iov_len ? theirs->iov_len : whole.iov_len;
    if (request == PTRACE_SETREGSET) {
        memcpy(area, theirs->iov_base, known);
        return libc(PTRACE_SETREGSET, pid, address, &whole);
    }
    memcpy(theirs->iov_base, area, known);
    theirs->iov_len = known;
    return 0;
}
