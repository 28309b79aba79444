// What Linux offers and Swift's importer does not see: constants behind _GNU_SOURCE, and variadic calls.
#ifndef CLINUX_H
#define CLINUX_H

#include <pthread.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/xattr.h>

// pthread_setname_np(3), which needs _GNU_SOURCE; the name has 15 bytes at most.
int clinux_thread_set_name(pthread_t thread, const char *name);

// openat2(2) with RESOLVE_BENEATH: opens a path without ever leaving the folder `directory`, by links or otherwise.
// Returns a descriptor, or -1 with errno; EXDEV says that the path would have left the folder.
int clinux_open_beneath(int directory, const char *path, int flags, unsigned mode);

// renameat2(2) with RENAME_NOREPLACE.
int clinux_rename_if_absent(int directory, const char *from, int to_directory, const char *to);

// posix_spawn_file_actions_addclosefrom_np(3).
int clinux_spawn_close_from(posix_spawn_file_actions_t *actions, int from);

// posix_spawn_file_actions_addchdir_np(3).
int clinux_spawn_change_folder(posix_spawn_file_actions_t *actions, const char *path);

// The flags of posix_spawnattr_setflags(3) for a new process group, or a new session, and fresh signals.
short clinux_spawn_flags(int new_group, int new_session);

// The meaning of a status from wait4(2): the exit status, or 256 and more for 256 plus the signal.
int clinux_wait_meaning(int status);

// mallopt(3): few arenas, and large pieces mapped by themselves for good, so that freed memory goes back to the system.
void clinux_return_memory(void);

// memfd_create(2): a file in memory that has no name here, is closed in started programs, and can be sealed.
int clinux_memory_file(const char *name);

// fcntl(2) with F_ADD_SEALS: nobody writes, shortens or lengthens a file in memory any more. Returns 0, or -1 with errno.
int clinux_seal_file(int descriptor);

// splice(2): moves bytes of a file, from `*offset` on, which it moves too, into a pipe, without waiting for room.
ssize_t clinux_splice(int from, long *offset, int to, size_t count);

// fcntl(2) with F_SETPIPE_SZ; a pipe that may not grow stays as it is.
void clinux_enlarge_pipe(int descriptor, int size);

// ioctl(2) with TIOCGWINSZ: how many characters a line of a terminal has; 80 if that is not known.
int clinux_terminal_width(int descriptor);

// copy_file_range(2): copies inside the kernel, from `*offset` on, which it moves, to where `to` stands.
ssize_t clinux_copy_range(int from, long *offset, int to, size_t count);

// fallocate(2) with FALLOC_FL_PUNCH_HOLE: gives the disk back what a stretch of a file takes; it then reads as zeros.
int clinux_punch_hole(int descriptor, long offset, long count);

// dup3(2) with O_CLOEXEC: lets `to` stand for what `from` does. Returns `to`, or -1 with errno.
int clinux_replace(int from, int to);

// pidfd_open(2): a descriptor that is readable when the process has ended, or -1 with errno.
int clinux_open_process(int pid);

// unshare(2) and mount(2): shows the folder `from` at the folder `to` as well, to this process and what it starts only.
// Who is not root becomes the only user of a namespace of its own. Returns 0, or -1 with errno.
int clinux_private_mount(const char *from, const char *to);

#endif
