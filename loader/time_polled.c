/* The time base of a flash algorithm: SysTick at 1 ms by its COUNTFLAG (ARMv7-M B3.3.3), without any interrupt. The core
 * never sleeps: pyOCD takes a sleeping core for one that has returned.
 */
#include "systick.h"
#include "time.h"

static uint32_t milliseconds;

void time_start(void)
{
	systick_start(0);
}

uint32_t time_ms(void)
{
	if ((REG32(SYST_CSR) & SYST_CSR_COUNTFLAG) != 0) {
		systick_count(&milliseconds);
	}
	return milliseconds;
}

void time_delay_us(uint32_t microseconds)
{
	systick_delay_us(microseconds);
}

void time_sleep(void)
{
}

void time_wake_on(uint32_t irq)
{
	(void)irq;
}
