/* What this machine can do: behind stoker_system_get(). */
#ifndef STK_SYSTEM_H
#define STK_SYSTEM_H

#include "stoker/stoker.h"

void stk_system_get(stoker_system *out);

#endif
