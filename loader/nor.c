/* A chosen chip at work: how it is waited for, and how an erase or program went. */
#include "nor.h"

#include "nor_opcodes.h"

bool nor_write_enable(struct nor_registers *seen)
{
	nor_command(NOR_WRITE_ENABLE);
	seen->status1 = nor_register(NOR_READ_STATUS1);
	return (seen->status1 & NOR_SR1_WEL) != 0 && seen->status1 != NOR_FLOATING;
}

void nor_wait_status1_begin(uint8_t lines)
{
	controller_wait_begin(FORM_INSTRUCTION((uint32_t)lines, NOR_READ_STATUS1) | FORM_DATA((uint32_t)lines),
	                      NOR_SR1_WIP, 0);
}

void nor_wait_begin(const struct chip *chip)
{
	if (chip->flag_status) {
		controller_wait_begin(FORM_INSTRUCTION(NOR_ONE, NOR_READ_FLAG_STATUS) | FORM_DATA(NOR_ONE),
		                      NOR_FSR_READY, NOR_FSR_READY);
	} else {
		nor_wait_status1_begin(NOR_ONE);
	}
}

/* Micron: after an error WEL stays set, and nothing more is taken until 50h clears the flags; the write enable latch is
 * put back by 04h, as Linux does.
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
		if ((seen->status1 & NOR_SR1_WEL) == 0) {
			return STATUS_OK;
		}
		protection = (seen->status1 & chip->protect1) != 0;
	}
	nor_command(NOR_WRITE_DISABLE);
	return protection ? STATUS_PROTECTED : failed;
}

void nor_read_registers(const struct chip *chip, uint32_t registers[4])
{
	bool flag_status = chip != NULL && chip->flag_status;

	registers[0] = nor_register(NOR_READ_STATUS1);
	registers[1] = nor_register(flag_status ? NOR_READ_FLAG_STATUS : NOR_READ_STATUS2);
	registers[2] = flag_status ? 0 : nor_register(NOR_READ_STATUS3);
	registers[3] = flag_status ? nor_register(NOR_READ_VOLATILE) : 0;
}
