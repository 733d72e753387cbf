/* Internal flash of STM32H742/H743/H750/H753: two banks, flash words of 32 bytes with ECC (RM0433 chapter 4).
 *
 * Compiled for every H7 board, tried on none: the programmer refuses MCUs that are not simulated.
 */
#include "internal_flash.h"
#include "time.h"

#define BANK_REGISTERS 0x100u /* bank 2's are that much further on */
#define BANK_UNITS     8u
#define BANK_SIZE      0x00100000u
#define FLASH_WORD     32u

#define FLASH_KEYR     (FLASH_REGISTERS + 0x04u)
#define FLASH_CR       (FLASH_REGISTERS + 0x0Cu)
#define FLASH_SR       (FLASH_REGISTERS + 0x10u)
#define FLASH_CCR      (FLASH_REGISTERS + 0x14u)
#define FLASH_OPTSR    (FLASH_REGISTERS + 0x1Cu)
#define FLASH_WPSN_CUR (FLASH_REGISTERS + 0x38u)

#define FLASH_KEY1 0x45670123u
#define FLASH_KEY2 0xCDEF89ABu

#define FLASH_CR_LOCK        (1u << 0)
#define FLASH_CR_PG          (1u << 1)
#define FLASH_CR_SER         (1u << 2)
#define FLASH_CR_PSIZE_SHIFT 4u
#define FLASH_CR_START       (1u << 7)
#define FLASH_CR_SNB_SHIFT   8u
#define FLASH_CR_EOPIE       (1u << 16)

#define FLASH_SR_BSY    (1u << 0)
#define FLASH_SR_QW     (1u << 2)
#define FLASH_SR_EOP    (1u << 16)
#define FLASH_SR_WRPERR (1u << 17)
#define FLASH_SR_PGSERR (1u << 18)
#define FLASH_SR_STRBERR (1u << 19)
#define FLASH_SR_INCERR (1u << 21)
#define FLASH_SR_OPERR  (1u << 22)
#define FLASH_SR_ERRORS \
	(FLASH_SR_WRPERR | FLASH_SR_PGSERR | FLASH_SR_STRBERR | FLASH_SR_INCERR | FLASH_SR_OPERR)

#define FLASH_OPTSR_RDP_SHIFT  8u
#define FLASH_OPTSR_RDP_MASK   0xFFu
#define FLASH_OPTSR_RDP_LEVEL0 0xAAu
#define FLASH_WPSN_MASK        0xFFu

#define FLASH_IRQ 4u /* CMSIS */

/* Erase parallelism by supply, as on F7; a flash word is always written whole. */
#define SUPPLY_X32_MV 2700u
#define SUPPLY_X16_MV 2100u
#define PSIZE_X8      0u
#define PSIZE_X16     1u
#define PSIZE_X32     2u

static uint32_t psize;
static uint32_t bank; /* register offset of the bank at work */

void flash_start(uint32_t supply_mv)
{
	if (supply_mv >= SUPPLY_X32_MV) {
		psize = PSIZE_X32;
	} else if (supply_mv >= SUPPLY_X16_MV) {
		psize = PSIZE_X16;
	} else {
		psize = PSIZE_X8;
	}
	time_wake_on(FLASH_IRQ);
}

void flash_protection(struct mcu_identity *identity)
{
	uint32_t optsr = REG32(FLASH_OPTSR);
	uint32_t unlocked = (REG32(FLASH_WPSN_CUR) & FLASH_WPSN_MASK) |
	                    ((REG32(FLASH_WPSN_CUR + BANK_REGISTERS) & FLASH_WPSN_MASK) << BANK_UNITS);

	identity->option_bytes[0] = optsr;
	identity->option_bytes[1] = unlocked;
	identity->read_protected =
		((optsr >> FLASH_OPTSR_RDP_SHIFT) & FLASH_OPTSR_RDP_MASK) != FLASH_OPTSR_RDP_LEVEL0;
	identity->write_protected = ~unlocked & (FLASH_WPSN_MASK | (FLASH_WPSN_MASK << BANK_UNITS));
}

void flash_registers(uint32_t registers[4])
{
	registers[0] = REG32(FLASH_SR);
	registers[1] = REG32(FLASH_CR);
	registers[2] = REG32(FLASH_OPTSR);
	registers[3] = REG32(FLASH_SR + BANK_REGISTERS);
}

bool flash_unlock(uint32_t address)
{
	bank = (address - FLASH_BASE >= BANK_SIZE) ? BANK_REGISTERS : 0;
	if ((REG32(FLASH_CR + bank) & FLASH_CR_LOCK) != 0) {
		REG32(FLASH_KEYR + bank) = FLASH_KEY1;
		REG32(FLASH_KEYR + bank) = FLASH_KEY2;
	}
	REG32(FLASH_CCR + bank) = FLASH_SR_EOP | FLASH_SR_ERRORS;
	return (REG32(FLASH_CR + bank) & FLASH_CR_LOCK) == 0;
}

void flash_lock(void)
{
	REG32(FLASH_CR) |= FLASH_CR_LOCK;
	REG32(FLASH_CR + BANK_REGISTERS) |= FLASH_CR_LOCK;
}

bool flash_busy(void)
{
	return (REG32(FLASH_SR + bank) & (FLASH_SR_BSY | FLASH_SR_QW)) != 0;
}

void flash_erase_begin(uint32_t unit)
{
	REG32(FLASH_CR + bank) = FLASH_CR_SER | FLASH_CR_EOPIE | (psize << FLASH_CR_PSIZE_SHIFT) |
	                         ((unit % BANK_UNITS) << FLASH_CR_SNB_SHIFT);
	REG32(FLASH_CR + bank) |= FLASH_CR_START;
	barrier_sync();
}

/* A run of stores may cross into bank 2, whose controller has a lock of its own. */
void flash_program_begin(uint32_t address)
{
	(void)flash_unlock(address);
	REG32(FLASH_CR + bank) = FLASH_CR_PG | FLASH_CR_EOPIE | (psize << FLASH_CR_PSIZE_SHIFT);
}

uint32_t flash_store_bytes(void)
{
	return FLASH_WORD;
}

/* The eighth word starts the programming of the flash word. */
void flash_store(uint32_t address, const uint8_t *data)
{
	if (((address - FLASH_BASE >= BANK_SIZE) ? BANK_REGISTERS : 0) != bank) {
		flash_program_begin(address);
	}
	for (uint32_t i = 0; i < FLASH_WORD; i += sizeof(uint32_t)) {
		REG32(address + i) = load32(data + i);
	}
	barrier_sync();
}

bool flash_result(uint32_t detail[4])
{
	uint32_t sr = REG32(FLASH_SR + bank);

	REG32(FLASH_CCR + bank) = FLASH_SR_EOP | FLASH_SR_ERRORS;
	if ((sr & FLASH_SR_ERRORS) == 0) {
		return true;
	}
	detail[0] = sr;
	detail[1] = 0;
	detail[2] = sr;
	detail[3] = REG32(FLASH_CR + bank);
	return false;
}
