// Makes liblzma importable.
#ifndef CLZMA_SHIM_H
#define CLZMA_SHIM_H

#include <lzma.h>

// LZMA_STREAM_INIT is a list of initial values, which can't be imported.
static inline lzma_stream clzma_stream(void) {
    lzma_stream stream = LZMA_STREAM_INIT;
    return stream;
}

#endif
