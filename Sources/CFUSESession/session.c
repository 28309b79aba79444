#define _GNU_SOURCE
#define FUSE_USE_VERSION 312
#include "CFUSESession.h"
#include "Serving.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <linux/fuse.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

// The INIT request of the session whose descriptor is the index. A session has one INIT, which comes first.
enum { DESCRIPTORS = 4096 };
static _Atomic uint64_t init_unique[DESCRIPTORS];

static ssize_t io_read(int fd, void *buffer, size_t size, void *context) {
    (void)context;
    ssize_t count = read(fd, buffer, size);
    struct fuse_in_header header;
    if (count < (ssize_t)sizeof header) return count;
    memcpy(&header, buffer, sizeof header);
    if (header.opcode == FUSE_INIT && fd >= 0 && fd < DESCRIPTORS) atomic_store(&init_unique[fd], header.unique);
    struct fuse_interrupt_in interrupt;
    if (header.opcode == FUSE_INTERRUPT && count >= (ssize_t)(sizeof header + sizeof interrupt)) {
        memcpy(&interrupt, (const char *)buffer + sizeof header, sizeof interrupt);
        serving_interrupt(interrupt.unique);
    }
    serving_begin(fd, header.unique, header.pid);
    return count;
}

// Sends a reply; the one to INIT gets the flag that libfuse leaves out. What was answered already fails as if nobody
// waited for it any more.
static ssize_t io_writev(int fd, struct iovec *parts, int count, void *context) {
    (void)context;
    if (count >= 1 && parts[0].iov_len == sizeof(struct fuse_out_header)) {
        struct fuse_out_header header;
        memcpy(&header, parts[0].iov_base, sizeof header);
        if (header.unique != 0 && !serving_end(header.unique)) {
            errno = ENOENT;
            return -1;
        }
    }
    if (fd >= 0 && fd < DESCRIPTORS && count == 2 && parts[0].iov_len == sizeof(struct fuse_out_header)) {
        uint64_t unique = atomic_load(&init_unique[fd]);
        struct fuse_out_header header;
        memcpy(&header, parts[0].iov_base, sizeof header);
        if (unique != 0 && header.unique == unique && parts[1].iov_len >= FUSE_COMPAT_22_INIT_OUT_SIZE) {
            struct fuse_init_out *out = parts[1].iov_base;
            out->flags |= FUSE_PARALLEL_DIROPS;
            atomic_store(&init_unique[fd], 0);
        }
    }
    return writev(fd, parts, count);
}

static ssize_t io_splice_receive(int from, off_t *from_offset, int to, off_t *to_offset, size_t size, unsigned flags,
                                 void *context) {
    (void)context;
    return splice(from, from_offset, to, to_offset, size, flags);
}

static ssize_t io_splice_send(int from, off_t *from_offset, int to, off_t *to_offset, size_t size, unsigned flags,
                              void *context) {
    (void)context;
    return splice(from, from_offset, to, to_offset, size, flags);
}

int cfuse_session_take_over(struct fuse_session *session) {
    static const struct fuse_custom_io io = {
        .writev = io_writev,
        .read = io_read,
        .splice_receive = io_splice_receive,
        .splice_send = io_splice_send,
    };
    return fuse_session_custom_io(session, &io, fuse_session_fd(session));
}
