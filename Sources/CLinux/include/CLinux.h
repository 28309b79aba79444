// What Linux offers and Swift's importer does not see: constants behind _GNU_SOURCE, and variadic calls.
#ifndef CLINUX_H
#define CLINUX_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

// pthread_setname_np(3), which needs _GNU_SOURCE; the name has 15 bytes at most.
int clinux_thread_set_name(pthread_t thread, const char *name);

#endif
