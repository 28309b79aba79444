// Opening files and folders by their names.
#define _GNU_SOURCE
#include "ObjfsPreload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

OBJFS_NEXT(int, open, const char *, int, ...);
OBJFS_NEXT(int, open64, const char *, int, ...);
OBJFS_NEXT(int, openat, int, const char *, int, ...);
OBJFS_NEXT(int, openat64, int, const char *, int, ...);
OBJFS_NEXT(int, __open_2, const char *, int);
OBJFS_NEXT(int, __open64_2, const char *, int);
OBJFS_NEXT(int, __openat_2, int, const char *, int);
OBJFS_NEXT(int, __openat64_2, int, const char *, int);
OBJFS_NEXT(int, creat, const char *, mode_t);
OBJFS_NEXT(int, creat64, const char *, mode_t);
OBJFS_NEXT(FILE *, fopen, const char *, const char *);
OBJFS_NEXT(FILE *, fopen64, const char *, const char *);
OBJFS_NEXT(FILE *, freopen, const char *, const char *, FILE *);
OBJFS_NEXT(FILE *, freopen64, const char *, const char *, FILE *);
OBJFS_NEXT(DIR *, opendir, const char *);
OBJFS_NEXT(int, inotify_add_watch, int, const char *, uint32_t);

// The mode, which is there only if a file may be made.
#define READ_MODE(flags)                                                                                               \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & O_CREAT || ((flags) & O_TMPFILE) == O_TMPFILE) {                                                     \
        va_list list;                                                                                                  \
        va_start(list, flags);                                                                                         \
        mode = (mode_t)va_arg(list, unsigned);                                                                         \
        va_end(list);                                                                                                  \
    }

OBJFS_EXPORT int open(const char *path, int flags, ...) {
    READ_MODE(flags)
    OBJFS_PATH(place, path, -1);
    return OBJFS_CALL(open)(place, flags, mode);
}

OBJFS_EXPORT int open64(const char *path, int flags, ...) {
    READ_MODE(flags)
    OBJFS_PATH(place, path, -1);
    return OBJFS_CALL(open64)(place, flags, mode);
}

OBJFS_EXPORT int openat(int folder, const char *path, int flags, ...) {
    READ_MODE(flags)
    OBJFS_PATH(place, path, -1);
    return OBJFS_CALL(openat)(folder, place, flags, mode);
}

OBJFS_EXPORT int openat64(int folder, const char *path, int flags, ...) {
    READ_MODE(flags)
    OBJFS_PATH(place, path, -1);
    return OBJFS_CALL(openat64)(folder, place, flags, mode);
}

OBJFS_WRAP(int, -1, __open_2, (const char *path, int flags), path, (place, flags))
OBJFS_WRAP(int, -1, __open64_2, (const char *path, int flags), path, (place, flags))
OBJFS_WRAP(int, -1, __openat_2, (int folder, const char *path, int flags), path, (folder, place, flags))
OBJFS_WRAP(int, -1, __openat64_2, (int folder, const char *path, int flags), path, (folder, place, flags))
OBJFS_WRAP(int, -1, creat, (const char *path, mode_t mode), path, (place, mode))
OBJFS_WRAP(int, -1, creat64, (const char *path, mode_t mode), path, (place, mode))
OBJFS_WRAP(FILE *, NULL, fopen, (const char *path, const char *how), path, (place, how))
OBJFS_WRAP(FILE *, NULL, fopen64, (const char *path, const char *how), path, (place, how))
OBJFS_WRAP(FILE *, NULL, freopen, (const char *path, const char *how, FILE *file), path, (place, how, file))
OBJFS_WRAP(FILE *, NULL, freopen64, (const char *path, const char *how, FILE *file), path, (place, how, file))
OBJFS_WRAP(DIR *, NULL, opendir, (const char *path), path, (place))
OBJFS_WRAP(int, -1, inotify_add_watch, (int queue, const char *path, uint32_t mask), path, (queue, place, mask))

// MARK: Whole folders and patterns, which libc walks without leaving itself

typedef int (*filter)(const struct dirent *);
typedef int (*order)(const struct dirent **, const struct dirent **);
typedef int (*filter64)(const struct dirent64 *);
typedef int (*order64)(const struct dirent64 **, const struct dirent64 **);
typedef int (*fts_order)(const FTSENT **, const FTSENT **);
typedef int (*fts_order64)(const FTSENT64 **, const FTSENT64 **);

OBJFS_NEXT(int, scandir, const char *, struct dirent ***, filter, order);
OBJFS_NEXT(int, scandir64, const char *, struct dirent64 ***, filter64, order64);
OBJFS_NEXT(int, scandirat, int, const char *, struct dirent ***, filter, order);
OBJFS_NEXT(int, scandirat64, int, const char *, struct dirent64 ***, filter64, order64);
OBJFS_NEXT(int, ftw, const char *, __ftw_func_t, int);
OBJFS_NEXT(int, ftw64, const char *, __ftw64_func_t, int);
OBJFS_NEXT(int, nftw, const char *, __nftw_func_t, int, int);
OBJFS_NEXT(int, nftw64, const char *, __nftw64_func_t, int, int);
OBJFS_NEXT(int, glob, const char *, int, int (*)(const char *, int), glob_t *);
OBJFS_NEXT(int, glob64, const char *, int, int (*)(const char *, int), glob64_t *);
OBJFS_NEXT(FTS *, fts_open, char *const *, int, fts_order);
OBJFS_NEXT(FTS64 *, fts64_open, char *const *, int, fts_order64);

OBJFS_WRAP(int, -1, scandir, (const char *path, struct dirent ***list, filter only, order sorted), path,
           (place, list, only, sorted))
OBJFS_WRAP(int, -1, scandir64, (const char *path, struct dirent64 ***list, filter64 only, order64 sorted), path,
           (place, list, only, sorted))
OBJFS_WRAP(int, -1, scandirat, (int folder, const char *path, struct dirent ***list, filter only, order sorted), path,
           (folder, place, list, only, sorted))
OBJFS_WRAP(int, -1, scandirat64, (int folder, const char *path, struct dirent64 ***list, filter64 only, order64 sorted),
           path, (folder, place, list, only, sorted))
OBJFS_WRAP(int, -1, ftw, (const char *path, __ftw_func_t visit, int files), path, (place, visit, files))
OBJFS_WRAP(int, -1, ftw64, (const char *path, __ftw64_func_t visit, int files), path, (place, visit, files))
OBJFS_WRAP(int, -1, nftw, (const char *path, __nftw_func_t visit, int files, int flags), path,
           (place, visit, files, flags))
OBJFS_WRAP(int, -1, nftw64, (const char *path, __nftw64_func_t visit, int files, int flags), path,
           (place, visit, files, flags))

OBJFS_EXPORT int glob(const char *pattern, int flags, int (*failed)(const char *, int), glob_t *found) {
    OBJFS_PATH(place, pattern, GLOB_NOMATCH);
    int status = OBJFS_CALL(glob)(place, flags, failed, found);
    if (place == place_buffer && status == 0)
        for (size_t index = 0; index < found->gl_pathc; index++) {
            char *path = found->gl_pathv[index + (flags & GLOB_DOOFFS ? found->gl_offs : 0)];
            if (path) objfs_url(path);
        }
    return status;
}

OBJFS_EXPORT int glob64(const char *pattern, int flags, int (*failed)(const char *, int), glob64_t *found) {
    OBJFS_PATH(place, pattern, GLOB_NOMATCH);
    int status = OBJFS_CALL(glob64)(place, flags, failed, found);
    if (place == place_buffer && status == 0)
        for (size_t index = 0; index < found->gl_pathc; index++) {
            char *path = found->gl_pathv[index + (flags & GLOB_DOOFFS ? found->gl_offs : 0)];
            if (path) objfs_url(path);
        }
    return status;
}

// At most so many roots of one walk are looked at; a program gives one or two.
enum { WALK_ROOTS = 64 };

#define WRAP_WALK(result, name, order)                                                                                 \
    OBJFS_EXPORT result *name(char *const *paths, int options, order sorted) {                                         \
        size_t count = 0;                                                                                              \
        while (paths[count]) count++;                                                                                  \
        if (count > WALK_ROOTS) return OBJFS_CALL(name)(paths, options, sorted);                                       \
        char buffers[count ? count : 1][PATH_MAX];                                                                     \
        char *places[WALK_ROOTS + 1];                                                                                  \
        for (size_t index = 0; index < count; index++) {                                                               \
            const char *place;                                                                                         \
            if (!objfs_translate(paths[index], buffers[index], &place)) return NULL;                                   \
            places[index] = (char *)place;                                                                             \
        }                                                                                                              \
        places[count] = NULL;                                                                                          \
        return OBJFS_CALL(name)(places, options, sorted);                                                              \
    }

WRAP_WALK(FTS, fts_open, fts_order)
WRAP_WALK(FTS64, fts64_open, fts_order64)

// MARK: Files with names of their own

OBJFS_NEXT(int, mkostemps, char *, int, int);
OBJFS_NEXT(char *, mkdtemp, char *);
OBJFS_NEXT(char *, mktemp, char *);

// Puts the six letters that were chosen into the program's own template.
static void take_letters(char *template, const char *made, size_t suffix) {
    size_t length = strlen(template), made_length = strlen(made);
    if (length < suffix + 6 || made_length < suffix + 6) return;
    memcpy(template + length - suffix - 6, made + made_length - suffix - 6, 6);
}

OBJFS_EXPORT int mkostemps(char *template, int suffix, int flags) {
    OBJFS_PATH(place, template, -1);
    if (place == template) return OBJFS_CALL(mkostemps)(template, suffix, flags);
    int descriptor = OBJFS_CALL(mkostemps)((char *)place, suffix, flags);
    if (descriptor >= 0) take_letters(template, place, (size_t)suffix);
    return descriptor;
}

OBJFS_EXPORT int mkostemps64(char *template, int suffix, int flags) { return mkostemps(template, suffix, flags); }
OBJFS_EXPORT int mkstemps(char *template, int suffix) { return mkostemps(template, suffix, 0); }
OBJFS_EXPORT int mkstemps64(char *template, int suffix) { return mkostemps(template, suffix, 0); }
OBJFS_EXPORT int mkostemp(char *template, int flags) { return mkostemps(template, 0, flags); }
OBJFS_EXPORT int mkostemp64(char *template, int flags) { return mkostemps(template, 0, flags); }
OBJFS_EXPORT int mkstemp(char *template) { return mkostemps(template, 0, 0); }
OBJFS_EXPORT int mkstemp64(char *template) { return mkostemps(template, 0, 0); }

OBJFS_EXPORT char *mkdtemp(char *template) {
    OBJFS_PATH(place, template, NULL);
    if (place == template) return OBJFS_CALL(mkdtemp)(template);
    if (!OBJFS_CALL(mkdtemp)((char *)place)) return NULL;
    take_letters(template, place, 0);
    return template;
}

OBJFS_EXPORT char *mktemp(char *template) {
    OBJFS_PATH(place, template, template);
    if (place == template) return OBJFS_CALL(mktemp)(template);
    if (*OBJFS_CALL(mktemp)((char *)place) == '\0')
        *template = '\0';
    else
        take_letters(template, place, 0);
    return template;
}
