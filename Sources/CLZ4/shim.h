// Makes liblz4 importable: frames, as the program lz4 writes them.
#ifndef CLZ4_SHIM_H
#define CLZ4_SHIM_H

#include <lz4frame.h>

#endif
