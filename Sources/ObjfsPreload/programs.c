// Starting programs, whose file may be an object; arguments and environment pass through untouched.
#define _GNU_SOURCE
#include "ObjfsPreload.h"

#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

OBJFS_NEXT(int, execve, const char *, char *const *, char *const *);
OBJFS_NEXT(int, execv, const char *, char *const *);
OBJFS_NEXT(int, execvp, const char *, char *const *);
OBJFS_NEXT(int, execvpe, const char *, char *const *, char *const *);
OBJFS_NEXT(int, execveat, int, const char *, char *const *, char *const *, int);
OBJFS_NEXT(int, posix_spawn, pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
           char *const *, char *const *);
OBJFS_NEXT(int, posix_spawnp, pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
           char *const *, char *const *);
OBJFS_NEXT(int, posix_spawn_file_actions_addopen, posix_spawn_file_actions_t *, int, const char *, int, mode_t);
OBJFS_NEXT(int, posix_spawn_file_actions_addchdir_np, posix_spawn_file_actions_t *, const char *);

OBJFS_WRAP(int, -1, execve, (const char *path, char *const arguments[], char *const environment[]), path,
           (place, arguments, environment))
OBJFS_WRAP(int, -1, execv, (const char *path, char *const arguments[]), path, (place, arguments))
OBJFS_WRAP(int, -1, execvp, (const char *path, char *const arguments[]), path, (place, arguments))
OBJFS_WRAP(int, -1, execvpe, (const char *path, char *const arguments[], char *const environment[]), path,
           (place, arguments, environment))
OBJFS_WRAP(int, -1, execveat,
           (int folder, const char *path, char *const arguments[], char *const environment[], int flags), path,
           (folder, place, arguments, environment, flags))

// Collects the arguments of the call that ends with a NULL into an array on the stack.
#define COLLECT(first)                                                                                                 \
    size_t count = 1;                                                                                                  \
    va_list list;                                                                                                      \
    va_start(list, first);                                                                                             \
    while (va_arg(list, char *)) count++;                                                                              \
    va_end(list);                                                                                                      \
    char *arguments[count + 1];                                                                                        \
    arguments[0] = (char *)first;                                                                                      \
    va_start(list, first);                                                                                             \
    for (size_t index = 1; index <= count; index++) arguments[index] = va_arg(list, char *);

OBJFS_EXPORT int execl(const char *path, const char *first, ...) {
    COLLECT(first)
    va_end(list);
    return execv(path, arguments);
}

OBJFS_EXPORT int execlp(const char *path, const char *first, ...) {
    COLLECT(first)
    va_end(list);
    return execvp(path, arguments);
}

OBJFS_EXPORT int execle(const char *path, const char *first, ...) {
    COLLECT(first)
    char *const *environment = va_arg(list, char *const *);
    va_end(list);
    return execve(path, arguments, environment);
}

// These answer with the number of the error, and leave errno alone.
#define WRAP_SPAWN(name)                                                                                               \
    OBJFS_EXPORT int name(pid_t *process, const char *path, const posix_spawn_file_actions_t *actions,                 \
                          const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]) {   \
        OBJFS_PATH(place, path, errno_of_failure());                                                                   \
        return OBJFS_CALL(name)(process, place, actions, attributes, arguments, environment);                          \
    }

static int errno_of_failure(void) { return errno; }

WRAP_SPAWN(posix_spawn)
WRAP_SPAWN(posix_spawnp)

OBJFS_WRAP(int, errno_of_failure(), posix_spawn_file_actions_addopen,
           (posix_spawn_file_actions_t * actions, int descriptor, const char *path, int flags, mode_t mode), path,
           (actions, descriptor, place, flags, mode))
OBJFS_WRAP(int, errno_of_failure(), posix_spawn_file_actions_addchdir_np,
           (posix_spawn_file_actions_t * actions, const char *path), path, (actions, place))

// MARK: Calls by number

OBJFS_NEXT(long, syscall, long, ...);

// Which arguments of a call by number are paths, a bit each; libuv and Rust make some calls so.
static unsigned paths_of(long number) {
    switch (number) {
#ifdef SYS_open
    case SYS_open: case SYS_stat: case SYS_lstat: case SYS_access: case SYS_unlink: case SYS_mkdir: case SYS_rmdir:
    case SYS_chmod: case SYS_creat: case SYS_chown: case SYS_lchown: case SYS_readlink: case SYS_mknod:
    case SYS_utimes: case SYS_utime:
        return 1;
    case SYS_rename: case SYS_link: case SYS_symlink:
        return 1 | 2;
#endif
    case SYS_execve: case SYS_chdir: case SYS_truncate: case SYS_getxattr: case SYS_lgetxattr: case SYS_listxattr:
    case SYS_llistxattr: case SYS_setxattr: case SYS_lsetxattr: case SYS_removexattr: case SYS_lremovexattr:
    case SYS_statfs:
        return 1;
    case SYS_openat: case SYS_openat2: case SYS_statx: case SYS_newfstatat: case SYS_faccessat: case SYS_faccessat2:
    case SYS_readlinkat: case SYS_unlinkat: case SYS_mkdirat: case SYS_fchmodat: case SYS_fchownat: case SYS_utimensat:
    case SYS_execveat: case SYS_inotify_add_watch: case SYS_mknodat: case SYS_name_to_handle_at:
        return 2;
#ifdef SYS_renameat
    case SYS_renameat:
#endif
    case SYS_renameat2: case SYS_linkat:
        return 2 | 8;
    case SYS_symlinkat:
        return 1 | 4;
    default:
        return 0;
    }
}

OBJFS_EXPORT long syscall(long number, ...) {
    long values[6];
    va_list list;
    va_start(list, number);
    // A call with fewer arguments leaves the rest undefined, and the kernel looks at none of them.
    for (int index = 0; index < 6; index++) values[index] = va_arg(list, long);
    va_end(list);
    unsigned paths = paths_of(number);
    char buffers[2][PATH_MAX];
    int used = 0;
    for (int index = 0; index < 6 && paths >> index; index++) {
        if (!(paths >> index & 1) || used == 2) continue;
        const char *place;
        if (!objfs_translate((const char *)values[index], buffers[used++], &place)) return -1;
        values[index] = (long)place;
    }
    return OBJFS_CALL(syscall)(number, values[0], values[1], values[2], values[3], values[4], values[5]);
}
