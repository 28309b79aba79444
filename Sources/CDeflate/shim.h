// Makes libdeflate importable, which inflates whole blocks faster than zlib does.
#ifndef CDEFLATE_SHIM_H
#define CDEFLATE_SHIM_H

#include <libdeflate.h>

#endif
