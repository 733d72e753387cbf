/* Commands that need no knowledge of the chip, and the way out of every mode that firmware may have left it in. */
#include "nor.h"
#include "nor_opcodes.h"
#include "time.h"

#define ALL_ONES           0xFFFFFFFFu
#define SFDP_DUMMY_CYCLES  8u  /* JESD216F 6.1: 24-bit address, eight wait states, whatever the present mode */
#define SFDP_ADDRESS_BYTES 3u
#define RELEASE_US         40u /* longest exit from deep power-down that we know (MX25R) */
#define RESET_US           30u /* tRST of W25Q; longer ones show as WIP */

static const struct bus_timing identify_timing = {
	.prescaler = IDENTIFY_PRESCALER,
	.size_log2 = IDENTIFY_SIZE_LOG2,
	.high_cycles = 1,
	.sample_shift = 0,
};

static enum status command_on(uint8_t lines, uint8_t opcode)
{
	struct transfer transfer = {.opcode = opcode, .instruction_lines = lines};

	return controller_command(&transfer);
}

enum status nor_command(uint8_t opcode)
{
	return command_on(1, opcode);
}

enum status nor_command_four_lines(uint8_t opcode)
{
	return command_on(4, opcode);
}

enum status nor_read_register(uint8_t opcode, uint8_t *value)
{
	struct transfer transfer = {.opcode = opcode, .instruction_lines = 1, .data_lines = 1, .length = 1};

	return controller_read(&transfer, value);
}

enum status nor_status1_four_lines(uint8_t *value)
{
	struct transfer transfer = {
		.opcode = NOR_READ_STATUS1, .instruction_lines = 4, .data_lines = 4, .length = 1};

	return controller_read(&transfer, value);
}

enum status nor_read_id(uint8_t id[NOR_ID_BYTES])
{
	struct transfer transfer = {
		.opcode = NOR_READ_ID, .instruction_lines = 1, .data_lines = 1, .length = NOR_ID_BYTES};

	return controller_read(&transfer, id);
}

enum status nor_read_sfdp(uint32_t address, uint32_t length, uint8_t *data)
{
	struct transfer transfer = {
		.opcode = NOR_READ_SFDP,
		.instruction_lines = 1,
		.address_lines = 1,
		.address_bytes = SFDP_ADDRESS_BYTES,
		.dummy_cycles = SFDP_DUMMY_CYCLES,
		.data_lines = 1,
		.address = address,
		.length = length,
	};

	return controller_read(&transfer, data);
}

void nor_begin_identify(void)
{
	controller_configure(&identify_timing);
	controller_four_lines(false);
}

/* All ones, long enough for an address, the mode bits and the confirmation bit of every continuous-read mode: 10
 * clocks on four lines (4-byte address and mode byte), 40 on one.
 */
static void send_ones(uint8_t lines)
{
	struct transfer transfer = {
		.opcode = NOR_ONES,
		.instruction_lines = lines,
		.address_lines = lines,
		.address_bytes = 4,
		.address = ALL_ONES,
	};

	(void)controller_command(&transfer);
}

void nor_leave_modes(void)
{
	controller_four_lines(true);
	send_ones(4);
	(void)nor_command_four_lines(NOR_EXIT_QPI_F5);
	(void)nor_command_four_lines(NOR_ONES);
	(void)nor_command_four_lines(NOR_RELEASE_POWER_DOWN);
	controller_four_lines(false);
	send_ones(1);
	(void)nor_command(NOR_ONES);
	(void)nor_command(NOR_RELEASE_POWER_DOWN);
	time_delay_us(RELEASE_US);
}

/* 66h must be followed by 99h at once. Four lines first: a chip in QPI hears nothing else. */
void nor_reset(void)
{
	controller_four_lines(true);
	(void)nor_command_four_lines(NOR_RESET_ENABLE);
	(void)nor_command_four_lines(NOR_RESET);
	time_delay_us(RESET_US);
	controller_four_lines(false);
	(void)nor_command(NOR_RESET_ENABLE);
	(void)nor_command(NOR_RESET);
	time_delay_us(RESET_US);
}
