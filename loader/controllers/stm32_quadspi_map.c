/* STM32 QUADSPI in memory-mapped mode (RM0385 14.3.8): the bus reads the chip by itself at the window's addresses.
 *
 * Not for the running loader, which keeps the window closed: for flash algorithms whose host reads it directly.
 */
#include "board_data.h"
#include "map.h"

#define QUADSPI_SR  (QSPI_REGISTERS + 0x08u)
#define QUADSPI_CCR (QSPI_REGISTERS + 0x14u)

#define QUADSPI_SR_BUSY        (1u << 5)
#define QUADSPI_CCR_FMODE_MAP  (3u << 26)

#define BUSY_TRIES (1u << 20)

bool controller_map(uint32_t form)
{
	for (uint32_t tries = 0; tries < BUSY_TRIES; tries++) {
		if ((REG32(QUADSPI_SR) & QUADSPI_SR_BUSY) == 0) {
			REG32(QUADSPI_CCR) = form | QUADSPI_CCR_FMODE_MAP;
			return true;
		}
	}
	return false;
}
