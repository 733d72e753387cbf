/* SysTick as the time base (ARMv7-M B3.3): what its two users share, the running loader and flash algorithms. */
#ifndef BOARDFLASH_SYSTICK_H
#define BOARDFLASH_SYSTICK_H

#include "board_data.h"
#include "hardware.h"

#define SYST_CSR           0xE000E010u
#define SYST_CSR_ENABLE    (1u << 0)
#define SYST_CSR_TICKINT   (1u << 1)
#define SYST_CSR_CLKSOURCE (1u << 2)
#define SYST_CSR_COUNTFLAG (1u << 16)
#define SYST_RVR           0xE000E014u
#define SYST_CVR           0xE000E018u

#define IWDG_KR            (MCU_WATCHDOG + 0x00u)
#define IWDG_KR_REFRESH    0xAAAAu

#define TICKS_PER_MS       (CLOCK_HCLK_HZ / 1000u)
#define TICKS_PER_US       (CLOCK_HCLK_HZ / 1000000u)

static inline void systick_start(uint32_t bits)
{
	REG32(SYST_RVR) = TICKS_PER_MS - 1u;
	REG32(SYST_CVR) = 0;
	REG32(SYST_CSR) = SYST_CSR_ENABLE | SYST_CSR_CLKSOURCE | bits;
}

/* A millisecond has passed: refreshes the watchdog. */
static inline void systick_count(uint32_t *milliseconds)
{
	(*milliseconds)++;
	REG32(IWDG_KR) = IWDG_KR_REFRESH;
}

static inline void systick_delay_us(uint32_t microseconds)
{
	uint32_t before = REG32(SYST_CVR);
	uint32_t left = microseconds * TICKS_PER_US;

	for (;;) {
		uint32_t now = REG32(SYST_CVR);
		uint32_t passed = (before >= now) ? before - now : before + TICKS_PER_MS - now;

		if (passed >= left) {
			return;
		}
		left -= passed;
		before = now;
	}
}

#endif
