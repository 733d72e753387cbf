/* Puts an identified chip into the state that its row of the chip table describes.
 *
 * Quad enable by the seven methods of JESD216F 6.4.18 (DWORD 15 bits 22:20); each is checked first, written only
 * if clear, and read back.
 */
#include "nor.h"
#include "nor_opcodes.h"
#include "time.h"

#define OPCODE_NONE 0x00u

static enum status write_register(uint8_t opcode, const uint8_t *values, uint32_t count)
{
	struct transfer transfer = {.opcode = opcode, .instruction_lines = 1, .data_lines = 1, .length = count};

	return controller_write(&transfer, values);
}

static enum status wait_idle(uint32_t max_ms)
{
	uint32_t start = time_ms();
	uint8_t status1;

	do {
		if (nor_read_register(NOR_READ_STATUS1, &status1) != STATUS_OK) {
			return STATUS_CONTROLLER;
		}
		if ((status1 & NOR_SR1_WIP) == 0) {
			return STATUS_OK;
		}
	} while (time_ms() - start <= max_ms);
	return STATUS_TIMEOUT;
}

/* A status register write; volatile where asked for and the vendor has it, else for good. */
static enum status write_status(const struct chip *chip, bool to_volatile, uint8_t opcode, const uint8_t *values,
                                uint32_t count)
{
	uint8_t enable = (to_volatile && chip->volatile_status) ? NOR_VOLATILE_ENABLE : NOR_WRITE_ENABLE;

	if (nor_command(enable) != STATUS_OK || write_register(opcode, values, count) != STATUS_OK) {
		return STATUS_CONTROLLER;
	}
	return wait_idle(chip->status_write_max_ms);
}

static uint8_t status2_read_opcode(const struct chip *chip)
{
	switch (chip->quad_enable) {
	case QUAD_ENABLE_S2B1V1:
	case QUAD_ENABLE_S2B1V4:
	case QUAD_ENABLE_S2B1V5:
	case QUAD_ENABLE_S2B1V6:
		return NOR_READ_STATUS2;
	case QUAD_ENABLE_S2B7:
		return NOR_READ_STATUS2_S2B7;
	default:
		return OPCODE_NONE;
	}
}

static enum status read_both(const struct chip *chip, struct nor_registers *seen)
{
	uint8_t opcode = status2_read_opcode(chip);

	if (nor_read_register(NOR_READ_STATUS1, &seen->status1) != STATUS_OK) {
		return STATUS_CONTROLLER;
	}
	seen->status2 = 0;
	return (opcode == OPCODE_NONE) ? STATUS_OK : nor_read_register(opcode, &seen->status2);
}

/* Both registers, by the way that this kind of chip has. A one-byte 01h clears SR2 on older chips (S2B1v1), so it is
 * used only where SR2 has a write of its own.
 */
static enum status write_both(const struct chip *chip, bool to_volatile, uint8_t status1, uint8_t status2,
                              const struct nor_registers *now)
{
	uint8_t values[2] = {status1, status2};
	uint8_t opcode2;
	enum status status = STATUS_OK;

	switch (chip->quad_enable) {
	case QUAD_ENABLE_S2B1V1:
	case QUAD_ENABLE_S2B1V4:
	case QUAD_ENABLE_S2B1V5:
		return write_status(chip, to_volatile, NOR_WRITE_STATUS1, values, sizeof(values));
	case QUAD_ENABLE_S2B1V6:
		opcode2 = NOR_WRITE_STATUS2;
		break;
	case QUAD_ENABLE_S2B7:
		opcode2 = NOR_WRITE_STATUS2_S2B7;
		break;
	default:
		opcode2 = OPCODE_NONE;
		break;
	}
	if (status1 != now->status1) {
		status = write_status(chip, to_volatile, NOR_WRITE_STATUS1, &values[0], 1);
	}
	if (status == STATUS_OK && opcode2 != OPCODE_NONE && status2 != now->status2) {
		status = write_status(chip, to_volatile, opcode2, &values[1], 1);
	}
	return status;
}

static enum status enable_quad(const struct chip *chip, struct nor_registers *seen)
{
	uint8_t bit1 = 0;
	uint8_t bit2 = 0;
	bool unreadable;
	enum status status = read_both(chip, seen);

	switch (chip->quad_enable) {
	case QUAD_ENABLE_NONE:
		return status;
	case QUAD_ENABLE_S1B6:
		bit1 = NOR_SR1_QE;
		break;
	case QUAD_ENABLE_S2B7:
		bit2 = NOR_SR2_QE_BIT7;
		break;
	default:
		bit2 = NOR_SR2_QE;
		break;
	}
	if (status != STATUS_OK) {
		return status;
	}
	/* Methods 1 and 4 promise no 35h: a chip without it leaves the line to its pull-up. */
	unreadable = seen->status2 == NOR_FLOATING &&
	             (chip->quad_enable == QUAD_ENABLE_S2B1V1 || chip->quad_enable == QUAD_ENABLE_S2B1V4);
	if (unreadable) {
		return write_both(chip, false, seen->status1, bit2, seen);
	}
	if ((seen->status1 & bit1) == bit1 && (seen->status2 & bit2) == bit2) {
		return STATUS_OK;
	}
	status = write_both(chip, false, seen->status1 | bit1, seen->status2 | bit2, seen);
	if (status == STATUS_OK) {
		status = read_both(chip, seen);
	}
	if (status == STATUS_OK && ((seen->status1 & bit1) != bit1 || (seen->status2 & bit2) != bit2)) {
		status = STATUS_QUAD_ENABLE;
	}
	return status;
}

/* SR3 (Winbond WPS) has a read and a write of its own. */
static enum status lift_status3(const struct chip *chip, struct nor_registers *seen)
{
	uint8_t value;
	enum status status = STATUS_OK;

	if (chip->protect3 == 0) {
		return STATUS_OK;
	}
	for (uint32_t tries = 0; tries < 2u && status == STATUS_OK; tries++) {
		status = nor_read_register(NOR_READ_STATUS3, &value);
		if (status != STATUS_OK || (value & chip->protect3) == 0) {
			return status;
		}
		value &= (uint8_t)~chip->protect3;
		status = write_status(chip, true, NOR_WRITE_STATUS3, &value, 1);
	}
	if (status == STATUS_OK) {
		status = nor_read_register(NOR_READ_STATUS3, &value);
	}
	if (status == STATUS_OK && (value & chip->protect3) != 0) {
		seen->status2 = value;
		status = STATUS_PROTECTED;
	}
	return status;
}

static enum status lift_protection(const struct chip *chip, struct nor_registers *seen)
{
	enum status status = read_both(chip, seen);

	if (status == STATUS_OK && ((seen->status1 & chip->protect1) != 0 || (seen->status2 & chip->protect2) != 0)) {
		status = write_both(chip, true, seen->status1 & (uint8_t)~chip->protect1,
		                    seen->status2 & (uint8_t)~chip->protect2, seen);
		if (status == STATUS_OK) {
			status = read_both(chip, seen);
		}
		if (status == STATUS_OK &&
		    ((seen->status1 & chip->protect1) != 0 || (seen->status2 & chip->protect2) != 0)) {
			return STATUS_PROTECTED;
		}
	}
	return (status == STATUS_OK) ? lift_status3(chip, seen) : status;
}

static enum status switch_address_mode(const struct chip *chip, bool four)
{
	if (chip->enter_4byte == ENTER_4BYTE_WREN_B7 && nor_command(NOR_WRITE_ENABLE) != STATUS_OK) {
		return STATUS_CONTROLLER;
	}
	if (nor_command(four ? NOR_ENTER_4BYTE : NOR_EXIT_4BYTE) != STATUS_OK) {
		return STATUS_CONTROLLER;
	}
	return (chip->enter_4byte == ENTER_4BYTE_WREN_B7) ? nor_command(NOR_WRITE_DISABLE) : STATUS_OK;
}

/* After its reset a chip is in the mode of its non-volatile default; where a register tells which, it is asked. */
static enum status set_address_mode(const struct chip *chip, struct nor_registers *seen)
{
	bool four = chip->address_bytes == 4u;
	enum status status;

	if (chip->mode_register == OPCODE_NONE) {
		return (four && chip->enter_4byte != ENTER_4BYTE_NONE) ? switch_address_mode(chip, true) : STATUS_OK;
	}
	for (uint32_t tries = 0;; tries++) {
		status = nor_read_register(chip->mode_register, &seen->status2);
		if (status != STATUS_OK || ((seen->status2 & chip->mode_mask) != 0) == four) {
			return status;
		}
		if (tries > 0) {
			return STATUS_CONTROLLER;
		}
		status = switch_address_mode(chip, four);
		if (status != STATUS_OK) {
			return status;
		}
	}
}

/* Micron: the dummy count, XIP and wrap of reads stand in the volatile configuration register. */
static enum status set_dummies(const struct chip *chip, struct nor_registers *seen)
{
	uint8_t wanted;
	enum status status;

	if (!chip->volatile_dummies) {
		return STATUS_OK;
	}
	status = nor_read_register(NOR_READ_VOLATILE, &seen->status2);
	wanted = (uint8_t)((seen->status2 & ~NOR_VCR_DUMMY_MASK) | NOR_VCR_XIP_OFF | NOR_VCR_WRAP_NONE |
	                   ((uint32_t)chip->read.dummy_cycles << NOR_VCR_DUMMY_SHIFT));
	if (status != STATUS_OK || seen->status2 == wanted) {
		return status;
	}
	if (nor_command(NOR_WRITE_ENABLE) != STATUS_OK ||
	    write_register(NOR_WRITE_VOLATILE, &wanted, 1) != STATUS_OK) {
		return STATUS_CONTROLLER;
	}
	status = wait_idle(chip->status_write_max_ms);
	if (status == STATUS_OK) {
		status = nor_read_register(NOR_READ_VOLATILE, &seen->status2);
	}
	return (status == STATUS_OK && seen->status2 != wanted) ? STATUS_CONTROLLER : status;
}

enum status nor_select(const struct chip *chip, struct nor_registers *seen)
{
	enum status status;

	if (chip->flag_status) {
		/* errors of an earlier session block every further program until they are cleared */
		(void)nor_command(NOR_CLEAR_FLAG_STATUS);
	}
	status = enable_quad(chip, seen);
	if (status == STATUS_OK) {
		status = lift_protection(chip, seen);
	}
	if (status == STATUS_OK) {
		status = set_address_mode(chip, seen);
	}
	if (status == STATUS_OK) {
		status = set_dummies(chip, seen);
	}
	if (status == STATUS_OK) {
		controller_configure(&chip->timing);
		controller_four_lines(chip->read.data_lines == 4u || chip->program.data_lines == 4u);
	}
	return status;
}
