/* Internal flash of an STM32F746, by RM0385 chapter 3: x32 programming, sectors of 32, 128 and 256 KiB. */
#include "tiny.h"

#define FLASH_KEYR 0x40023C04u
#define FLASH_SR   0x40023C0Cu
#define FLASH_CR   0x40023C10u
#define SR_BSY     (1u << 16)
#define SR_ERRORS  0xF2u
#define CR_X32     (2u << 8)
#define CR_PG      (1u << 0)
#define CR_SER     (1u << 1)
#define CR_STRT    (1u << 16)
#define CR_LOCK    (1u << 31)

static int wait_ready(void)
{
	while ((REG32(FLASH_SR) & SR_BSY) != 0) {
	}
	return (REG32(FLASH_SR) & SR_ERRORS) != 0;
}

int memory_start(void)
{
	if ((REG32(FLASH_CR) & CR_LOCK) != 0) {
		REG32(FLASH_KEYR) = 0x45670123u;
		REG32(FLASH_KEYR) = 0xCDEF89ABu;
	}
	REG32(FLASH_SR) = SR_ERRORS;
	return (REG32(FLASH_CR) & CR_LOCK) != 0;
}

int memory_erase(uint32_t address)
{
	uint32_t offset = address - 0x08000000u;
	uint32_t sector = (offset < 0x20000u) ? offset >> 15 : (offset < 0x40000u) ? 4u : 4u + (offset >> 18);

	REG32(FLASH_CR) = CR_X32 | CR_SER | (sector << 3);
	REG32(FLASH_CR) |= CR_STRT;
	__asm volatile("dsb" ::: "memory");
	return wait_ready();
}

int memory_program(uint32_t address, const uint8_t *data, uint32_t size)
{
	int failed = 0;

	REG32(FLASH_CR) = CR_X32 | CR_PG;
	for (uint32_t i = 0; i < size && !failed; i += 4u) {
		REG32(address + i) = *(const uint32_t *)(const void *)(data + i);
		__asm volatile("dsb" ::: "memory");
		failed = wait_ready();
	}
	REG32(FLASH_CR) = CR_X32;
	return failed;
}

void memory_read(uint32_t address, uint8_t *data, uint32_t size)
{
	for (uint32_t i = 0; i < size; i++) {
		data[i] = REG8(address + i);
	}
}

void memory_map(void)
{
}
