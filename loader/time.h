/* The time base: SysTick at 1 ms, never taken as an interrupt. */
#ifndef BOARDFLASH_TIME_H
#define BOARDFLASH_TIME_H

#include "hardware.h"

void time_start(void);
uint32_t time_ms(void);
uint32_t time_us(void);      /* also refreshes the watchdog when a millisecond has passed */
bool time_tick_pending(void); /* reads only: true once time_ms() would move on */
void time_delay_us(uint32_t microseconds);
void time_sleep(void);       /* until the next tick or device interrupt */
void time_wake_on(uint32_t irq);

#endif
