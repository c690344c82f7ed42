/*
 * fail_site - a preloaded library that lets one system call of the proxy fail, or comes to know
 * all.
 *
 * A site is a place in the program, or in a library that it uses, from which a function of libc is
 * called: "MODULE FUNCTION OFFSET". With FAIL_SITE set, the FAIL_NTH call from there fails in the
 * way number FAIL_WAY; the first call that fails is written to the file FAIL_LOG. Without it the
 * sites that were called, with the number of calls, are written there at exit. Only the process
 * that was started is concerned, not its children. Driven by tests/fault/walk.py.
 */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SITES_MAX   4096 /* a power of two; a proxy has some hundreds */
#define MODULES_MAX 32
#define SHORT       (-1) /* not an error: less than was asked for */

struct site {
    const char *function;
    uintptr_t caller;
    unsigned n_calls;
    unsigned n_ways; /* in which a call from there can fail */
};

static struct {
    uintptr_t from, to, base;
    char name[64];
} modules[MODULES_MAX];

static struct site sites[SITES_MAX];
static int n_modules;
static pid_t our_pid;
static const char *log_path;
static char wanted_function[64];
static char wanted_module[64];
static uintptr_t wanted_offset;
static unsigned wanted_nth, wanted_way;
static bool has_failed;

/* ---- where a call comes from ---- */

static int add_module(struct dl_phdr_info *info, size_t size, void *data)
{
    const char *slash = strrchr(info->dlpi_name, '/');

    (void)size;
    (void)data;
    for (int i = 0; i < info->dlpi_phnum && n_modules < MODULES_MAX; i++) {
        if (info->dlpi_phdr[i].p_type != PT_LOAD || !(info->dlpi_phdr[i].p_flags & PF_X))
            continue;
        modules[n_modules].base = info->dlpi_addr;
        modules[n_modules].from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
        modules[n_modules].to = modules[n_modules].from + info->dlpi_phdr[i].p_memsz;
        (void)snprintf(modules[n_modules].name, sizeof(modules[0].name), "%s",
                       slash != NULL ? slash + 1 : "whiskloop");
        n_modules++;
    }
    return 0;
}

static int module_of(uintptr_t caller)
{
    for (int i = 0; i < n_modules; i++)
        if (caller >= modules[i].from && caller < modules[i].to)
            return i;
    return -1;
}

static void write_log(const char *text, size_t n)
{
    long fd =
        syscall(SYS_openat, AT_FDCWD, log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (fd < 0)
        return;
    (void)!syscall(SYS_write, fd, text, n);
    (void)syscall(SYS_close, fd);
}

static void write_site(const struct site *site, const char *what)
{
    int module = module_of(site->caller);
    char line[256];
    int n = snprintf(line, sizeof(line), "%s %s %lx %u %u%s\n", modules[module].name,
                     site->function, (unsigned long)(site->caller - modules[module].base),
                     site->n_calls, site->n_ways, what);

    write_log(line, (size_t)n);
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("FAIL_SITE");

    log_path = getenv("FAIL_LOG");
    if (log_path == NULL)
        return;
    (void)dl_iterate_phdr(add_module, NULL);
    if (text != NULL && sscanf(text, "%63s %63s %lx", wanted_module, wanted_function,
                               (unsigned long *)&wanted_offset) == 3) {
        wanted_nth = (unsigned)atoi(getenv("FAIL_NTH"));
        wanted_way = (unsigned)atoi(getenv("FAIL_WAY"));
    }
    (void)unsetenv("LD_PRELOAD");
    our_pid = (pid_t)syscall(SYS_getpid);
}

__attribute__((destructor)) static void end(void)
{
    if (our_pid != (pid_t)syscall(SYS_getpid) || wanted_nth > 0)
        return;
    our_pid = 0;
    for (size_t i = 0; i < SITES_MAX; i++)
        if (sites[i].function != NULL)
            write_site(&sites[i], "");
}

/* Note a call. true: it is the one that fails. */
static bool is_the_one(const char *function, void *caller, unsigned n_ways)
{
    uintptr_t at = (uintptr_t)caller;
    size_t i = (at >> 1) & (SITES_MAX - 1);
    int module;

    if (our_pid == 0 || our_pid != (pid_t)syscall(SYS_getpid) || (module = module_of(at)) < 0 ||
        strncmp(modules[module].name, "libfail_site", 12) == 0)
        return false;
    while (sites[i].function != NULL && sites[i].caller != at)
        i = (i + 1) & (SITES_MAX - 1);
    sites[i].function = function;
    sites[i].caller = at;
    sites[i].n_calls++;
    if (n_ways > sites[i].n_ways)
        sites[i].n_ways = n_ways;
    if (has_failed || sites[i].n_calls != wanted_nth ||
        at - modules[module].base != wanted_offset || strcmp(function, wanted_function) != 0 ||
        strcmp(modules[module].name, wanted_module) != 0)
        return false;
    has_failed = true;
    return true;
}

/* 0: let the call go on; SHORT; or the errno with which it fails. ways: ended by 0. */
static int way(const char *function, void *caller, const int *ways)
{
    struct site site = {function, (uintptr_t)caller, wanted_nth, 0};
    char what[32];

    while (ways[site.n_ways] != 0)
        site.n_ways++;
    if (!is_the_one(function, caller, site.n_ways) || wanted_way >= site.n_ways)
        return 0;
    (void)snprintf(what, sizeof(what), " failed %d", ways[wanted_way]);
    write_site(&site, what);
    return ways[wanted_way];
}

#define WAYS(...)                                                                                  \
    (const int[])                                                                                  \
    {                                                                                              \
        __VA_ARGS__, 0                                                                             \
    }
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* A function that fails with -1 and errno, in one of the ways given. */
#define FAILS(ret, name, parameters, arguments, ...)                                               \
    ret name parameters                                                                            \
    {                                                                                              \
        int os = way(#name, __builtin_return_address(0), WAYS(__VA_ARGS__));                       \
                                                                                                   \
        if (os != 0) {                                                                             \
            errno = os;                                                                            \
            return (ret)-1;                                                                        \
        }                                                                                          \
        return REAL(name) arguments;                                                               \
    }

/* ---- bytes: what can happen depends on what the descriptor is ---- */

static const int *io_ways(int fd, bool writes)
{
    static const int file_reads[] = {EIO, SHORT, 0}, file_writes[] = {ENOSPC, EIO, SHORT, 0};
    static const int pipe_reads[] = {EINTR, SHORT, EAGAIN, 0};
    static const int pipe_writes[] = {EPIPE, EINTR, SHORT, EAGAIN, 0};
    static const int peer_reads[] = {ECONNRESET, EINTR, SHORT, EAGAIN, 0};
    static const int other[] = {EINTR, 0}, none[] = {0};
    struct stat info;

    if (syscall(SYS_fstat, fd, &info) < 0)
        return none;
    if (S_ISREG(info.st_mode))
        return writes ? file_writes : file_reads;
    if (S_ISFIFO(info.st_mode))
        return writes ? pipe_writes : pipe_reads;
    if (S_ISSOCK(info.st_mode))
        return writes ? pipe_writes : peer_reads;
    return other;
}

/* As way(), and EAGAIN only where it can be. */
static int io_way(const char *function, void *caller, int fd, bool writes)
{
    int os = our_pid == 0 ? 0 : way(function, caller, io_ways(fd, writes));

    if (os == EAGAIN && (syscall(SYS_fcntl, fd, F_GETFL) & O_NONBLOCK) == 0)
        return 0;
    return os;
}

#define MOVES(name, parameters, fd, writes, arguments, few)                                        \
    ssize_t name parameters                                                                        \
    {                                                                                              \
        int os = io_way(#name, __builtin_return_address(0), fd, writes);                           \
                                                                                                   \
        if (os > 0) {                                                                              \
            errno = os;                                                                            \
            return -1;                                                                             \
        }                                                                                          \
        return os == SHORT ? REAL(name) few : REAL(name) arguments;                                \
    }

static size_t less(size_t n)
{
    return n > 1 ? n / 2 : n;
}

MOVES(read, (int fd, void *p, size_t n), fd, false, (fd, p, n), (fd, p, less(n)))
MOVES(pread64, (int fd, void *p, size_t n, off64_t at), fd, false, (fd, p, n, at),
      (fd, p, less(n), at))
MOVES(recv, (int fd, void *p, size_t n, int f), fd, false, (fd, p, n, f), (fd, p, less(n), f))
MOVES(write, (int fd, const void *p, size_t n), fd, true, (fd, p, n), (fd, p, less(n)))
MOVES(send, (int fd, const void *p, size_t n, int f), fd, true, (fd, p, n, f), (fd, p, less(n), f))
MOVES(sendmsg, (int fd, const struct msghdr *m, int f), fd, true, (fd, m, f), (fd, m, f))

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    int os = io_way("writev", __builtin_return_address(0), fd, true);

    if (os == SHORT)
        return REAL(write)(fd, parts[0].iov_base, less(parts[0].iov_len));
    if (os != 0) {
        errno = os;
        return -1;
    }
    return REAL(writev)(fd, parts, n);
}

/* ---- descriptors, names, processes ---- */

#define OPENS(name, parameters, last, arguments)                                                   \
    int name parameters                                                                            \
    {                                                                                              \
        int os = way(#name, __builtin_return_address(0), WAYS(EMFILE, EACCES, EINTR, ENOMEM));     \
        va_list rest;                                                                              \
        mode_t mode = 0;                                                                           \
                                                                                                   \
        if (os != 0) {                                                                             \
            errno = os;                                                                            \
            return -1;                                                                             \
        }                                                                                          \
        va_start(rest, last);                                                                      \
        if ((last & (O_CREAT | __O_TMPFILE)) != 0)                                                 \
            mode = va_arg(rest, mode_t);                                                           \
        va_end(rest);                                                                              \
        return REAL(name) arguments;                                                               \
    }

OPENS(open, (const char *path, int flags, ...), flags, (path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), flags, (path, flags, mode))
OPENS(openat, (int dir, const char *path, int flags, ...), flags, (dir, path, flags, mode))
OPENS(openat64, (int dir, const char *path, int flags, ...), flags, (dir, path, flags, mode))

FAILS(int, pipe2, (int fds[2], int flags), (fds, flags), EMFILE, ENFILE)
FAILS(int, socket, (int d, int t, int p), (d, t, p), EMFILE)
FAILS(int, socketpair, (int d, int t, int p, int fds[2]), (d, t, p, fds), EMFILE)
FAILS(int, bind, (int fd, __CONST_SOCKADDR_ARG a, socklen_t n), (fd, a, n), EADDRINUSE, EACCES)
FAILS(int, listen, (int fd, int n), (fd, n), EADDRINUSE)
FAILS(int, accept4, (int fd, __SOCKADDR_ARG a, socklen_t *n, int f), (fd, a, n, f), ECONNABORTED,
      EMFILE, EINTR, ENOMEM)
FAILS(int, getsockname, (int fd, __SOCKADDR_ARG a, socklen_t *n), (fd, a, n), ENOBUFS)
FAILS(int, setsockopt, (int fd, int l, int o, const void *p, socklen_t n), (fd, l, o, p, n),
      ENOPROTOOPT)
FAILS(int, epoll_create, (int n), (n), EMFILE)
FAILS(int, epoll_ctl, (int fd, int op, int what, struct epoll_event *e), (fd, op, what, e), ENOMEM)
FAILS(int, epoll_wait, (int fd, struct epoll_event *e, int n, int ms), (fd, e, n, ms), EINTR)
FAILS(int, timerfd_create, (clockid_t c, int f), (c, f), EMFILE)
FAILS(int, signalfd, (int fd, const sigset_t *s, int f), (fd, s, f), EMFILE)
FAILS(int, poll, (struct pollfd * p, nfds_t n, int ms), (p, n, ms), EINTR, ENOMEM)
FAILS(int, mkdir, (const char *path, mode_t mode), (path, mode), ENOSPC, EACCES)
FAILS(int, rmdir, (const char *path), (path), EBUSY)
FAILS(int, chdir, (const char *path), (path), EACCES)
FAILS(int, chmod, (const char *path, mode_t mode), (path, mode), EPERM)
FAILS(int, fchmod, (int fd, mode_t mode), (fd, mode), EPERM)
FAILS(int, rename, (const char *from, const char *to), (from, to), ENOSPC, EACCES)
FAILS(int, unlink, (const char *path), (path), EACCES)
FAILS(int, unlinkat, (int fd, const char *path, int flags), (fd, path, flags), EACCES)
FAILS(int, access, (const char *path, int mode), (path, mode), EACCES)
FAILS(int, stat, (const char *path, struct stat *info), (path, info), EACCES, ENOMEM)
FAILS(int, stat64, (const char *path, struct stat64 *info), (path, info), EACCES, ENOMEM)
FAILS(int, lstat, (const char *path, struct stat *info), (path, info), EACCES)
FAILS(int, lstat64, (const char *path, struct stat64 *info), (path, info), EACCES)
FAILS(int, fstat, (int fd, struct stat *info), (fd, info), ENOMEM)
FAILS(int, fstat64, (int fd, struct stat64 *info), (fd, info), ENOMEM)
FAILS(int, statvfs64, (const char *path, struct statvfs64 *info), (path, info), EACCES)
FAILS(ssize_t, readlink, (const char *path, char *p, size_t n), (path, p, n), EACCES)
FAILS(int, kill, (pid_t pid, int signo), (pid, signo), ESRCH)
FAILS(int, setpgid, (pid_t pid, pid_t group), (pid, group), EACCES)
FAILS(int, waitid, (idtype_t t, id_t id, siginfo_t *i, int o), (t, id, i, o), EINTR)
FAILS(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options), EINTR)
FAILS(pid_t, fork, (void), (), EAGAIN, ENOMEM)

#define POINTS(type, name, parameters, arguments, ...)                                             \
    type name parameters                                                                           \
    {                                                                                              \
        int os = way(#name, __builtin_return_address(0), WAYS(__VA_ARGS__));                       \
                                                                                                   \
        if (os != 0) {                                                                             \
            errno = os;                                                                            \
            return NULL;                                                                           \
        }                                                                                          \
        return REAL(name) arguments;                                                               \
    }

POINTS(DIR *, opendir, (const char *path), (path), EMFILE, EACCES)
POINTS(DIR *, fdopendir, (int fd), (fd), ENOMEM)
POINTS(char *, mkdtemp, (char *path), (path), ENOSPC, EACCES)
POINTS(char *, realpath, (const char *restrict path, char *restrict to), (path, to), EACCES)
POINTS(FILE *, fopen64, (const char *restrict path, const char *restrict mode), (path, mode),
       EMFILE)

int fcntl64(int fd, int command, ...)
{
    bool opens = command == F_DUPFD || command == F_DUPFD_CLOEXEC;
    int os = opens || command == F_SETPIPE_SZ ? way("fcntl64", __builtin_return_address(0),
                                                    opens ? WAYS(EMFILE) : WAYS(EPERM, EBUSY))
                                              : 0;
    va_list rest;
    long argument;

    if (os != 0) {
        errno = os;
        return -1;
    }
    va_start(rest, command);
    argument = va_arg(rest, long);
    va_end(rest);
    return REAL(fcntl64)(fd, command, argument);
}

#if defined(__x86_64__)
/* vfork() must return into its caller's frame, so it is left by a jump. */
static int vfork_way(void *caller)
{
    int os = way("vfork", caller, WAYS(EAGAIN, ENOMEM));

    if (os != 0)
        errno = os;
    return os;
}
static void *real_vfork(void)
{
    return dlsym(RTLD_NEXT, "vfork");
}
int (*const fail_site_vfork_way)(void *) __attribute__((visibility("hidden"))) = vfork_way;
void *(*const fail_site_real_vfork)(void)__attribute__((visibility("hidden"))) = real_vfork;
__asm__(".globl vfork\n.type vfork,@function\nvfork:\n"
        "    movq (%rsp), %rdi\n    subq $8, %rsp\n    call *fail_site_vfork_way(%rip)\n"
        "    testl %eax, %eax\n    jnz 1f\n    call *fail_site_real_vfork(%rip)\n"
        "    addq $8, %rsp\n    jmp *%rax\n"
        "1:  addq $8, %rsp\n    movl $-1, %eax\n    ret\n");
#endif

/* ---- memory ---- */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
    return way("malloc", __builtin_return_address(0), WAYS(ENOMEM)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return way("calloc", __builtin_return_address(0), WAYS(ENOMEM)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return way("realloc", __builtin_return_address(0), WAYS(ENOMEM)) ? NULL : __libc_realloc(p, n);
}
