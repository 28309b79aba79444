// What Linux offers and Swift's importer does not see: constants behind _GNU_SOURCE, and variadic calls.
#ifndef CLINUX_H
#define CLINUX_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/xattr.h>

// pthread_setname_np(3), which needs _GNU_SOURCE; the name has 15 bytes at most.
int clinux_thread_set_name(pthread_t thread, const char *name);

// openat2(2) with RESOLVE_BENEATH: opens a path without ever leaving the folder `directory`, by links or otherwise.
// Returns a descriptor, or -1 with errno; EXDEV says that the path would have left the folder.
int clinux_open_beneath(int directory, const char *path, int flags, unsigned mode);

// renameat2(2) with RENAME_NOREPLACE.
int clinux_rename_if_absent(int directory, const char *from, int to_directory, const char *to);

#endif
