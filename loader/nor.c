/* A chosen chip at work: how it is waited for, and how an erase or program went. */
#include "nor.h"

#include "nor_opcodes.h"

bool nor_write_enable(struct nor_registers *seen)
{
	nor_command(NOR_WRITE_ENABLE);
	seen->status1 = nor_register(NOR_READ_STATUS1);
	return (seen->status1 & NOR_SR1_WEL) != 0 && seen->status1 != NOR_FLOATING;
}

void nor_wait_status1_begin(void)
{
	controller_wait_begin(FORM_INSTRUCTION(NOR_ONE, NOR_READ_STATUS1) | FORM_DATA(NOR_ONE), NOR_SR1_WIP, 0);
}

void nor_wait_begin(const struct chip *chip)
{
	if (chip->flag_status) {
		controller_wait_begin(FORM_INSTRUCTION(NOR_ONE, NOR_READ_FLAG_STATUS) | FORM_DATA(NOR_ONE),
		                      NOR_FSR_READY, NOR_FSR_READY);
	} else {
		nor_wait_status1_begin();
	}
}

/* Micron: after an error WEL stays set, and nothing more is taken until 50h clears the flags; the write enable latch is
 * put back by 04h, as Linux does.
 *
 * Macronix: bits of a register of their own; each keeps its value until the next erase or program of its kind.
 *
 * The others have no error bit in common. But a command that was carried out has cleared WEL; one that the chip ignored
 * has left it.
 */
enum status nor_finish(const struct chip *chip, enum status failed, struct nor_registers *seen)
{
	bool protection;

	if (chip->flag_status) {
		seen->status2 = nor_register(NOR_READ_FLAG_STATUS);
		if ((seen->status2 & NOR_FSR_ERRORS) == 0) {
			return STATUS_OK;
		}
		seen->status1 = nor_register(NOR_READ_STATUS1);
		nor_command(NOR_CLEAR_FLAG_STATUS);
		protection = (seen->status2 & NOR_FSR_PROTECTION) != 0;
	} else {
		seen->status1 = nor_register(NOR_READ_STATUS1);
		if (chip->fail_register != 0) {
			seen->status2 = nor_register(chip->fail_register);
			if ((seen->status2 & ((failed == STATUS_ERASE_FAILED) ? chip->erase_fail : chip->program_fail)) != 0) {
				return failed;
			}
		}
		if ((seen->status1 & NOR_SR1_WEL) == 0) {
			return STATUS_OK;
		}
		protection = (seen->status1 & chip->protect1) != 0;
	}
	nor_command(NOR_WRITE_DISABLE);
	return protection ? STATUS_PROTECTED : failed;
}

/* Only what this chip is known to have: 35h reads SR2 on one and enters QPI on another. */
void nor_read_registers(const struct chip *chip, uint32_t registers[4])
{
	registers[0] = nor_register(NOR_READ_STATUS1);
	for (uint32_t i = 0; i < CHIP_REPORTS; i++) {
		bool known = chip != NULL && chip->report[i] != 0;

		registers[i + 1u] = known ? nor_register(chip->report[i]) : 0;
	}
}
