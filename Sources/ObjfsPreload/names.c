// What a name is, and changing it: attributes, names, folders, links.
#define _GNU_SOURCE
#include "ObjfsPreload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

typedef struct stat status_t;
typedef struct stat64 status64_t;

OBJFS_NEXT(int, stat, const char *, status_t *);
OBJFS_NEXT(int, stat64, const char *, status64_t *);
OBJFS_NEXT(int, lstat, const char *, status_t *);
OBJFS_NEXT(int, lstat64, const char *, status64_t *);
OBJFS_NEXT(int, fstatat, int, const char *, status_t *, int);
OBJFS_NEXT(int, fstatat64, int, const char *, status64_t *, int);
OBJFS_NEXT(int, statx, int, const char *, int, unsigned, struct statx *);

OBJFS_WRAP(int, -1, stat, (const char *path, status_t *status), path, (place, status))
OBJFS_WRAP(int, -1, stat64, (const char *path, status64_t *status), path, (place, status))
OBJFS_WRAP(int, -1, lstat, (const char *path, status_t *status), path, (place, status))
OBJFS_WRAP(int, -1, lstat64, (const char *path, status64_t *status), path, (place, status))
OBJFS_WRAP(int, -1, fstatat, (int folder, const char *path, status_t *status, int flags), path,
           (folder, place, status, flags))
OBJFS_WRAP(int, -1, fstatat64, (int folder, const char *path, status64_t *status, int flags), path,
           (folder, place, status, flags))
OBJFS_WRAP(int, -1, statx, (int folder, const char *path, int flags, unsigned mask, struct statx *status), path,
           (folder, place, flags, mask, status))

// Programs that were built before glibc 2.33 ask by these; the layout they mean is that of today's functions.
OBJFS_EXPORT int __xstat(int version, const char *path, status_t *status) {
    (void)version;
    return stat(path, status);
}

OBJFS_EXPORT int __xstat64(int version, const char *path, status64_t *status) {
    (void)version;
    return stat64(path, status);
}

OBJFS_EXPORT int __lxstat(int version, const char *path, status_t *status) {
    (void)version;
    return lstat(path, status);
}

OBJFS_EXPORT int __lxstat64(int version, const char *path, status64_t *status) {
    (void)version;
    return lstat64(path, status);
}

OBJFS_EXPORT int __fxstatat(int version, int folder, const char *path, status_t *status, int flags) {
    (void)version;
    return fstatat(folder, path, status, flags);
}

OBJFS_EXPORT int __fxstatat64(int version, int folder, const char *path, status64_t *status, int flags) {
    (void)version;
    return fstatat64(folder, path, status, flags);
}

// MARK: What may be done with it, and what it stands on

OBJFS_NEXT(int, access, const char *, int);
OBJFS_NEXT(int, faccessat, int, const char *, int, int);
OBJFS_NEXT(int, eaccess, const char *, int);
OBJFS_NEXT(int, euidaccess, const char *, int);
OBJFS_NEXT(int, statfs, const char *, struct statfs *);
OBJFS_NEXT(int, statfs64, const char *, struct statfs64 *);
OBJFS_NEXT(int, statvfs, const char *, struct statvfs *);
OBJFS_NEXT(int, statvfs64, const char *, struct statvfs64 *);
OBJFS_NEXT(long, pathconf, const char *, int);

OBJFS_WRAP(int, -1, access, (const char *path, int mode), path, (place, mode))
OBJFS_WRAP(int, -1, faccessat, (int folder, const char *path, int mode, int flags), path, (folder, place, mode, flags))
OBJFS_WRAP(int, -1, eaccess, (const char *path, int mode), path, (place, mode))
OBJFS_WRAP(int, -1, euidaccess, (const char *path, int mode), path, (place, mode))
OBJFS_WRAP(int, -1, statfs, (const char *path, struct statfs *status), path, (place, status))
OBJFS_WRAP(int, -1, statfs64, (const char *path, struct statfs64 *status), path, (place, status))
OBJFS_WRAP(int, -1, statvfs, (const char *path, struct statvfs *status), path, (place, status))
OBJFS_WRAP(int, -1, statvfs64, (const char *path, struct statvfs64 *status), path, (place, status))
OBJFS_WRAP(long, -1, pathconf, (const char *path, int name), path, (place, name))

struct file_handle;
OBJFS_NEXT(int, name_to_handle_at, int, const char *, struct file_handle *, int *, int);
OBJFS_WRAP(int, -1, name_to_handle_at,
           (int folder, const char *path, struct file_handle *handle, int *mount, int flags), path,
           (folder, place, handle, mount, flags))

// MARK: Changing what it is

OBJFS_NEXT(int, truncate, const char *, off_t);
OBJFS_NEXT(int, truncate64, const char *, off64_t);
OBJFS_NEXT(int, chmod, const char *, mode_t);
OBJFS_NEXT(int, lchmod, const char *, mode_t);
OBJFS_NEXT(int, fchmodat, int, const char *, mode_t, int);
OBJFS_NEXT(int, chown, const char *, uid_t, gid_t);
OBJFS_NEXT(int, lchown, const char *, uid_t, gid_t);
OBJFS_NEXT(int, fchownat, int, const char *, uid_t, gid_t, int);
OBJFS_NEXT(int, utime, const char *, const struct utimbuf *);
OBJFS_NEXT(int, utimes, const char *, const struct timeval *);
OBJFS_NEXT(int, lutimes, const char *, const struct timeval *);
OBJFS_NEXT(int, futimesat, int, const char *, const struct timeval *);
OBJFS_NEXT(int, utimensat, int, const char *, const struct timespec *, int);

OBJFS_WRAP(int, -1, truncate, (const char *path, off_t length), path, (place, length))
OBJFS_WRAP(int, -1, truncate64, (const char *path, off64_t length), path, (place, length))
OBJFS_WRAP(int, -1, chmod, (const char *path, mode_t mode), path, (place, mode))
OBJFS_WRAP(int, -1, lchmod, (const char *path, mode_t mode), path, (place, mode))
OBJFS_WRAP(int, -1, fchmodat, (int folder, const char *path, mode_t mode, int flags), path,
           (folder, place, mode, flags))
OBJFS_WRAP(int, -1, chown, (const char *path, uid_t user, gid_t group), path, (place, user, group))
OBJFS_WRAP(int, -1, lchown, (const char *path, uid_t user, gid_t group), path, (place, user, group))
OBJFS_WRAP(int, -1, fchownat, (int folder, const char *path, uid_t user, gid_t group, int flags), path,
           (folder, place, user, group, flags))
OBJFS_WRAP(int, -1, utime, (const char *path, const struct utimbuf *times), path, (place, times))
OBJFS_WRAP(int, -1, utimes, (const char *path, const struct timeval times[2]), path, (place, times))
OBJFS_WRAP(int, -1, lutimes, (const char *path, const struct timeval times[2]), path, (place, times))
OBJFS_WRAP(int, -1, futimesat, (int folder, const char *path, const struct timeval times[2]), path,
           (folder, place, times))
OBJFS_WRAP(int, -1, utimensat, (int folder, const char *path, const struct timespec times[2], int flags), path,
           (folder, place, times, flags))

// MARK: Making and removing names

OBJFS_NEXT(int, unlink, const char *);
OBJFS_NEXT(int, unlinkat, int, const char *, int);
OBJFS_NEXT(int, remove, const char *);
OBJFS_NEXT(int, mkdir, const char *, mode_t);
OBJFS_NEXT(int, mkdirat, int, const char *, mode_t);
OBJFS_NEXT(int, rmdir, const char *);
OBJFS_NEXT(int, mknod, const char *, mode_t, dev_t);
OBJFS_NEXT(int, mknodat, int, const char *, mode_t, dev_t);
OBJFS_NEXT(int, mkfifo, const char *, mode_t);
OBJFS_NEXT(int, mkfifoat, int, const char *, mode_t);

OBJFS_WRAP(int, -1, unlink, (const char *path), path, (place))
OBJFS_WRAP(int, -1, unlinkat, (int folder, const char *path, int flags), path, (folder, place, flags))
OBJFS_WRAP(int, -1, remove, (const char *path), path, (place))
OBJFS_WRAP(int, -1, mkdir, (const char *path, mode_t mode), path, (place, mode))
OBJFS_WRAP(int, -1, mkdirat, (int folder, const char *path, mode_t mode), path, (folder, place, mode))
OBJFS_WRAP(int, -1, rmdir, (const char *path), path, (place))
OBJFS_WRAP(int, -1, mknod, (const char *path, mode_t mode, dev_t device), path, (place, mode, device))
OBJFS_WRAP(int, -1, mknodat, (int folder, const char *path, mode_t mode, dev_t device), path,
           (folder, place, mode, device))
OBJFS_WRAP(int, -1, mkfifo, (const char *path, mode_t mode), path, (place, mode))
OBJFS_WRAP(int, -1, mkfifoat, (int folder, const char *path, mode_t mode), path, (folder, place, mode))

OBJFS_EXPORT int __xmknod(int version, const char *path, mode_t mode, dev_t *device) {
    (void)version;
    return mknod(path, mode, *device);
}

OBJFS_EXPORT int __xmknodat(int version, int folder, const char *path, mode_t mode, dev_t *device) {
    (void)version;
    return mknodat(folder, path, mode, *device);
}

// MARK: Two names

OBJFS_NEXT(int, rename, const char *, const char *);
OBJFS_NEXT(int, renameat, int, const char *, int, const char *);
OBJFS_NEXT(int, renameat2, int, const char *, int, const char *, unsigned);
OBJFS_NEXT(int, link, const char *, const char *);
OBJFS_NEXT(int, linkat, int, const char *, int, const char *, int);
OBJFS_NEXT(int, symlink, const char *, const char *);
OBJFS_NEXT(int, symlinkat, const char *, int, const char *);

#define WRAP_TWO(name, parameters, from, to, arguments)                                                                \
    OBJFS_EXPORT int name parameters {                                                                                 \
        OBJFS_PATH(first, from, -1);                                                                                   \
        OBJFS_PATH(second, to, -1);                                                                                    \
        return OBJFS_CALL(name) arguments;                                                                             \
    }

WRAP_TWO(rename, (const char *from, const char *to), from, to, (first, second))
WRAP_TWO(renameat, (int folder, const char *from, int to_folder, const char *to), from, to,
         (folder, first, to_folder, second))
WRAP_TWO(renameat2, (int folder, const char *from, int to_folder, const char *to, unsigned flags), from, to,
         (folder, first, to_folder, second, flags))
WRAP_TWO(link, (const char *from, const char *to), from, to, (first, second))
WRAP_TWO(linkat, (int folder, const char *from, int to_folder, const char *to, int flags), from, to,
         (folder, first, to_folder, second, flags))
// A link that holds a URL holds the mounted path instead: the kernel follows it, and knows no URLs.
WRAP_TWO(symlink, (const char *target, const char *path), target, path, (first, second))
WRAP_TWO(symlinkat, (const char *target, int folder, const char *path), target, path, (first, folder, second))

// MARK: Extended attributes

OBJFS_NEXT(int, setxattr, const char *, const char *, const void *, size_t, int);
OBJFS_NEXT(int, lsetxattr, const char *, const char *, const void *, size_t, int);
OBJFS_NEXT(ssize_t, getxattr, const char *, const char *, void *, size_t);
OBJFS_NEXT(ssize_t, lgetxattr, const char *, const char *, void *, size_t);
OBJFS_NEXT(ssize_t, listxattr, const char *, char *, size_t);
OBJFS_NEXT(ssize_t, llistxattr, const char *, char *, size_t);
OBJFS_NEXT(int, removexattr, const char *, const char *);
OBJFS_NEXT(int, lremovexattr, const char *, const char *);

OBJFS_WRAP(int, -1, setxattr, (const char *path, const char *name, const void *value, size_t size, int flags), path,
           (place, name, value, size, flags))
OBJFS_WRAP(int, -1, lsetxattr, (const char *path, const char *name, const void *value, size_t size, int flags), path,
           (place, name, value, size, flags))
OBJFS_WRAP(ssize_t, -1, getxattr, (const char *path, const char *name, void *value, size_t size), path,
           (place, name, value, size))
OBJFS_WRAP(ssize_t, -1, lgetxattr, (const char *path, const char *name, void *value, size_t size), path,
           (place, name, value, size))
OBJFS_WRAP(ssize_t, -1, listxattr, (const char *path, char *list, size_t size), path, (place, list, size))
OBJFS_WRAP(ssize_t, -1, llistxattr, (const char *path, char *list, size_t size), path, (place, list, size))
OBJFS_WRAP(int, -1, removexattr, (const char *path, const char *name), path, (place, name))
OBJFS_WRAP(int, -1, lremovexattr, (const char *path, const char *name), path, (place, name))
