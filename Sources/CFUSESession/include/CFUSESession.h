// What libfuse 3.14 does not do for a file system.
#ifndef CFUSE_SESSION_H
#define CFUSE_SESSION_H

struct fuse_session;

// Sends and receives in the place of libfuse: the kernel may look up several names of one folder at a time
// (FUSE_PARALLEL_DIROPS), which libfuse 3.14 never passes on, and who is killed need not wait for an answer. Must be called
// after fuse_session_mount(3) and before the session's loop; 0, or a negative errno.
int cfuse_session_take_over(struct fuse_session *session);

#endif
