/* STM32 QUADSPI in memory-mapped mode (RM0385 14.3.8): the bus reads the chip by itself at the window's addresses.
 *
 * Not for the running loader, which keeps the window closed: for flash algorithms whose host reads it directly.
 */
#include "stm32_quadspi.h"

#include "map.h"

/* Entered with AR[1:0] other than 0 after an indirect operation, the first read gives wrong data. The errata sheet has AR
 * cleared and an abort before (ES0290 2.4.3). A write to AR may start a command: not under that of an indirect write, which
 * waits for data.
 */
void controller_map(uint32_t form)
{
	REG32(QUADSPI_CCR) = form | QUADSPI_CCR_FMODE_WRITE;
	REG32(QUADSPI_AR) = 0;
	quadspi_abort();
	REG32(QUADSPI_CCR) = form | QUADSPI_CCR_FMODE_MAP;
}
