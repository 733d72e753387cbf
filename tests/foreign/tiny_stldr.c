/* An external loader as STM32CubeProgrammer takes it, around the tiny NOR memory. */
#include "tiny_faults.h"

struct storage_info {
	char name[100];
	uint16_t type;
	uint32_t base, size, page;
	uint8_t empty;
	struct {
		uint32_t count, size;
	} sectors[10];
};

__attribute__((section(".Dev_info"), used)) const struct storage_info StorageInfo = {
	"tiny external memory", 7, 0x90000000u, 0x01000000u, 0x100u, 0xFF, {{0x1000u, 0x1000u}, {0, 0}},
};

static uint32_t begun;   /* .bss */
static uint32_t key = 5; /* .data */

int Init(void)
{
	if (begun != 0 || memory_start() != 0) {
		return 0;
	}
	begun = key;
#ifndef NO_MAP
	memory_map();
#endif
	return 1;
}

int SectorErase(uint32_t start, uint32_t end)
{
	if (begun != 5 || end < start || faulty(start)) {
		return 0;
	}
	for (uint32_t at = start & ~0xFFFu; at <= end; at += 0x1000u) {
		(void)memory_erase(at);
	}
#ifndef NO_MAP
	memory_map();
#endif
	return 1;
}

int Write(uint32_t address, uint32_t size, uint8_t *data)
{
	if (begun != 5) {
		return 0;
	}
	(void)memory_program(address, data, size);
#ifndef NO_MAP
	memory_map();
#endif
	return 1;
}

#ifdef WITH_READ
int Read(uint32_t address, uint32_t size, uint8_t *data)
{
	memory_read(address, data, size);
	return 1;
}
#endif
