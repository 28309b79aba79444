// Calls that answer with a path: what they say must work again when it is used.
#define _GNU_SOURCE
#include "ObjfsPreload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

OBJFS_NEXT(char *, realpath, const char *, char *);
OBJFS_NEXT(char *, getcwd, char *, size_t);
OBJFS_NEXT(char *, get_current_dir_name, void);
OBJFS_NEXT(ssize_t, readlink, const char *, char *, size_t);
OBJFS_NEXT(ssize_t, readlinkat, int, const char *, char *, size_t);
OBJFS_NEXT(int, chdir, const char *);
OBJFS_NEXT(int, chroot, const char *);

static char *named(char *path) {
    if (path) objfs_name(path, strlen(path));
    return path;
}

OBJFS_WRAP(int, -1, chdir, (const char *path), path, (place))
OBJFS_WRAP(int, -1, chroot, (const char *path), path, (place))

OBJFS_EXPORT char *realpath(const char *path, char *resolved) {
    OBJFS_PATH(place, path, NULL);
    return named(OBJFS_CALL(realpath)(place, resolved));
}

OBJFS_EXPORT char *__realpath_chk(const char *path, char *resolved, size_t size) {
    if (size < PATH_MAX) abort();
    return realpath(path, resolved);
}

OBJFS_EXPORT char *canonicalize_file_name(const char *path) { return realpath(path, NULL); }

OBJFS_EXPORT char *getcwd(char *buffer, size_t size) { return named(OBJFS_CALL(getcwd)(buffer, size)); }

OBJFS_EXPORT char *__getcwd_chk(char *buffer, size_t size, size_t available) {
    if (size > available) abort();
    return getcwd(buffer, size);
}

OBJFS_EXPORT char *getwd(char *buffer) { return getcwd(buffer, PATH_MAX); }

OBJFS_EXPORT char *__getwd_chk(char *buffer, size_t available) {
    return getcwd(buffer, available < PATH_MAX ? available : PATH_MAX);
}

OBJFS_EXPORT char *get_current_dir_name(void) { return named(OBJFS_CALL(get_current_dir_name)()); }

// Gives as much of a link as the program has room for; the name may fit where the path would not.
static ssize_t give(char *link, ssize_t length, char *buffer, size_t size) {
    if (length < 0) return length;
    size_t count = objfs_name(link, (size_t)length);
    if (count > size) count = size;
    memcpy(buffer, link, count);
    return (ssize_t)count;
}

OBJFS_EXPORT ssize_t readlink(const char *path, char *buffer, size_t size) {
    OBJFS_PATH(place, path, -1);
    char link[PATH_MAX];
    if (size == 0) return OBJFS_CALL(readlink)(place, buffer, size);
    return give(link, OBJFS_CALL(readlink)(place, link, sizeof link), buffer, size);
}

OBJFS_EXPORT ssize_t readlinkat(int folder, const char *path, char *buffer, size_t size) {
    OBJFS_PATH(place, path, -1);
    char link[PATH_MAX];
    if (size == 0) return OBJFS_CALL(readlinkat)(folder, place, buffer, size);
    return give(link, OBJFS_CALL(readlinkat)(folder, place, link, sizeof link), buffer, size);
}

OBJFS_EXPORT ssize_t __readlink_chk(const char *path, char *buffer, size_t size, size_t available) {
    if (size > available) abort();
    return readlink(path, buffer, size);
}

OBJFS_EXPORT ssize_t __readlinkat_chk(int folder, const char *path, char *buffer, size_t size, size_t available) {
    if (size > available) abort();
    return readlinkat(folder, path, buffer, size);
}
