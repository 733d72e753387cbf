/* The core as any of our programs needs it: caches off, and what it must not read ahead closed to it by the MPU. */
#ifndef BOARDFLASH_CORE_H
#define BOARDFLASH_CORE_H

#include "hardware.h"

/* What a running application has in its data cache goes to RAM first. */
void core_caches_off(void);

/* The QSPI window, external memory and the flash's second view: no access, and no other region. */
void core_close_window(void);
/* The MPU as after a reset: for hosts that read the window, and for firmware that is started without one. */
void core_open_window(void);

/* While internal flash is busy a read of it holds the core up until the end, an erase of seconds. */
void core_close_flash(void);
void core_open_flash(void);

#endif
