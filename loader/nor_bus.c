/* Commands that need no knowledge of the chip, and the way out of every mode that firmware may have left it in. */
#include "nor.h"
#include "nor_opcodes.h"
#include "time.h"

#define ALL_ONES          0xFFFFFFFFu
#define SFDP_DUMMY_CYCLES 8u  /* JESD216F 6.1: 24-bit address, eight wait states, whatever the present mode */
#define RELEASE_US        40u /* longest exit from deep power-down that we know (MX25R) */
#define QPI_BUSY_MASK     0x83u /* WIP and WEL of an operation at work; bit 7 is a pulled-up line if nobody answers */
#define QPI_BUSY_VALUE    (NOR_SR1_WIP | NOR_SR1_WEL)
#define RESET_US          30u /* tRST of W25Q; longer ones are waited for */

static const struct bus_timing identify_timing = {
	.prescaler = IDENTIFY_PRESCALER,
	.size_log2 = IDENTIFY_SIZE_LOG2,
	.high_cycles = 1,
	.sample_shift = 0,
	.mode_value = ALL_ONES,
};

void nor_command(uint8_t opcode)
{
	controller_command(FORM_INSTRUCTION(NOR_ONE, opcode), 0);
}

static void command_four_lines(uint8_t opcode)
{
	controller_command(FORM_INSTRUCTION(NOR_FOUR, opcode), 0);
}

uint8_t nor_register(uint8_t opcode)
{
	uint8_t value = NOR_FLOATING;

	controller_read(FORM_INSTRUCTION(NOR_ONE, opcode) | FORM_DATA(NOR_ONE), 0, &value, 1);
	return value;
}

/* The first byte is lost where the lines turn around without a dummy clock (ST's staff, community.st.com thread 216569:
 * the controller's own polling fails so, too); the chip repeats its status.
 */
bool nor_busy_in_qpi(void)
{
	uint8_t values[2];

	controller_read(FORM_INSTRUCTION(NOR_FOUR, NOR_READ_STATUS1) | FORM_DATA(NOR_FOUR), 0, values, sizeof(values));
	return (values[1] & QPI_BUSY_MASK) == QPI_BUSY_VALUE;
}

void nor_read_id(uint8_t id[NOR_ID_BYTES])
{
	controller_read(FORM_INSTRUCTION(NOR_ONE, NOR_READ_ID) | FORM_DATA(NOR_ONE), 0, id, NOR_ID_BYTES);
}

void nor_read_sfdp(uint32_t address, uint32_t length, uint8_t *data)
{
	controller_read(FORM_INSTRUCTION(NOR_ONE, NOR_READ_SFDP) | FORM_ADDRESS(NOR_ONE, 3u) |
	                        FORM_DUMMY(SFDP_DUMMY_CYCLES) | FORM_DATA(NOR_ONE),
	                address, data, length);
}

void nor_begin_identify(void)
{
	controller_configure(&identify_timing);
	controller_four_lines(false);
}

/* All ones, long enough for an address, the mode bits and the confirmation bit of every continuous-read mode: 10
 * clocks on four lines (4-byte address and mode byte), 40 on one. Sent as mode bytes: the controller refuses an
 * address beyond the chip.
 */
static void send_ones(uint32_t lines)
{
	controller_command(FORM_INSTRUCTION(lines, NOR_ONES) | FORM_MODE_WORD(lines), 0);
}

void nor_leave_modes(void)
{
	controller_four_lines(true);
	send_ones(NOR_FOUR);
	command_four_lines(NOR_EXIT_QPI_F5);
	command_four_lines(NOR_ONES);
	command_four_lines(NOR_RELEASE_POWER_DOWN);
	controller_four_lines(false);
	send_ones(NOR_ONE);
	nor_command(NOR_ONES);
	nor_command(NOR_RELEASE_POWER_DOWN);
	time_delay_us(RELEASE_US);
}

/* 66h must be followed by 99h at once. Four lines first: a chip in QPI hears nothing else. */
void nor_reset(void)
{
	controller_four_lines(true);
	command_four_lines(NOR_RESET_ENABLE);
	command_four_lines(NOR_RESET);
	time_delay_us(RESET_US);
	controller_four_lines(false);
	nor_command(NOR_RESET_ENABLE);
	nor_command(NOR_RESET);
	time_delay_us(RESET_US);
}
