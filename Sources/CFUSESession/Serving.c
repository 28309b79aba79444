#define _GNU_SOURCE
#include "Serving.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// The kernel counts requests from 1 on, and never gets this far.
static const uint64_t ANSWERED = UINT64_C(1) << 63;

struct serving {
    _Atomic bool is_taken;
    _Atomic int fd;
    // The thread that waits for the answer, as the daemon sees it; 0 if it can't.
    _Atomic uint32_t waiting;
    // The request, or the one that was answered for the thread that serves it; 0 if there is none.
    _Atomic uint64_t unique;
    // The request for whose waiter a signal came.
    _Atomic uint64_t interrupted;
};

// More threads than these are served as well, but who is killed waits for them.
enum { THREADS = 1024 };
static struct serving all[THREADS];

// Interrupts of late: a request may just have been read, and not be noted as served yet.
enum { LATEST = 16 };
static _Atomic uint64_t latest[LATEST];
static _Atomic uint32_t interrupt_count;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t own;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t interrupts = PTHREAD_COND_INITIALIZER;
static bool is_watched;

static void interrupt_served(uint64_t unique);

static void give_back(void *serving) {
    struct serving *mine = serving;
    atomic_store(&mine->unique, 0);
    atomic_store(&mine->is_taken, false);
}

static void make_key(void) { pthread_key_create(&own, give_back); }

static struct serving *mine(void) {
    pthread_once(&once, make_key);
    struct serving *serving = pthread_getspecific(own);
    for (int i = 0; serving == NULL && i < THREADS; i++) {
        bool is_taken = false;
        if (!atomic_compare_exchange_strong(&all[i].is_taken, &is_taken, true)) continue;
        serving = &all[i];
        pthread_setspecific(own, serving);
    }
    return serving;
}

void serving_begin(int fd, uint64_t unique, uint32_t waiting) {
    struct serving *serving = mine();
    if (serving == NULL) return;
    atomic_store(&serving->unique, 0);
    atomic_store(&serving->fd, fd);
    atomic_store(&serving->waiting, waiting);
    atomic_store(&serving->unique, unique);
    for (int i = 0; i < LATEST; i++)
        if (atomic_load(&latest[i]) == unique) interrupt_served(unique);
}

bool serving_end(uint64_t unique) {
    struct serving *serving = mine();
    if (serving == NULL) return true;
    uint64_t current = unique;
    if (atomic_compare_exchange_strong(&serving->unique, &current, 0)) return true;
    if (current != (unique | ANSWERED)) return true;
    // Until it is sent, the descriptor must not be closed.
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    return false;
}

// A set of signals in the text of /proc/THREAD/status, in which the lowest bit is signal 1.
static uint64_t signals(const char *status, const char *name) {
    const char *line = strstr(status, name);
    return line == NULL ? 0 : strtoull(line + strlen(name), NULL, 16);
}

// Whether a thread is about to end: a signal is pending that ends its process, and that it neither blocks, ignores nor
// handles. Once such a signal is taken, the kernel marks SIGKILL for each thread. Who is traced may never get another.
static bool is_killed(uint32_t thread) {
    static const int harmless[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
    char path[32], text[4096];
    snprintf(path, sizeof path, "/proc/%u/status", thread);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    ssize_t count = read(file, text, sizeof text - 1);
    close(file);
    if (count <= 0) return false;
    text[count] = 0;
    uint64_t pending = signals(text, "\nSigPnd:") | signals(text, "\nShdPnd:");
    if (signals(text, "\nTracerPid:") != 0) pending &= UINT64_C(1) << (SIGKILL - 1);
    pending &= ~(signals(text, "\nSigBlk:") | signals(text, "\nSigIgn:") | signals(text, "\nSigCgt:"));
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) pending &= ~(UINT64_C(1) << (harmless[i] - 1));
    return pending != 0;
}

// Answers the requests of those who were killed; says whether some are left for whose waiters a signal came.
static bool answer_killed(void) {
    bool are_left = false;
    for (int i = 0; i < THREADS; i++) {
        struct serving *serving = &all[i];
        uint64_t unique = atomic_load(&serving->interrupted);
        if (unique == 0 || atomic_load(&serving->unique) != unique) continue;
        uint32_t waiting = atomic_load(&serving->waiting);
        int fd = atomic_load(&serving->fd);
        if (waiting == 0) continue;
        uint64_t current = unique;
        if (!is_killed(waiting)) {
            are_left = true;
        } else if (atomic_compare_exchange_strong(&serving->unique, &current, unique | ANSWERED)) {
            struct fuse_out_header answer = {.len = sizeof answer, .error = -EINTR, .unique = unique};
            // It may be over by now, which is as good.
            while (write(fd, &answer, sizeof answer) < 0 && errno == EAGAIN) {
            }
        }
    }
    return are_left;
}

static void *watch(void *context) {
    (void)context;
    const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    pthread_mutex_lock(&lock);
    while (true) {
        if (!answer_killed()) {
            pthread_cond_wait(&interrupts, &lock);
            continue;
        }
        // A signal that was handled may be followed by one that kills, of which the kernel does not tell.
        pthread_mutex_unlock(&lock);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&lock);
    }
    return NULL;
}

// Starts the one thread that looks after them, which takes no signals; called with the lock held.
static void start_watching(void) {
    if (is_watched) return;
    sigset_t every, old;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &old);
    pthread_t thread;
    is_watched = pthread_create(&thread, NULL, watch, NULL) == 0;
    if (is_watched) pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void interrupt_served(uint64_t unique) {
    for (int i = 0; i < THREADS; i++) {
        if (atomic_load(&all[i].unique) != unique) continue;
        atomic_store(&all[i].interrupted, unique);
        pthread_mutex_lock(&lock);
        start_watching();
        pthread_cond_signal(&interrupts);
        pthread_mutex_unlock(&lock);
        return;
    }
}

void serving_interrupt(uint64_t unique) {
    // Noted before the threads are looked at: who has just read the request looks there when it is noted as theirs.
    atomic_store(&latest[atomic_fetch_add(&interrupt_count, 1) % LATEST], unique);
    interrupt_served(unique);
}
