/* Faults by name, for one address: -DFAIL_AT=0x90002000 and the like. */
#ifndef TINY_FAULTS_H
#define TINY_FAULTS_H

#include "tiny.h"

#ifndef FAIL_AT
#define FAIL_AT 1u
#endif
#ifndef HANG_AT
#define HANG_AT 1u
#endif
#ifndef FAULT_AT
#define FAULT_AT 1u
#endif

static inline int faulty(uint32_t address)
{
	if (address == HANG_AT) {
		for (;;) {
			__asm volatile("nop");
		}
	}
	if (address == FAULT_AT) {
		(void)REG32(0x70000000u);
	}
#ifdef DEEP_AT
	if (address == DEEP_AT) {
		volatile uint8_t far[4400];

		for (uint32_t i = 0; i < sizeof(far); i++) {
			far[i] = (uint8_t)i;
		}
	}
#endif
	return address == FAIL_AT;
}

#endif
