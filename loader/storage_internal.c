/* The MCU's own flash as the storage of a flash algorithm. No host tells the supply, so it is written at the width that
 * every supply allows.
 */
#include "board_data.h"
#include "clocks.h"
#include "core.h"
#include "internal_flash.h"
#include "storage.h"
#include "systick.h"
#include "time.h"

#define SUPPLY_UNKNOWN 0u
#define ERASED         0xFFu

struct unit {
	uint32_t number;
	uint32_t address;
	uint32_t size;
	uint32_t max_ms;
};

static bool opened;

bool storage_open(void)
{
	core_close_window();
	opened = false;
	if (clocks_start() != 0) {
		return false;
	}
	time_start();
	flash_start(SUPPLY_UNKNOWN);
	opened = true;
	return true;
}

bool storage_expose(void)
{
	return opened;
}

bool storage_close(void)
{
	REG32(SYST_CSR) = 0;
	core_open_window();
	return opened;
}

bool storage_holds(uint32_t address, uint32_t length)
{
	return opened && address >= FLASH_BASE && address - FLASH_BASE <= FLASH_SIZE &&
	       length <= FLASH_SIZE - (address - FLASH_BASE);
}

static bool find_unit(uint32_t address, struct unit *unit)
{
	unit->number = 0;
	unit->address = FLASH_BASE;
	for (uint32_t run = 0; run < FLASH_RUNS; run++) {
		for (uint32_t i = 0; i < flash_runs[run].count; i++) {
			unit->size = flash_runs[run].size;
			unit->max_ms = flash_runs[run].erase_max_ms;
			if (address - unit->address < unit->size) {
				return true;
			}
			unit->address += unit->size;
			unit->number++;
		}
	}
	return false;
}

/* Read-out protection stands in the way of all, write protection of its unit. */
static bool may_change(uint32_t number)
{
	struct mcu_identity identity;

	flash_protection(&identity);
	return identity.read_protected == 0 && (identity.write_protected >> number & 1u) == 0;
}

/* Not while it is busy beyond its limit: a write to the controller would hold the core up until the end. */
static void release(void)
{
	if (!flash_busy()) {
		flash_lock();
		core_open_flash();
	}
}

static bool wait_idle(uint32_t max_ms)
{
	uint32_t start = time_ms();
	uint32_t detail[4];

	while (flash_busy()) {
		if (time_ms() - start > max_ms + 1u) {
			return false;
		}
	}
	return flash_result(detail);
}

uint32_t storage_erase(uint32_t address)
{
	struct unit unit;
	bool done;

	if (!storage_holds(address, 1) || !find_unit(address, &unit) || !may_change(unit.number) ||
	    !storage_may_change(unit.address, unit.size) || !flash_unlock(unit.address)) {
		return 0;
	}
	core_close_flash();
	flash_erase_begin(unit.number);
	done = wait_idle(unit.max_ms);
	release();
	return done ? unit.size : 0;
}

bool storage_erase_all(void)
{
	uint32_t size;

	if (!storage_may_change(FLASH_BASE, FLASH_SIZE)) {
		return false;
	}
	for (uint32_t address = FLASH_BASE; address - FLASH_BASE < FLASH_SIZE; address += size) {
		size = storage_erase(address);
		if (size == 0) {
			return false;
		}
	}
	return true;
}

static bool program_unlocked(uint32_t address, const uint8_t *data, uint32_t length)
{
	uint32_t bytes = flash_store_bytes();

	flash_program_begin(address);
	for (uint32_t at = 0; at < length; at += bytes) {
		if (!storage_bytes_are(data + at, bytes, ERASED)) {
			flash_store(address + at, data + at);
			if (!wait_idle(FLASH_STORE_MAX_MS)) {
				return false;
			}
		}
	}
	return true;
}

bool storage_program(uint32_t address, const uint8_t *data, uint32_t length)
{
	struct unit unit;

	if (!storage_holds(address, length) || !storage_may_change(address, length) ||
	    address % FLASH_PROGRAM_BYTES != 0 || length % FLASH_PROGRAM_BYTES != 0) {
		return false;
	}
	while (length > 0) {
		uint32_t part;
		bool done;

		if (!find_unit(address, &unit) || !may_change(unit.number) || !flash_unlock(address)) {
			return false;
		}
		part = unit.size - (address - unit.address);
		if (part > length) {
			part = length;
		}
		done = program_unlocked(address, data, part);
		release();
		if (!done) {
			return false;
		}
		address += part;
		data += part;
		length -= part;
	}
	return true;
}

bool storage_read(uint32_t address, uint8_t *to, uint32_t length)
{
	const volatile uint8_t *from = (const volatile uint8_t *)(uintptr_t)address;

	if (!storage_holds(address, length)) {
		return false;
	}
	for (uint32_t i = 0; i < length; i++) {
		to[i] = from[i];
	}
	(void)time_ms(); /* refreshes the watchdog in a long run of reads */
	return true;
}
