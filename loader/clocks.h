/* The system clock from the internal oscillator and PLL. One driver in clocks/ is built in. */
#ifndef BOARDFLASH_CLOCKS_H
#define BOARDFLASH_CLOCKS_H

#include "hardware.h"

/* 0, or the number of the step that did not come about. */
uint32_t clocks_start(void);

#define CLOCK_TRIES (1u << 16)

/* False if the bits never read as wanted. */
static inline bool clock_reads(uint32_t address, uint32_t mask, uint32_t value)
{
	for (uint32_t tries = 0; tries < CLOCK_TRIES; tries++) {
		if ((REG32(address) & mask) == value) {
			return true;
		}
	}
	return false;
}

#endif
