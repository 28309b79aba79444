// Makes libzstd importable.
#ifndef CZSTD_SHIM_H
#define CZSTD_SHIM_H

#include <zstd.h>
#include <zstd_errors.h>

// These are casts and sums in macros, which can't be imported.
static const unsigned long long czstd_content_size_unknown = ZSTD_CONTENTSIZE_UNKNOWN;
static const unsigned long long czstd_content_size_error = ZSTD_CONTENTSIZE_ERROR;

#endif
