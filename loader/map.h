/* What a flash algorithm asks of a serial flash controller beyond controller.h: controllers/<driver>_map.c. */
#ifndef BOARDFLASH_MAP_H
#define BOARDFLASH_MAP_H

#include "hardware.h"

/* After controller_configure: the window answers reads of any master by `form`. controller_configure ends it. */
void controller_map(uint32_t form);

#endif
