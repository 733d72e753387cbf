/* A chosen chip at work: erase, program, read, and how each went. */
#include "nor.h"

#include "nor_opcodes.h"

enum status nor_write_enable(const struct chip *chip, struct nor_registers *seen)
{
	(void)chip;
	if (nor_command(NOR_WRITE_ENABLE) != STATUS_OK ||
	    nor_read_register(NOR_READ_STATUS1, &seen->status1) != STATUS_OK) {
		return STATUS_CONTROLLER;
	}
	return ((seen->status1 & NOR_SR1_WEL) != 0) ? STATUS_OK : STATUS_WRITE_ENABLE;
}

enum status nor_erase_begin(const struct chip *chip, uint8_t opcode, uint32_t address)
{
	struct transfer transfer = {
		.opcode = opcode,
		.instruction_lines = 1,
		.address_lines = 1,
		.address_bytes = chip->address_bytes,
		.address = address,
	};

	return controller_command(&transfer);
}

enum status nor_chip_erase_begin(uint8_t opcode)
{
	return nor_command(opcode);
}

enum status nor_program_begin(const struct chip *chip, uint32_t address, const uint8_t *data, uint32_t length)
{
	struct transfer transfer = {
		.opcode = chip->program.opcode,
		.instruction_lines = chip->program.instruction_lines,
		.address_lines = chip->program.address_lines,
		.address_bytes = chip->address_bytes,
		.data_lines = chip->program.data_lines,
		.address = address,
		.length = length,
	};

	return controller_write(&transfer, data);
}

enum status nor_read_begin(const struct chip *chip, uint32_t address, uint32_t length, struct word_source *source)
{
	struct transfer transfer = {
		.opcode = chip->read.opcode,
		.instruction_lines = chip->read.instruction_lines,
		.address_lines = chip->read.address_lines,
		.address_bytes = chip->address_bytes,
		.mode_lines = chip->read.mode_lines,
		.mode_value = chip->read.mode_value,
		.dummy_cycles = chip->read.dummy_cycles,
		.data_lines = chip->read.data_lines,
		.address = address,
		.length = length,
	};

	return controller_read_begin(&transfer, source);
}

enum status nor_wait_status1_begin(uint8_t lines)
{
	struct transfer transfer = {
		.opcode = NOR_READ_STATUS1, .instruction_lines = lines, .data_lines = lines, .length = 1};

	return controller_wait_begin(&transfer, NOR_SR1_WIP, 0);
}

enum status nor_wait_begin(const struct chip *chip)
{
	struct transfer transfer = {
		.opcode = NOR_READ_FLAG_STATUS, .instruction_lines = 1, .data_lines = 1, .length = 1};

	if (!chip->flag_status) {
		return nor_wait_status1_begin(1);
	}
	return controller_wait_begin(&transfer, NOR_FSR_READY, NOR_FSR_READY);
}

/* Micron: after an error WEL stays set, and nothing more is taken until 50h clears the flags; the write enable latch is
 * put back by 04h, as Linux does.
 */
static enum status finish_flag_status(enum status failed, struct nor_registers *seen)
{
	if (nor_read_register(NOR_READ_FLAG_STATUS, &seen->status2) != STATUS_OK) {
		return STATUS_CONTROLLER;
	}
	if ((seen->status2 & NOR_FSR_ERRORS) == 0) {
		return STATUS_OK;
	}
	(void)nor_read_register(NOR_READ_STATUS1, &seen->status1);
	(void)nor_command(NOR_CLEAR_FLAG_STATUS);
	(void)nor_command(NOR_WRITE_DISABLE);
	return ((seen->status2 & NOR_FSR_PROTECTION) != 0) ? STATUS_PROTECTED : failed;
}

/* The others have no error bit in common. But a command that was carried out has cleared WEL; one that the chip
 * ignored has left it.
 */
enum status nor_finish(const struct chip *chip, enum status failed, struct nor_registers *seen)
{
	if (chip->flag_status) {
		return finish_flag_status(failed, seen);
	}
	if (nor_read_register(NOR_READ_STATUS1, &seen->status1) != STATUS_OK) {
		return STATUS_CONTROLLER;
	}
	if ((seen->status1 & NOR_SR1_WEL) == 0) {
		return STATUS_OK;
	}
	(void)nor_command(NOR_WRITE_DISABLE);
	return ((seen->status1 & chip->protect1) != 0) ? STATUS_PROTECTED : failed;
}

void nor_read_registers(const struct chip *chip, uint32_t registers[4])
{
	uint8_t value = 0;

	for (uint32_t i = 0; i < 4u; i++) {
		registers[i] = 0;
	}
	if (nor_read_register(NOR_READ_STATUS1, &value) == STATUS_OK) {
		registers[0] = value;
	}
	if (chip != NULL && chip->flag_status) {
		if (nor_read_register(NOR_READ_FLAG_STATUS, &value) == STATUS_OK) {
			registers[1] = value;
		}
		if (nor_read_register(NOR_READ_VOLATILE, &value) == STATUS_OK) {
			registers[3] = value;
		}
		return;
	}
	if (nor_read_register(NOR_READ_STATUS2, &value) == STATUS_OK) {
		registers[1] = value;
	}
	if (nor_read_register(NOR_READ_STATUS3, &value) == STATUS_OK) {
		registers[2] = value;
	}
}
