// What the files of libobjfs-preload.so share: how a path that a program spells becomes one that the kernel knows.
#ifndef OBJFS_PRELOAD_H
#define OBJFS_PRELOAD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define OBJFS_HIDDEN __attribute__((visibility("hidden")))

// The path to use for a path that a program spells: `s3://b/k`, `s3:/b/k` and `DIR/s3:/b/k` become
// `$OBJFS_ROOT/s3/b/k`, `file:///d` becomes `/d`, and all others stay as they are, NULL too.
//
// `buffer` has PATH_MAX bytes, and the result may point into it or into `path`.
// Returns false with errno ENAMETOOLONG, or EACCES if no store could be mounted; errno is kept otherwise.
// It allocates nothing and takes no lock, so that a handler of a signal may open a file.
OBJFS_HIDDEN bool objfs_translate(const char *path, char *buffer, const char **result);

// Makes `$OBJFS_ROOT/s3/b/k` into `/s3:/b/k`, in place: an absolute path that works again when it is used.
//
// Returns the new length; `length` excludes any NUL, and one is put behind a path that became shorter.
OBJFS_HIDDEN size_t objfs_name(char *path, size_t length);

// The same for an element of a list of file names, which becomes `s3://b/k`.
OBJFS_HIDDEN void objfs_url(char *path);

// The next definition of a function in the order of libraries: libc's, or that of another preloaded library.
OBJFS_HIDDEN void *objfs_next(const char *name);

// A function that is looked up when the library is loaded, and not in the middle of a signal or between fork and exec.
struct objfs_function {
    const char *name;
    void **slot;
};

#define OBJFS_JOIN(a, b) a##b

// Defines `next_NAME`, a pointer to the definition that this library's own hides.
#define OBJFS_NEXT(result, name, ...)                                                                                  \
    static result (*OBJFS_JOIN(next_, name))(__VA_ARGS__);                                                             \
    __attribute__((section("objfs_functions"), used)) static const struct objfs_function OBJFS_JOIN(entry_, name) = {  \
        #name, (void **)&OBJFS_JOIN(next_, name)}

// Calls it; a library that is initialised before this one may come when nothing has been looked up yet.
#define OBJFS_CALL(name)                                                                                               \
    (OBJFS_JOIN(next_, name) ? OBJFS_JOIN(next_, name) : (OBJFS_JOIN(next_, name) = objfs_next(#name)))

// Translates `path` into a new variable, or leaves the function with `failure`.
#define OBJFS_PATH(variable, path, failure)                                                                            \
    char OBJFS_JOIN(variable, _buffer)[PATH_MAX];                                                                      \
    const char *variable;                                                                                              \
    if (!objfs_translate(path, OBJFS_JOIN(variable, _buffer), &variable)) return failure

#define OBJFS_EXPORT __attribute__((visibility("default")))

// A function that takes one path, as the first, second or third of its arguments.
#define OBJFS_WRAP(result, failure, name, parameters, path, arguments)                                                 \
    OBJFS_EXPORT result name parameters {                                                                              \
        OBJFS_PATH(place, path, failure);                                                                              \
        return OBJFS_CALL(name) arguments;                                                                             \
    }

#endif
