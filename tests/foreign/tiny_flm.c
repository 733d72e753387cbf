/* A CMSIS-Pack flash algorithm around one of the tiny memories. */
#include "tiny_faults.h"

#ifndef BASE
#define BASE 0x90000000u
#endif
#ifndef SIZE
#define SIZE 0x01000000u
#endif
#ifndef PAGE
#define PAGE 256u
#endif
#ifndef EMPTY
#define EMPTY 0xFFu
#endif
#ifndef SECTORS
#define SECTORS {0x1000u, 0u}, {0xFFFFFFFFu, 0xFFFFFFFFu}
#endif

struct device {
	uint16_t version;
	char name[128];
	uint16_t type;
	uint32_t base, size, page, reserved;
	uint8_t empty;
	uint32_t program_ms, erase_ms;
	struct {
		uint32_t size, offset;
	} sectors[8];
};

__attribute__((section("DevDscr"), used)) const struct device FlashDevice = {
	0x0101, "tiny memory", 5, BASE, SIZE, PAGE, 0, EMPTY, 100, 1000, {SECTORS},
};

static uint32_t function = 7; /* not zero, so that data in R9's reach are used */

int Init(unsigned long base, unsigned long clock, unsigned long what)
{
	(void)clock;
	if (base != BASE || memory_start() != 0) {
		return 1;
	}
	function = what;
#ifndef NO_MAP
	if (what == 3) {
		memory_map();
	}
#endif
	return 0;
}

int UnInit(unsigned long what)
{
	return what != function;
}

int EraseSector(unsigned long address)
{
	return function != 1 || memory_erase(address) != 0;
}

int ProgramPage(unsigned long address, unsigned long size, unsigned char *data)
{
#ifdef FORGETS_AT
	if (address == FORGETS_AT) {
		return 0;
	}
#endif
	return faulty(address) ? 5 : function != 2 || size != PAGE || memory_program(address, data, size) != 0;
}

#ifdef WITH_READ
int SEGGER_OPEN_Read(unsigned long address, unsigned long size, unsigned char *data)
{
	memory_read(address, data, size);
	return (int)size;
}
#endif

#ifdef MAPS_IN_VERIFY /* as ST's own of the F7 boards: Init does not */
unsigned long Verify(unsigned long address, unsigned long size, unsigned char *data)
{
	memory_map();
	for (unsigned long i = 0; i < size; i++) {
		if (*(volatile unsigned char *)(address + i) != data[i]) {
			return address + i;
		}
	}
	return address + size;
}
#endif

#ifdef COMPARES /* as many made by hand: reads, but never gives what it has read */
unsigned long Verify(unsigned long address, unsigned long size, unsigned char *data)
{
	unsigned char found[16];

	for (unsigned long at = 0; at < size; at += sizeof(found)) {
		unsigned long some = (size - at < sizeof(found)) ? size - at : sizeof(found);

		memory_read(address + at, found, some);
		for (unsigned long i = 0; i < some; i++) {
			if (found[i] != data[at + i]) {
				return address + at + i;
			}
		}
	}
	return address + size;
}
#endif
