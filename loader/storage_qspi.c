/* The QSPI chip as the storage of a flash algorithm, on the loader's own drivers. */
#include "clocks.h"
#include "core.h"
#include "map.h"
#include "nor.h"
#include "nor_opcodes.h"
#include "storage.h"
#include "systick.h"
#include "time.h"

#define NO_CHIP        0xFFu
#define SETTLE_MAX_MS  1000u /* longest recovery from a reset that we know (MT25QL512 after an erase) */

static const struct chip *chip;
static struct nor_registers seen;
static bool exposed;

/* In between the debugger's polls the core spins: pyOCD takes a sleeping core for one that has finished. */
static bool wait_done(uint32_t max_ms)
{
	uint32_t start = time_ms();
	bool done;

	do {
		done = controller_wait_done();
	} while (!done && time_ms() - start <= max_ms + 1u);
	controller_wait_end();
	return done;
}

static void wait_for_tick(void)
{
	uint32_t now = time_ms();

	while (time_ms() == now) {
	}
}

/* A chip that is still busy with what was begun before takes no reset. One in QPI answers on four lines alone. */
static void wait_for_earlier_work(void)
{
	uint8_t status = nor_register(NOR_READ_STATUS1);
	uint32_t start = time_ms();

	if (status != NOR_FLOATING && (status & NOR_SR1_WIP) != 0) {
		nor_wait_status1_begin();
		(void)wait_done(BOARD_BUSY_MAX_MS);
		return;
	}
	controller_four_lines(true);
	while (nor_busy_in_qpi() && time_ms() - start <= BOARD_BUSY_MAX_MS) {
		wait_for_tick();
	}
	controller_four_lines(false);
}

static bool reset_chip(void)
{
	nor_begin_identify();
	wait_for_earlier_work();
	nor_leave_modes();
	nor_reset();
	nor_wait_status1_begin();
	return wait_done(SETTLE_MAX_MS);
}

static uint32_t find_row(void)
{
	uint8_t id[NOR_ID_BYTES];

	nor_read_id(id);
	for (uint32_t i = 0; i < storage_chip_count; i++) {
		uint32_t same = 0;

		while (same < storage_chips[i].length && storage_chips[i].id[same] == id[same]) {
			same++;
		}
		if (same == storage_chips[i].length) {
			return storage_chips[i].row;
		}
	}
	return NO_CHIP;
}

/* A host that calls Init is going to program; one that only maps the window does no harm by it. */
static bool select_row(uint32_t row)
{
	uint32_t set = 0;

	return nor_select(&board_chips[row], &seen, &set) == STATUS_OK &&
	       nor_unprotect(&board_chips[row], &seen, &set) == STATUS_OK;
}

bool storage_open(void)
{
	uint32_t row;

	core_close_window();
	chip = NULL;
	exposed = false;
	if (clocks_start() != 0) {
		return false;
	}
	time_start();
	controller_start();
	(void)controller_failed();
	if (!reset_chip()) {
		return false;
	}
	row = find_row();
	if (row == NO_CHIP || !select_row(row) || controller_failed()) {
		return false;
	}
	chip = &board_chips[row];
	return true;
}

bool storage_expose(void)
{
	if (chip == NULL) {
		return false;
	}
	controller_configure(&chip->timing);
	controller_map(chip->read_form);
	if (controller_failed()) {
		return false;
	}
	exposed = true;
	core_open_window();
	return true;
}

/* Before commands to the chip: the window closes first. */
static void take_back(void)
{
	if (exposed) {
		core_close_window();
		controller_configure(&chip->timing);
		exposed = false;
	}
}

bool storage_close(void)
{
	REG32(SYST_CSR) = 0;
	return storage_expose();
}

bool storage_holds(uint32_t address, uint32_t length)
{
	return chip != NULL && address >= QSPI_WINDOW && address - QSPI_WINDOW <= chip->size &&
	       length <= chip->size - (address - QSPI_WINDOW);
}

static bool change(uint32_t form, uint32_t offset, const uint8_t *data, uint32_t length, uint32_t max_ms)
{
	take_back();
	if (!nor_write_enable(&seen)) {
		return false;
	}
	if (length > 0) {
		controller_write(form, offset, data, length);
	} else {
		controller_command(form, offset);
	}
	nor_wait_begin(chip);
	return wait_done(max_ms) && nor_finish(chip, STATUS_PROGRAM_FAILED, &seen) == STATUS_OK &&
	       !controller_failed();
}

uint32_t storage_erase(uint32_t address)
{
	uint32_t offset = (address - QSPI_WINDOW) & ~(storage_sector_size - 1u);

	if (!storage_holds(address, 1) || !storage_may_change(QSPI_WINDOW + offset, storage_sector_size)) {
		return 0;
	}
	for (uint32_t i = 0; i < chip->erases; i++) {
		if (chip->erase[i].size == storage_sector_size) {
			return change(chip->erase[i].form, offset, NULL, 0, chip->erase[i].max_ms)
			               ? storage_sector_size
			               : 0;
		}
	}
	return 0;
}

bool storage_erase_all(void)
{
	return chip != NULL && storage_may_change(QSPI_WINDOW, chip->size) &&
	       change(chip->chip_erase.form, 0, NULL, 0, chip->chip_erase.max_ms);
}

/* The host's page may be many of the chip's; what is all ones needs no programming. */
bool storage_program(uint32_t address, const uint8_t *data, uint32_t length)
{
	uint32_t offset = address - QSPI_WINDOW;

	if (!storage_holds(address, length) || !storage_may_change(address, length)) {
		return false;
	}
	while (length > 0) {
		uint32_t page = chip->page_size - offset % chip->page_size;

		if (page > length) {
			page = length;
		}
		if (!storage_bytes_are(data, page, NOR_FLOATING) &&
		    !change(chip->program_form, offset, data, page, chip->program_max_ms)) {
			return false;
		}
		offset += page;
		data += page;
		length -= page;
	}
	return true;
}

/* An exposed window stays so: the host may read it at any time in between. */
static void read_window(uint32_t address, uint8_t *to, uint32_t length)
{
	const volatile uint8_t *from = (const volatile uint8_t *)(uintptr_t)address;
	uint32_t at = 0;

	while (at < length) {
		if ((address + at) % sizeof(uint32_t) == 0 && length - at >= sizeof(uint32_t)) {
			store32(to + at, REG32(address + at));
			at += sizeof(uint32_t);
		} else {
			to[at] = from[at];
			at++;
		}
	}
}

bool storage_read(uint32_t address, uint8_t *to, uint32_t length)
{
	if (!storage_holds(address, length)) {
		return false;
	}
	if (exposed) {
		read_window(address, to, length);
	} else if (length > 0) {
		controller_read(chip->read_form, address - QSPI_WINDOW, to, length);
	}
	(void)time_ms(); /* refreshes the watchdog in a long run of reads */
	return !controller_failed();
}
