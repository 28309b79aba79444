// What libfuse 3.14 does not let a file system ask of the kernel.
#ifndef CFUSE_SESSION_H
#define CFUSE_SESSION_H

struct fuse_session;

// Makes the kernel look up several names of one folder at a time (FUSE_PARALLEL_DIROPS), which libfuse 3.14 never
// passes on. Must be called after fuse_session_mount(3) and before the session's loop; 0, or a negative errno.
int cfuse_session_allow_parallel_lookups(struct fuse_session *session);

#endif
