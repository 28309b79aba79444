#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <malloc.h>
#include <sys/mount.h>
#include <sched.h>
#include <string.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int clinux_thread_set_name(pthread_t thread, const char *name) { return pthread_setname_np(thread, name); }

int clinux_open_beneath(int directory, const char *path, int flags, unsigned mode) {
    struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC),
        .mode = flags & O_CREAT ? mode : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int clinux_rename_if_absent(int directory, const char *from, int to_directory, const char *to) {
    return renameat2(directory, from, to_directory, to, RENAME_NOREPLACE);
}

int clinux_spawn_close_from(posix_spawn_file_actions_t *actions, int from) {
    return posix_spawn_file_actions_addclosefrom_np(actions, from);
}

int clinux_spawn_change_folder(posix_spawn_file_actions_t *actions, const char *path) {
    return posix_spawn_file_actions_addchdir_np(actions, path);
}

short clinux_spawn_flags(int new_group, int new_session) {
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    if (new_group) flags |= POSIX_SPAWN_SETPGROUP;
    if (new_session) flags |= POSIX_SPAWN_SETSID;
    return flags;
}

int clinux_wait_meaning(int status) {
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

void clinux_return_memory(void) {
    mallopt(M_ARENA_MAX, 4);
    // A threshold that is set stays; glibc would otherwise raise it to the largest piece that was ever freed.
    mallopt(M_MMAP_THRESHOLD, 128 << 10);
}

int clinux_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING); }

int clinux_seal_file(int descriptor) {
    return fcntl(descriptor, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

ssize_t clinux_splice(int from, long *offset, int to, size_t count) {
    off64_t position = *offset;
    ssize_t result = splice(from, &position, to, NULL, count, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    *offset = position;
    return result;
}

void clinux_enlarge_pipe(int descriptor, int size) { (void)fcntl(descriptor, F_SETPIPE_SZ, size); }

int clinux_open_process(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int clinux_terminal_width(int descriptor) {
    struct winsize size;
    return ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

ssize_t clinux_copy_range(int from, long *offset, int to, size_t count) {
    off64_t position = *offset;
    ssize_t result = copy_file_range(from, &position, to, NULL, count, 0);
    *offset = position;
    return result;
}

int clinux_punch_hole(int descriptor, long offset, long count) {
    return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, count);
}

int clinux_replace(int from, int to) {
    return dup3(from, to, O_CLOEXEC);
}

// Writes a short text to a file of /proc.
static int put(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t count = write(file, text, strlen(text));
    close(file);
    return count < 0 ? -1 : 0;
}

int clinux_private_mount(const char *from, const char *to) {
    unsigned user = geteuid(), group = getegid();
    if (unshare(user == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) return -1;
    if (user != 0) {
        char line[64];
        if (put("/proc/self/setgroups", "deny") != 0) return -1;
        snprintf(line, sizeof line, "%u %u 1", user, user);
        if (put("/proc/self/uid_map", line) != 0) return -1;
        snprintf(line, sizeof line, "%u %u 1", group, group);
        if (put("/proc/self/gid_map", line) != 0) return -1;
    }
    // What others mount later is still seen here; what is mounted here is seen by nobody else.
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) return -1;
    return mount(from, to, NULL, MS_BIND, NULL);
}
