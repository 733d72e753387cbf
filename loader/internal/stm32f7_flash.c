/* Internal flash of STM32F74x and F75x, one bank (RM0385 chapter 3). */
#include "internal_flash.h"
#include "time.h"

#define FLASH_KEYR   (FLASH_REGISTERS + 0x04u)
#define FLASH_SR     (FLASH_REGISTERS + 0x0Cu)
#define FLASH_CR     (FLASH_REGISTERS + 0x10u)
#define FLASH_OPTCR  (FLASH_REGISTERS + 0x14u)
#define FLASH_OPTCR1 (FLASH_REGISTERS + 0x18u)

#define FLASH_KEY1 0x45670123u
#define FLASH_KEY2 0xCDEF89ABu

#define FLASH_SR_EOP    (1u << 0)
#define FLASH_SR_OPERR  (1u << 1)
#define FLASH_SR_WRPERR (1u << 4)
#define FLASH_SR_PGAERR (1u << 5)
#define FLASH_SR_PGPERR (1u << 6)
#define FLASH_SR_ERSERR (1u << 7)
#define FLASH_SR_BSY    (1u << 16)
#define FLASH_SR_ERRORS \
	(FLASH_SR_OPERR | FLASH_SR_WRPERR | FLASH_SR_PGAERR | FLASH_SR_PGPERR | FLASH_SR_ERSERR)

#define FLASH_CR_PG          (1u << 0)
#define FLASH_CR_SER         (1u << 1)
#define FLASH_CR_SNB_SHIFT   3u
#define FLASH_CR_PSIZE_SHIFT 8u
#define FLASH_CR_STRT        (1u << 16)
#define FLASH_CR_EOPIE       (1u << 24)
#define FLASH_CR_ERRIE       (1u << 25)
#define FLASH_CR_LOCK        (1u << 31)

#define FLASH_OPTCR_RDP_SHIFT  8u
#define FLASH_OPTCR_RDP_MASK   0xFFu
#define FLASH_OPTCR_RDP_LEVEL0 0xAAu
#define FLASH_OPTCR_NWRP_SHIFT 16u
#define FLASH_OPTCR_NWRP_MASK  0xFFu

#define FLASH_IRQ 4u /* CMSIS */

/* Programming width by supply; x64 needs an external Vpp and is never used (RM0385 table 8). */
#define SUPPLY_X32_MV 2700u
#define SUPPLY_X16_MV 2100u
#define PSIZE_X8      0u
#define PSIZE_X16     1u
#define PSIZE_X32     2u

static uint32_t psize;

void flash_start(uint32_t supply_mv)
{
	if (supply_mv >= SUPPLY_X32_MV) {
		psize = PSIZE_X32;
	} else if (supply_mv >= SUPPLY_X16_MV) {
		psize = PSIZE_X16;
	} else {
		psize = PSIZE_X8; /* also when nobody has measured */
	}
	time_wake_on(FLASH_IRQ);
}

void flash_protection(struct mcu_identity *identity)
{
	uint32_t optcr = REG32(FLASH_OPTCR);

	identity->option_bytes[0] = optcr;
	identity->option_bytes[1] = REG32(FLASH_OPTCR1);
	identity->read_protected =
		((optcr >> FLASH_OPTCR_RDP_SHIFT) & FLASH_OPTCR_RDP_MASK) != FLASH_OPTCR_RDP_LEVEL0;
	identity->write_protected = ~(optcr >> FLASH_OPTCR_NWRP_SHIFT) & FLASH_OPTCR_NWRP_MASK;
}

void flash_registers(uint32_t registers[4])
{
	registers[0] = REG32(FLASH_SR);
	registers[1] = REG32(FLASH_CR);
	registers[2] = REG32(FLASH_OPTCR);
	registers[3] = REG32(FLASH_OPTCR1);
}

bool flash_unlock(uint32_t address)
{
	(void)address;
	if ((REG32(FLASH_CR) & FLASH_CR_LOCK) != 0) {
		REG32(FLASH_KEYR) = FLASH_KEY1;
		REG32(FLASH_KEYR) = FLASH_KEY2;
	}
	REG32(FLASH_SR) = FLASH_SR_EOP | FLASH_SR_ERRORS;
	return (REG32(FLASH_CR) & FLASH_CR_LOCK) == 0;
}

void flash_lock(void)
{
	REG32(FLASH_CR) = FLASH_CR_LOCK;
}

bool flash_busy(void)
{
	return (REG32(FLASH_SR) & FLASH_SR_BSY) != 0;
}

/* EOPIE and ERRIE are there for the pending interrupt that ends a sleep; they also let EOP be set at all. */
static uint32_t cr_of(uint32_t bits)
{
	return bits | (psize << FLASH_CR_PSIZE_SHIFT) | FLASH_CR_EOPIE | FLASH_CR_ERRIE;
}

void flash_erase_begin(uint32_t unit)
{
	REG32(FLASH_CR) = cr_of(FLASH_CR_SER | (unit << FLASH_CR_SNB_SHIFT));
	REG32(FLASH_CR) |= FLASH_CR_STRT;
	barrier_sync();
}

void flash_program_begin(uint32_t address)
{
	(void)address;
	REG32(FLASH_CR) = cr_of(FLASH_CR_PG);
}

uint32_t flash_store_bytes(void)
{
	return 1u << psize;
}

/* The access must be as wide as PSIZE, and a barrier must follow it: HAL, and forum reports of lost half words.
 *
 * Each width has a function of its own so that no store is conditional in an IT block: on the simulated board the code
 * behind such a store was seen to run under a stale IT state. Hardware does not need this.
 */
__attribute__((noinline)) static void store_byte(uint32_t address, const uint8_t *data)
{
	REG8(address) = *data;
	barrier_sync();
}

__attribute__((noinline)) static void store_half(uint32_t address, const uint8_t *data)
{
	REG16(address) = *(const volatile uint16_t *)(uintptr_t)data;
	barrier_sync();
}

__attribute__((noinline)) static void store_word(uint32_t address, const uint8_t *data)
{
	REG32(address) = load32(data);
	barrier_sync();
}

void flash_store(uint32_t address, const uint8_t *data)
{
	switch (psize) {
	case PSIZE_X32:
		store_word(address, data);
		break;
	case PSIZE_X16:
		store_half(address, data);
		break;
	default:
		store_byte(address, data);
		break;
	}
}

bool flash_result(uint32_t detail[4])
{
	uint32_t sr = REG32(FLASH_SR);

	REG32(FLASH_SR) = FLASH_SR_EOP | FLASH_SR_ERRORS;
	if ((sr & FLASH_SR_ERRORS) == 0) {
		return true;
	}
	detail[0] = sr;
	detail[1] = 0;
	detail[2] = sr;
	detail[3] = REG32(FLASH_CR);
	return false;
}
