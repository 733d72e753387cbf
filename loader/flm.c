/* CMSIS-Pack flash algorithm of a QSPI chip, on the loader's own drivers. Position independent: code and constants
 * relative to PC, data relative to R9 (-fropi -frwpi); the host calls with SP and R9 set, interrupts as they are.
 *
 * There is no Verify on purpose: a host reads the window itself then, and pyOCD would otherwise skip nothing. So Init for
 * verification and UnInit leave the window mapped.
 */
#include "clocks.h"
#include "flm.h"
#include "map.h"
#include "nor.h"
#include "nor_opcodes.h"
#include "time.h"

#define RESULT_OK      0
#define RESULT_FAILED  1
#define NO_CHIP        0xFFu
#define SETTLE_MAX_MS  1000u /* longest recovery from a reset that we know (MT25QL512 after an erase) */
#define BLANK_PIECE    64u

#define SYST_CSR            0xE000E010u

#define MPU_CTRL            0xE000ED94u
#define MPU_CTRL_ENABLE     (1u << 0)
#define MPU_CTRL_PRIVDEFENA (1u << 2)
#define MPU_RNR             0xE000ED98u
#define MPU_RBAR            0xE000ED9Cu
#define MPU_RASR            0xE000EDA0u
#define MPU_RASR_ENABLE     (1u << 0)
#define MPU_RASR_SIZE_SHIFT 1u
#define MPU_RASR_XN         (1u << 28) /* AP 000: no access for anybody */

static const struct chip *chip;
static struct nor_registers seen;

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

/* A chip that is still busy with what was begun before takes no reset; the status read asks on one line only. */
static bool reset_chip(void)
{
	nor_begin_identify();
	if ((nor_register(NOR_READ_STATUS1) & (NOR_SR1_WIP | NOR_SR1_WEL)) == (NOR_SR1_WIP | NOR_SR1_WEL) &&
	    nor_register(NOR_READ_STATUS1) != NOR_FLOATING) {
		nor_wait_status1_begin(NOR_ONE);
		(void)wait_done(BOARD_BUSY_MAX_MS);
	}
	nor_leave_modes();
	nor_reset();
	nor_wait_status1_begin(NOR_ONE);
	return wait_done(SETTLE_MAX_MS);
}

static uint32_t find_row(void)
{
	uint8_t id[NOR_ID_BYTES];

	nor_read_id(id);
	for (uint32_t i = 0; i < flm_chip_count; i++) {
		uint32_t same = 0;

		while (same < flm_chips[i].length && flm_chips[i].id[same] == id[same]) {
			same++;
		}
		if (same == flm_chips[i].length) {
			return flm_chips[i].row;
		}
	}
	return NO_CHIP;
}

/* The core reads ahead on its own, and a read of the window while it is not mapped would hang the bus. The debug port's
 * reads do not pass the MPU.
 */
static void close_window(void)
{
	REG32(MPU_CTRL) = 0;
	REG32(MPU_RNR) = 0;
	REG32(MPU_RBAR) = QSPI_WINDOW;
	REG32(MPU_RASR) = MPU_RASR_XN | ((QSPI_WINDOW_LOG2 - 1u) << MPU_RASR_SIZE_SHIFT) | MPU_RASR_ENABLE;
	REG32(MPU_CTRL) = MPU_CTRL_ENABLE | MPU_CTRL_PRIVDEFENA;
	barrier_sync();
	barrier_instruction();
}

/* Firmware that is started without a reset finds the MPU as after one. */
static void open_window(void)
{
	REG32(MPU_CTRL) = 0;
	REG32(MPU_RNR) = 0;
	REG32(MPU_RASR) = 0;
	barrier_sync();
	barrier_instruction();
}

static int map_window(void)
{
	controller_configure(&chip->timing);
	return (controller_map(chip->read_form) && !controller_failed()) ? RESULT_OK : RESULT_FAILED;
}

int Init(unsigned long base, unsigned long clock, unsigned long function)
{
	uint32_t row;

	(void)base;
	(void)clock;
	interrupts_mask();
	close_window();
	chip = NULL;
	if (clocks_start() != 0) {
		return RESULT_FAILED;
	}
	time_start();
	controller_start();
	(void)controller_failed();
	if (!reset_chip()) {
		return RESULT_FAILED;
	}
	row = find_row();
	if (row == NO_CHIP || nor_select(&board_chips[row], &seen) != STATUS_OK || controller_failed()) {
		return RESULT_FAILED;
	}
	chip = &board_chips[row];
	return (function == FLM_VERIFY) ? map_window() : RESULT_OK;
}

int UnInit(unsigned long function)
{
	(void)function;
	REG32(SYST_CSR) = 0;
	if (chip == NULL || map_window() != RESULT_OK) {
		return RESULT_FAILED;
	}
	open_window();
	return RESULT_OK;
}

static int change(uint32_t form, uint32_t offset, const uint8_t *data, uint32_t length, uint32_t max_ms)
{
	if (!nor_write_enable(&seen)) {
		return RESULT_FAILED;
	}
	if (length > 0) {
		controller_write(form, offset, data, length);
	} else {
		controller_command(form, offset);
	}
	nor_wait_begin(chip);
	if (!wait_done(max_ms) || nor_finish(chip, STATUS_PROGRAM_FAILED, &seen) != STATUS_OK || controller_failed()) {
		return RESULT_FAILED;
	}
	return RESULT_OK;
}

static bool in_range(unsigned long address, unsigned long size)
{
	return chip != NULL && address >= QSPI_WINDOW && address - QSPI_WINDOW <= chip->size &&
	       size <= chip->size - (address - QSPI_WINDOW);
}

int EraseChip(void)
{
	if (chip == NULL) {
		return RESULT_FAILED;
	}
	return change(chip->chip_erase.form, 0, NULL, 0, chip->chip_erase.max_ms);
}

int EraseSector(unsigned long address)
{
	uint32_t offset = address - QSPI_WINDOW;

	if (!in_range(address, flm_sector_size)) {
		return RESULT_FAILED;
	}
	for (uint32_t i = 0; i < chip->erases; i++) {
		if (chip->erase[i].size == flm_sector_size) {
			return change(chip->erase[i].form, offset & ~(flm_sector_size - 1u), NULL, 0,
			              chip->erase[i].max_ms);
		}
	}
	return RESULT_FAILED;
}

static bool all_are(const uint8_t *data, uint32_t length, uint8_t value)
{
	for (uint32_t i = 0; i < length; i++) {
		if (data[i] != value) {
			return false;
		}
	}
	return true;
}

/* The host's page may be many of the chip's; what is all ones needs no programming. */
int ProgramPage(unsigned long address, unsigned long size, unsigned char *data)
{
	uint32_t offset = address - QSPI_WINDOW;

	if (!in_range(address, size)) {
		return RESULT_FAILED;
	}
	while (size > 0) {
		uint32_t page = chip->page_size - offset % chip->page_size;

		if (page > size) {
			page = size;
		}
		if (!all_are(data, page, NOR_FLOATING) &&
		    change(chip->program_form, offset, data, page, chip->program_max_ms) != RESULT_OK) {
			return RESULT_FAILED;
		}
		offset += page;
		data += page;
		size -= page;
	}
	return RESULT_OK;
}

int BlankCheck(unsigned long address, unsigned long size, unsigned char pattern)
{
	uint8_t piece[BLANK_PIECE];
	uint32_t offset = address - QSPI_WINDOW;

	if (!in_range(address, size)) {
		return RESULT_FAILED;
	}
	while (size > 0) {
		uint32_t length = (size < BLANK_PIECE) ? size : BLANK_PIECE;

		controller_read(chip->read_form, offset, piece, length);
		if (controller_failed() || !all_are(piece, length, pattern)) {
			return RESULT_FAILED;
		}
		offset += length;
		size -= length;
	}
	return RESULT_OK;
}
