/* Register access and the few core instructions that C has no word for.
 *
 * Every file includes this first: hidden visibility lets both compilers address everything relative to the
 * program counter, so that the loader holds no absolute address of its own and may be moved.
 */
#ifndef BOARDFLASH_HARDWARE_H
#define BOARDFLASH_HARDWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define REG16(address) (*(volatile uint16_t *)(uintptr_t)(address))
#define REG8(address)  (*(volatile uint8_t *)(uintptr_t)(address))

static inline void barrier_data(void)
{
	__asm__ volatile("dmb" ::: "memory");
}

static inline void barrier_sync(void)
{
	__asm__ volatile("dsb" ::: "memory");
}

static inline void barrier_instruction(void)
{
	__asm__ volatile("isb" ::: "memory");
}

static inline void interrupts_mask(void)
{
	__asm__ volatile("cpsid i" ::: "memory");
}

static inline void wait_for_event(void)
{
	__asm__ volatile("wfe" ::: "memory");
}

/* Words of flash buffers come at any byte address; the core loads them so (ARMv7-M A3.2.1, normal memory). */
static inline uint32_t load32(const uint8_t *data)
{
	return *(const volatile uint32_t *)(uintptr_t)data;
}

static inline void store32(uint8_t *data, uint32_t value)
{
	*(volatile uint32_t *)(uintptr_t)data = value;
}

#endif
