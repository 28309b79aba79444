// Which paths are objects, and where those are mounted.
#define _GNU_SOURCE
#include "ObjfsPreload.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// `$OBJFS_ROOT/s3`, as it was when the program started: programs clear their environment.
static char mount_point[PATH_MAX];
static size_t mount_point_length;
// No root: this library was preloaded by hand. An empty root: objfs could mount nothing.
static enum { UNKNOWN, NO_ROOT, EMPTY_ROOT, MOUNTED } state = UNKNOWN;

extern OBJFS_HIDDEN const struct objfs_function __start_objfs_functions[], __stop_objfs_functions[];

static void find_root(void) {
    const char *root = getenv("OBJFS_ROOT");
    size_t length = root ? strlen(root) : 0;
    if (!root) {
        state = NO_ROOT;
    } else if (length == 0 || length > sizeof mount_point - 4) {
        state = EMPTY_ROOT;
    } else {
        memcpy(mount_point, root, length);
        memcpy(mount_point + length, "/s3", 4);
        mount_point_length = length + 3;
        state = MOUNTED;
    }
}

__attribute__((constructor)) static void prepare(void) {
    if (state == UNKNOWN) find_root();
    for (const struct objfs_function *function = __start_objfs_functions; function < __stop_objfs_functions; function++)
        if (!*function->slot) *function->slot = dlsym(RTLD_NEXT, function->name);
}

static long missing(void) {
    errno = ENOSYS;
    return -1;
}

void *objfs_next(const char *name) {
    int before = errno;
    void *function = dlsym(RTLD_NEXT, name);
    errno = before;
    return function ? function : (void *)missing;
}

// Where the key begins: behind the slashes after `s3:`; NULL for a path that is no object's.
//
// A URL counts from its beginning. In any other path the last `s3:` does: a program whose working folder is
// `/s3:/b` makes the URL `s3://c/k` absolute as `/s3:/b/s3:/c/k`.
static const char *after_scheme(const char *path) {
    const char *key = NULL;
    for (const char *found = path; (found = strstr(found, "s3:")); found += 3) {
        if (found != path && found[-1] != '/') continue;
        const char *rest = found + 3;
        if (*rest != '/' && *rest != '\0') continue;
        while (*rest == '/') rest++;
        key = rest;
        if (found == path) break;
    }
    return key;
}

static bool is_mounted_path(const char *path) {
    return state == MOUNTED && strncmp(path, mount_point, mount_point_length) == 0
        && (path[mount_point_length] == '/' || path[mount_point_length] == '\0');
}

// The path behind `file://` and `file://localhost`; NULL for any other.
static const char *after_file(const char *path) {
    if (strncmp(path, "file://", 7) != 0) return NULL;
    path += 7;
    if (strncmp(path, "localhost/", 10) == 0) path += 9;
    return *path == '/' ? path : NULL;
}

bool objfs_translate(const char *path, char *buffer, const char **result) {
    *result = path;
    if (!path) return true;
    if (state == UNKNOWN) find_root();
    const char *local = after_file(path);
    if (local) {
        *result = local;
        return true;
    }
    if (state == NO_ROOT || is_mounted_path(path)) return true;
    const char *key = after_scheme(path);
    if (!key) return true;
    if (state == EMPTY_ROOT) {
        errno = EACCES;
        return false;
    }
    size_t length = strlen(key);
    if (mount_point_length + 1 + length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(buffer, mount_point, mount_point_length);
    if (length > 0) buffer[mount_point_length] = '/';
    memcpy(buffer + mount_point_length + (length > 0), key, length + 1);
    *result = buffer;
    return true;
}

size_t objfs_name(char *path, size_t length) {
    if (state != MOUNTED || length < mount_point_length || memcmp(path, mount_point, mount_point_length) != 0)
        return length;
    if (length > mount_point_length && path[mount_point_length] != '/') return length;
    size_t rest = length - mount_point_length;
    // A root has two bytes or more, so that this never makes a path longer.
    memmove(path + 4, path + mount_point_length, rest);
    memcpy(path, "/s3:", 4);
    if (4 + rest < length) path[4 + rest] = '\0';
    return 4 + rest;
}

void objfs_url(char *path) {
    size_t length = strlen(path);
    if (length < mount_point_length + 1 || !is_mounted_path(path)) return;
    size_t rest = length - mount_point_length - 1;
    memmove(path + 5, path + mount_point_length + 1, rest + 1);
    memcpy(path, "s3://", 5);
}
