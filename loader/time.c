/* SysTick at 1 ms with TICKINT set and PRIMASK masking it: its pending bit is the tick, and with SEVONPEND it ends a
 * WFE (ARMv7-M B1.5.18, B3.2.4, B3.3). So do the interrupts of flash controllers that drivers name.
 */
#include "time.h"

#include "board_data.h"
#include "systick.h"

#define SCB_ICSR           0xE000ED04u
#define SCB_ICSR_PENDSTSET (1u << 26)
#define SCB_ICSR_PENDSTCLR (1u << 25)
#define SCB_SCR            0xE000ED10u
#define SCB_SCR_SEVONPEND  (1u << 4)
#define NVIC_ISER          0xE000E100u
#define NVIC_ICPR          0xE000E280u
#define NVIC_WORDS         5u /* lines 0 to 159 */
#define NVIC_LINE_BITS     32u

#define DBGMCU_CR          (MCU_IDCODE + 0x04u)
#define DBGMCU_CR_SLEEP    (1u << 0)

static uint32_t milliseconds;
static uint32_t wake_lines[NVIC_WORDS];

void time_start(void)
{
	REG32(DBGMCU_CR) |= DBGMCU_CR_SLEEP; /* the debug port must reach RAM while the core sleeps */
	systick_start(SYST_CSR_TICKINT);
	REG32(SCB_SCR) |= SCB_SCR_SEVONPEND;
}

bool time_tick_pending(void)
{
	return (REG32(SCB_ICSR) & SCB_ICSR_PENDSTSET) != 0;
}

uint32_t time_ms(void)
{
	if (time_tick_pending()) {
		REG32(SCB_ICSR) = SCB_ICSR_PENDSTCLR;
		systick_count(&milliseconds);
	}
	return milliseconds;
}

/* Runs over after 71 minutes; only differences are used. */
uint32_t time_us(void)
{
	uint32_t ms;
	uint32_t left;

	do {
		ms = time_ms();
		left = REG32(SYST_CVR);
	} while (time_tick_pending());
	return ms * 1000u + (TICKS_PER_MS - 1u - left) / TICKS_PER_US;
}

void time_delay_us(uint32_t microseconds)
{
	systick_delay_us(microseconds);
}

void time_wake_on(uint32_t irq)
{
	wake_lines[irq / NVIC_LINE_BITS] |= 1u << (irq % NVIC_LINE_BITS);
	REG32(NVIC_ISER + 4u * (irq / NVIC_LINE_BITS)) = 1u << (irq % NVIC_LINE_BITS);
}

/* SEVONPEND makes an event of a line that becomes pending, not of one that stays so. A line that is still
 * asserted when its pending bit is cleared becomes pending again at once, and the WFE returns at once.
 */
void time_sleep(void)
{
	for (uint32_t i = 0; i < NVIC_WORDS; i++) {
		if (wake_lines[i] != 0) {
			REG32(NVIC_ICPR + 4u * i) = wake_lines[i];
		}
	}
	barrier_sync();
	wait_for_event();
}
