// Every function of libc that takes a path, on an object: prints the name of each that fails, and "done".
// usage: calls URL, of a bucket that holds a file `k` of the six bytes "hello\n" and a file `d/x.txt`
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <linux/openat2.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

static int failures;
#define CHECK(holds) ((holds) ? (void)0 : (void)(failures++, printf("failed: %s (%s)\n", #holds, strerror(errno))))

static char names[64][PATH_MAX];
static const char *bucket;

// The URL of a key; the last 64 stay.
static char *url(const char *key) {
    static int next;
    char *name = names[next++ % 64];
    snprintf(name, PATH_MAX, "%s/%s", bucket, key);
    return name;
}

static int is_closed(int descriptor) { return descriptor >= 0 && close(descriptor) == 0; }

// Flags that the compiler does not know, so that it takes the fortified forms.
static volatile int reading = O_RDONLY;

static void opening(void) {
    CHECK(is_closed(open(url("k"), reading)));
    CHECK(is_closed(open64(url("k"), reading)));
    CHECK(is_closed(openat(AT_FDCWD, url("k"), reading)));
    CHECK(is_closed(openat64(AT_FDCWD, url("k"), reading)));
    CHECK(is_closed(open(url("made"), O_WRONLY | O_CREAT | O_EXCL, 0640)));
    struct stat made;
    CHECK(stat(url("made"), &made) == 0 && (made.st_mode & 0777) == 0640);
    CHECK(is_closed(creat(url("made"), 0600)) && is_closed(creat64(url("made"), 0600)));
    struct open_how how = {.flags = O_RDONLY};
    CHECK(is_closed((int)syscall(SYS_openat2, AT_FDCWD, url("k"), &how, sizeof how)));
    CHECK(is_closed((int)syscall(SYS_openat, AT_FDCWD, url("k"), O_RDONLY, 0)));
    FILE *file = fopen(url("k"), "r"), *again = fopen64(url("k"), "r");
    char line[16] = "";
    CHECK(file && fgets(line, sizeof line, file) && strcmp(line, "hello\n") == 0);
    CHECK((file = freopen(url("d/x.txt"), "r", file)) && fgets(line, sizeof line, file) && line[0] == 'x');
    CHECK((again = freopen64(url("d/x.txt"), "r", again)));
    if (file) fclose(file);
    if (again) fclose(again);
    int queue = inotify_init();
    CHECK(inotify_add_watch(queue, bucket, IN_CREATE) >= 0);
    close(queue);
}

static int visited;
static int visit(const char *path, const struct stat *status, int kind) {
    visited += kind == FTW_F && status->st_size > 0 && access(path, F_OK) == 0;
    return 0;
}
static int visit64(const char *path, const struct stat64 *status, int kind) {
    visited += kind == FTW_F && status->st_size > 0 && access(path, F_OK) == 0;
    return 0;
}
static int nvisit(const char *path, const struct stat *status, int kind, struct FTW *place) {
    return place->level >= 0 ? visit(path, status, kind) : 1;
}
static int nvisit64(const char *path, const struct stat64 *status, int kind, struct FTW *place) {
    return place->level >= 0 ? visit64(path, status, kind) : 1;
}

static void folders(void) {
    DIR *folder = opendir(url("d"));
    int found = 0;
    for (struct dirent *entry; folder && (entry = readdir(folder));) found += strcmp(entry->d_name, "x.txt") == 0;
    CHECK(folder && found == 1 && closedir(folder) == 0);
    folder = fdopendir(open(url("d"), O_RDONLY | O_DIRECTORY));
    CHECK(folder && readdir(folder) && closedir(folder) == 0);
    struct dirent **list;
    struct dirent64 **list64;
    CHECK(scandir(url("d"), &list, NULL, alphasort) == 3);
    CHECK(scandir64(url("d"), &list64, NULL, alphasort64) == 3);
    CHECK(scandirat(AT_FDCWD, url("d"), &list, NULL, alphasort) == 3);
    CHECK(scandirat64(AT_FDCWD, url("d"), &list64, NULL, alphasort64) == 3);
    CHECK((visited = 0, ftw(url("d"), visit, 4) == 0 && visited == 1));
    CHECK((visited = 0, ftw64(url("d"), visit64, 4) == 0 && visited == 1));
    CHECK((visited = 0, nftw(url("d"), nvisit, 4, FTW_PHYS) == 0 && visited == 1));
    CHECK((visited = 0, nftw64(url("d"), nvisit64, 4, FTW_PHYS) == 0 && visited == 1));
    char *roots[] = {url("d"), NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *entry = walk ? fts_read(walk) : NULL;
    CHECK(entry && entry->fts_info == FTS_D && fts_close(walk) == 0);
    FTS64 *walk64 = fts64_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT64 *entry64 = walk64 ? fts64_read(walk64) : NULL;
    CHECK(entry64 && entry64->fts_info == FTS_D && fts64_close(walk64) == 0);
    glob_t names;
    CHECK(glob(url("d/*.txt"), 0, NULL, &names) == 0 && strcmp(names.gl_pathv[0], url("d/x.txt")) == 0);
    glob64_t names64;
    CHECK(glob64(url("*/x.*"), 0, NULL, &names64) == 0 && strcmp(names64.gl_pathv[0], url("d/x.txt")) == 0);
    CHECK(glob(url("none*"), 0, NULL, &names) == GLOB_NOMATCH);
}

int __xstat(int, const char *, struct stat *), __lxstat(int, const char *, struct stat *);
int __xstat64(int, const char *, struct stat64 *), __lxstat64(int, const char *, struct stat64 *);
int __fxstatat(int, int, const char *, struct stat *, int), __fxstatat64(int, int, const char *, struct stat64 *, int);
int __xmknod(int, const char *, mode_t, dev_t *), __xmknodat(int, int, const char *, mode_t, dev_t *);

static void describing(void) {
    struct stat status;
    struct stat64 status64;
    struct statx more;
    CHECK(stat(url("k"), &status) == 0 && status.st_size == 6);
    CHECK(stat64(url("k"), &status64) == 0 && status64.st_size == 6);
    CHECK(lstat(url("k"), &status) == 0 && lstat64(url("k"), &status64) == 0);
    CHECK(fstatat(AT_FDCWD, url("k"), &status, 0) == 0 && fstatat64(AT_FDCWD, url("k"), &status64, 0) == 0);
    CHECK(statx(AT_FDCWD, url("k"), 0, STATX_ALL, &more) == 0 && more.stx_size == 6);
    CHECK(syscall(SYS_statx, AT_FDCWD, url("k"), 0, STATX_ALL, &more) == 0);
    CHECK(__xstat(1, url("k"), &status) == 0 && __xstat64(1, url("k"), &status64) == 0);
    CHECK(__lxstat(1, url("k"), &status) == 0 && __lxstat64(1, url("k"), &status64) == 0);
    CHECK(__fxstatat(1, AT_FDCWD, url("k"), &status, 0) == 0);
    CHECK(__fxstatat64(1, AT_FDCWD, url("k"), &status64, 0) == 0 && status64.st_size == 6);
    CHECK(stat(url("none"), &status) == -1 && errno == ENOENT);
    CHECK(access(url("k"), R_OK) == 0 && faccessat(AT_FDCWD, url("k"), R_OK, 0) == 0);
    CHECK(eaccess(url("k"), R_OK) == 0 && euidaccess(url("k"), R_OK) == 0);
    CHECK(syscall(SYS_faccessat2, AT_FDCWD, url("k"), R_OK, 0) == 0);
    struct statfs place;
    struct statfs64 place64;
    struct statvfs volume;
    struct statvfs64 volume64;
    CHECK(statfs(bucket, &place) == 0 && statfs64(bucket, &place64) == 0);
    CHECK(statvfs(bucket, &volume) == 0 && statvfs64(bucket, &volume64) == 0);
    CHECK(pathconf(bucket, _PC_NAME_MAX) > 0);
}

static void changing(void) {
    struct stat status;
    char *made = url("made");
    CHECK(truncate(made, 10) == 0 && truncate64(made, 20) == 0 && stat(made, &status) == 0 && status.st_size == 20);
    CHECK(chmod(made, 0604) == 0 && stat(made, &status) == 0 && (status.st_mode & 0777) == 0604);
    CHECK(fchmodat(AT_FDCWD, made, 0640, 0) == 0 && (lchmod(made, 0640) == 0 || errno == EOPNOTSUPP));
    CHECK(chown(made, getuid(), getgid()) == 0 && lchown(made, getuid(), getgid()) == 0);
    CHECK(fchownat(AT_FDCWD, made, getuid(), getgid(), 0) == 0);
    struct utimbuf time = {1, 2};
    struct timeval times[2] = {{3, 0}, {4, 0}};
    struct timespec precise[2] = {{5, 0}, {6, 7}};
    CHECK(utime(made, &time) == 0 && stat(made, &status) == 0 && status.st_mtime == 2);
    CHECK(utimes(made, times) == 0 && stat(made, &status) == 0 && status.st_mtime == 4);
    CHECK(futimesat(AT_FDCWD, made, times) == 0 && lutimes(made, times) == 0);
    CHECK(utimensat(AT_FDCWD, made, precise, 0) == 0 && stat(made, &status) == 0 && status.st_mtim.tv_nsec == 7);
    char value[8];
    CHECK(setxattr(made, "user.a", "1", 1, 0) == 0 && lsetxattr(made, "user.b", "2", 1, 0) == 0);
    CHECK(getxattr(made, "user.a", value, sizeof value) == 1 && lgetxattr(made, "user.b", value, sizeof value) == 1);
    CHECK(listxattr(made, NULL, 0) >= 14 && llistxattr(made, NULL, 0) >= 14);
    CHECK(removexattr(made, "user.a") == 0 && lremovexattr(made, "user.b") == 0);
}

static void naming(void) {
    char *made = url("made"), *moved = url("moved");
    CHECK(rename(made, moved) == 0 && renameat(AT_FDCWD, moved, AT_FDCWD, made) == 0);
    CHECK(renameat2(AT_FDCWD, made, AT_FDCWD, moved, RENAME_NOREPLACE) == 0);
    CHECK(syscall(SYS_renameat2, AT_FDCWD, moved, AT_FDCWD, made, 0) == 0);
    // Objects have one name: a mount says so.
    CHECK(link(made, moved) == 0 || errno == EPERM);
    unlink(moved);
    CHECK(linkat(AT_FDCWD, made, AT_FDCWD, moved, 0) == 0 || errno == EPERM);
    unlink(moved);
    char target[PATH_MAX] = "";
    CHECK(symlink(url("k"), moved) == 0 && readlink(moved, target, sizeof target) > 6);
    CHECK(strncmp(target, "/s3:/", 5) == 0 && access(target, F_OK) == 0);
    CHECK(unlinkat(AT_FDCWD, moved, 0) == 0 && symlinkat("k", AT_FDCWD, moved) == 0);
    memset(target, 0, sizeof target);
    CHECK(readlinkat(AT_FDCWD, moved, target, sizeof target) == 1 && target[0] == 'k');
    CHECK(unlink(moved) == 0 && remove(made) == 0);
    CHECK(mkdir(made, 0755) == 0 && rmdir(made) == 0 && mkdirat(AT_FDCWD, made, 0755) == 0);
    CHECK(unlinkat(AT_FDCWD, made, AT_REMOVEDIR) == 0);
    dev_t none = 0;
    CHECK(mkfifo(made, 0600) == 0 && unlink(made) == 0);
    CHECK(mkfifoat(AT_FDCWD, made, 0600) == 0 && unlink(made) == 0);
    CHECK(mknod(made, S_IFIFO | 0600, 0) == 0 && unlink(made) == 0);
    CHECK(mknodat(AT_FDCWD, made, S_IFIFO | 0600, 0) == 0 && unlink(made) == 0);
    CHECK(__xmknod(0, made, S_IFIFO | 0600, &none) == 0 && unlink(made) == 0);
    CHECK(__xmknodat(0, AT_FDCWD, made, S_IFIFO | 0600, &none) == 0 && unlink(made) == 0);
}

// Whether a template was filled in, the file is there, and can go.
static int is_made(int descriptor, const char *template) {
    return is_closed(descriptor) && !strstr(template, "XXXXXX") && unlink(template) == 0;
}

static void unique(void) {
    char *name;
    CHECK(is_made(mkstemp(name = url("tXXXXXX")), name));
    CHECK(is_made(mkstemp64(name = url("tXXXXXX")), name));
    CHECK(is_made(mkostemp(name = url("tXXXXXX"), O_APPEND), name));
    CHECK(is_made(mkostemp64(name = url("tXXXXXX"), O_APPEND), name));
    CHECK(is_made(mkstemps(name = url("tXXXXXX.c"), 2), name));
    CHECK(is_made(mkstemps64(name = url("tXXXXXX.c"), 2), name));
    CHECK(is_made(mkostemps(name = url("tXXXXXX.c"), 2, 0), name));
    CHECK(is_made(mkostemps64(name = url("tXXXXXX.c"), 2, 0), name));
    CHECK(mkdtemp(name = url("tXXXXXX")) == name && rmdir(name) == 0);
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    CHECK(mktemp(name = url("tXXXXXX")) == name && !strstr(name, "XXXXXX"));
}

static volatile size_t wide = PATH_MAX;

static void answering(void) {
    char path[PATH_MAX], other[PATH_MAX], *found;
    CHECK(realpath(url("d/../k"), path) && strncmp(path, "/s3:/", 5) == 0 && access(path, F_OK) == 0);
    CHECK((found = canonicalize_file_name(url("k"))) && strcmp(found, path) == 0);
    CHECK(chdir(url("d")) == 0 && access("x.txt", F_OK) == 0);
    CHECK(getcwd(path, wide) && strncmp(path, "/s3:/", 5) == 0 && access(path, F_OK) == 0);
    CHECK((found = get_current_dir_name()) && strcmp(found, path) == 0);
    CHECK(getwd(other) && strcmp(other, path) == 0);
    CHECK(chdir("/") == 0 && chdir(path) == 0 && access("x.txt", F_OK) == 0 && chdir("..") == 0);
    CHECK(getcwd(other, wide) && strlen(other) == strlen(path) - 2 && access("k", F_OK) == 0);
    memset(other, 0, sizeof other);
    CHECK(symlink(url("k"), url("l")) == 0 && readlink(url("l"), other, wide) > 0 && other[0] == '/');
    CHECK(readlinkat(AT_FDCWD, url("l"), other, wide) > 0 && unlink(url("l")) == 0);
    CHECK(chdir("/") == 0);
}

// The status with which a child ended.
static int ended(pid_t child) {
    int status;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define STARTED(call) (child = fork(), child == 0 ? (call, _exit(99), 0) : ended(child))

// The script of the bucket ends with 7 if it got these.
static char *words[] = {"run", "a  b", "s3://x/y", "", NULL}, *variables[] = {"NAME=a  b", "PATH=/usr/bin:/bin", NULL};

static void starting(void) {
    FILE *file = fopen(url("run"), "w");
    fputs("#!/bin/sh\n[ \"$1\" = 'a  b' ] && [ \"$2\" = s3://x/y ] && [ $# = 3 ] && [ \"$NAME\" = 'a  b' ] && exit 7\n", file);
    CHECK(fclose(file) == 0 && chmod(url("run"), 0755) == 0);
    setenv("NAME", "a  b", 1);
    char *run = url("run");
    pid_t child;
    CHECK(STARTED(execve(run, words, variables)) == 7);
    CHECK(STARTED(execv(run, words)) == 7);
    CHECK(STARTED(execvp(run, words)) == 7);
    CHECK(STARTED(execvpe(run, words, variables)) == 7);
    CHECK(STARTED(execl(run, words[0], words[1], words[2], words[3], (char *)NULL)) == 7);
    CHECK(STARTED(execlp(run, words[0], words[1], words[2], words[3], (char *)NULL)) == 7);
    CHECK(STARTED(execle(run, words[0], words[1], words[2], words[3], (char *)NULL, variables)) == 7);
    CHECK(STARTED(execveat(AT_FDCWD, run, words, variables, 0)) == 7);
    CHECK(posix_spawn(&child, run, NULL, NULL, words, variables) == 0 && ended(child) == 7);
    CHECK(posix_spawnp(&child, run, NULL, NULL, words, variables) == 0 && ended(child) == 7);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    CHECK(posix_spawn_file_actions_addchdir_np(&actions, url("d")) == 0);
    CHECK(posix_spawn_file_actions_addopen(&actions, 0, url("k"), O_RDONLY, 0) == 0);
    char *compare[] = {"sh", "-c", "[ -e x.txt ] && [ \"$(cat)\" = hello ] && exit 7", NULL};
    CHECK(posix_spawnp(&child, "sh", &actions, NULL, compare, environ) == 0 && ended(child) == 7);
    CHECK(posix_spawn(&child, url("none"), NULL, NULL, words, variables) == ENOENT);
    CHECK(WEXITSTATUS(system(url("run 'a  b' s3://x/y ''"))) == 7);
    file = popen("cat \"$URL\"/k", "r");
    char line[16] = "";
    CHECK(file && fgets(line, sizeof line, file) && strcmp(line, "hello\n") == 0 && pclose(file) == 0);
    CHECK(unlink(run) == 0);
}

int main(int count, char *arguments[]) {
    if (count != 2) return 2;
    bucket = arguments[1];
    setenv("URL", bucket, 1);
    opening();
    folders();
    describing();
    changing();
    naming();
    unique();
    answering();
    starting();
    puts("done");
    return failures > 0;
}
