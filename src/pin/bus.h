/* What the way to a device costs and gives: rated by the kernel's tables, and
 * measured.  For `stoker doctor` and for sizing, never in a loader's path. */
#ifndef STK_BUS_H
#define STK_BUS_H

#include "base/error.h"

/* Fills out but for size; see stoker_device_measure(). */
int stk_bus_measure(int ordinal, stoker_device_info *out, stoker_error *err);

#endif
