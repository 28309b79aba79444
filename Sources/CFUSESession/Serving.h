// Requests of the kernel that are being served, so that who is killed need not wait for the answer.
//
// The kernel lets a program that waits for an answer go only when it has one, be it killed. It does tell that a signal
// has come (FUSE_INTERRUPT). If that is about to end the program, nobody will look at the answer, and EINTR is sent in
// its place; whoever serves the request goes on, and learns that nobody takes the answer. A signal that the program
// handles changes nothing, as with the files of a disk.
//
// A request is answered by the thread that has read it.
#ifndef CFUSE_SERVING_H
#define CFUSE_SERVING_H

#include <stdbool.h>
#include <stdint.h>

// Notes that this thread serves a request, which a thread of some program waits for; the last one of this thread is over.
void serving_begin(int fd, uint64_t unique, uint32_t waiting);

// Notes that a signal has come for who waits for a request.
void serving_interrupt(uint64_t unique);

// Whether the answer to a request that this thread serves may be sent; not if somebody was quicker.
bool serving_end(uint64_t unique);

#endif
