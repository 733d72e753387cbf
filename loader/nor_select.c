/* Puts an identified chip into the state that its row of the chip table describes.
 *
 * Quad enable by the seven methods of JESD216F 6.4.18 (DWORD 15 bits 22:20); each is checked first, written only
 * if clear, and read back.
 */
#include "nor.h"
#include "nor_opcodes.h"
#include "time.h"

#define OPCODE_NONE 0x00u

static void write_register(uint8_t opcode, const uint8_t *values, uint32_t count)
{
	controller_write(FORM_INSTRUCTION(NOR_ONE, opcode) | FORM_DATA(NOR_ONE), 0, values, count);
}

/* What was written is read back by the caller: that tells a write that never ended, too. */
static void wait_idle(const struct chip *chip)
{
	uint32_t start = time_ms();

	nor_wait_status1_begin();
	while (!controller_wait_done() && time_ms() - start <= chip->status_write_max_ms + 1u) {
		time_sleep();
	}
	controller_wait_end();
}

/* A status register write; volatile where asked for and the vendor has it, else for good. */
static void write_status(const struct chip *chip, bool to_volatile, uint8_t opcode, const uint8_t *values, uint32_t count)
{
	nor_command((to_volatile && chip->volatile_status) ? NOR_VOLATILE_ENABLE : NOR_WRITE_ENABLE);
	write_register(opcode, values, count);
	wait_idle(chip);
}

/* Methods 1 and 4 promise no 35h: a chip without it leaves the line to its pull-up. Then SR2 is taken to hold quad
 * enable and nothing else, and false is returned.
 */
static bool read_both(const struct chip *chip, struct nor_registers *seen)
{
	seen->status1 = nor_register(NOR_READ_STATUS1);
	seen->status2 = (chip->status2_read == OPCODE_NONE) ? 0 : nor_register(chip->status2_read);
	if (seen->status2 == NOR_FLOATING && chip->status2_unreadable) {
		seen->status2 = chip->quad_enable2;
		return false;
	}
	return true;
}

/* Both registers, by the way that this kind of chip has. A one-byte 01h clears SR2 on older chips (S2B1v1), so it is
 * used only where SR2 has a write of its own. Afterwards `seen` is what reads back.
 */
static void write_both(const struct chip *chip, bool to_volatile, uint8_t status1, uint8_t status2,
                       struct nor_registers *seen)
{
	uint8_t values[2] = {status1, status2};

	if (chip->status2_write == NOR_WRITE_STATUS1) {
		write_status(chip, to_volatile, NOR_WRITE_STATUS1, values, sizeof(values));
	} else {
		if (status1 != seen->status1) {
			write_status(chip, to_volatile, NOR_WRITE_STATUS1, &values[0], 1);
		}
		if (status2 != seen->status2) {
			write_status(chip, to_volatile, chip->status2_write, &values[1], 1);
		}
	}
	(void)read_both(chip, seen);
}

static bool enable_quad(const struct chip *chip, struct nor_registers *seen, uint32_t *set)
{
	uint8_t bit1 = chip->quad_enable1;
	uint8_t bit2 = chip->quad_enable2;

	if (!read_both(chip, seen) || (seen->status1 & bit1) != bit1 || (seen->status2 & bit2) != bit2) {
		*set |= SET_QUAD_ENABLE;
		write_both(chip, false, seen->status1 | bit1, seen->status2 | bit2, seen);
	}
	return (seen->status1 & bit1) == bit1 && (seen->status2 & bit2) == bit2;
}

/* SR3 (Winbond WPS) has a read and a write of its own. */
static bool lift_status3(const struct chip *chip, struct nor_registers *seen, uint32_t *set)
{
	uint8_t value = nor_register(NOR_READ_STATUS3);

	if ((value & chip->protect3) != 0) {
		*set |= SET_PROTECTION;
		value &= (uint8_t)~chip->protect3;
		write_status(chip, true, NOR_WRITE_STATUS3, &value, 1);
		seen->status2 = nor_register(NOR_READ_STATUS3);
		return (seen->status2 & chip->protect3) == 0;
	}
	return true;
}

static bool lift_protection(const struct chip *chip, struct nor_registers *seen, uint32_t *set)
{
	uint8_t keep1 = (uint8_t)~chip->protect1;
	uint8_t keep2 = (uint8_t)~chip->protect2;

	(void)read_both(chip, seen);
	if ((seen->status1 & chip->protect1) != 0 || (seen->status2 & chip->protect2) != 0) {
		*set |= SET_PROTECTION;
		write_both(chip, true, seen->status1 & keep1, seen->status2 & keep2, seen);
	}
	if ((seen->status1 & chip->protect1) != 0 || (seen->status2 & chip->protect2) != 0) {
		return false;
	}
	if (chip->unlock != OPCODE_NONE) {
		*set |= SET_BLOCK_LOCKS;
		nor_command(NOR_WRITE_ENABLE);
		nor_command(chip->unlock);
	}
	return chip->protect3 == 0 || lift_status3(chip, seen, set);
}

void nor_switch_address_mode(const struct chip *chip, bool four)
{
	if (chip->enter_4byte == ENTER_4BYTE_WREN_B7) {
		nor_command(NOR_WRITE_ENABLE);
	}
	nor_command(four ? NOR_ENTER_4BYTE : NOR_EXIT_4BYTE);
	if (chip->enter_4byte == ENTER_4BYTE_WREN_B7) {
		nor_command(NOR_WRITE_DISABLE);
	}
}

/* After its reset a chip is in the mode of its non-volatile default; where a register tells which, it is asked.
 * Commands with four address bytes of their own work in both.
 */
static bool set_address_mode(const struct chip *chip, struct nor_registers *seen, uint32_t *set)
{
	bool four = chip->address_bytes == 4u;

	if (four && chip->enter_4byte == ENTER_4BYTE_NONE) {
		return true;
	}
	if (chip->mode_register == OPCODE_NONE) {
		if (four) {
			*set |= SET_ADDRESS_MODE;
			nor_switch_address_mode(chip, true);
		}
		return true;
	}
	for (uint32_t tries = 0; tries < 2u; tries++) {
		seen->status2 = nor_register(chip->mode_register);
		if (((seen->status2 & chip->mode_mask) != 0) == four) {
			return true;
		}
		*set |= SET_ADDRESS_MODE;
		nor_switch_address_mode(chip, four);
	}
	return ((nor_register(chip->mode_register) & chip->mode_mask) != 0) == four;
}

/* Micron: the dummy count, XIP and wrap of reads stand in the volatile configuration register. */
static bool set_dummies(const struct chip *chip, struct nor_registers *seen, uint32_t *set)
{
	uint8_t wanted;

	if (!chip->volatile_dummies) {
		return true;
	}
	seen->status2 = nor_register(NOR_READ_VOLATILE);
	wanted = (uint8_t)((seen->status2 & ~NOR_VCR_DUMMY_MASK) | NOR_VCR_XIP_OFF | NOR_VCR_WRAP_NONE |
	                   ((uint32_t)chip->read_dummies << NOR_VCR_DUMMY_SHIFT));
	if (seen->status2 != wanted) {
		*set |= SET_DUMMIES;
		nor_command(NOR_WRITE_ENABLE);
		write_register(NOR_WRITE_VOLATILE, &wanted, 1);
		wait_idle(chip);
		seen->status2 = nor_register(NOR_READ_VOLATILE);
	}
	return seen->status2 == wanted;
}

enum status nor_select(const struct chip *chip, struct nor_registers *seen, uint32_t *set)
{
	if (chip->flag_status) {
		/* errors of an earlier session block every further program until they are cleared */
		nor_command(NOR_CLEAR_FLAG_STATUS);
	}
	if (!enable_quad(chip, seen, set)) {
		return STATUS_QUAD_ENABLE;
	}
	if (!set_address_mode(chip, seen, set) || !set_dummies(chip, seen, set)) {
		return STATUS_CONTROLLER;
	}
	controller_configure(&chip->timing);
	controller_four_lines(chip->uses_four_lines);
	return STATUS_OK;
}

enum status nor_unprotect(const struct chip *chip, struct nor_registers *seen, uint32_t *set)
{
	return lift_protection(chip, seen, set) ? STATUS_OK : STATUS_PROTECTED;
}
