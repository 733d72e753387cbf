/* Serial NOR chips: what every one of them knows, and what the board's chip table says about this one.
 *
 * None of these reports a failed transfer: controller_failed() does, where a step of a command ends.
 */
#ifndef BOARDFLASH_NOR_H
#define BOARDFLASH_NOR_H

#include "board_data.h"
#include "controller.h"
#include "mailbox.h"

#define NOR_ID_BYTES 6u
#define NOR_ONE      1u /* line */
#define NOR_FOUR     4u

/* Registers as the last step saw them; they go into the command's `detail`. */
struct nor_registers {
	uint8_t status1;
	uint8_t status2; /* or the flag status register */
};

/* One-line commands without an address; they work in every state but QPI, continuous read and power-down. */
void nor_command(uint8_t opcode);
uint8_t nor_register(uint8_t opcode);
bool nor_busy_in_qpi(void); /* with the controller on four lines */
void nor_read_id(uint8_t id[NOR_ID_BYTES]);
void nor_read_sfdp(uint32_t address, uint32_t length, uint8_t *data);

void nor_begin_identify(void); /* slow clock, one line: for a chip that is not known yet */
void nor_leave_modes(void);    /* continuous read, QPI, deep power-down */
void nor_reset(void);          /* 66h 99h */

/* Quad enable, address width, dummy count: all that OP_SELECT_CHIP does. `set`: enum set_up of what had to be written. */
enum status nor_select(const struct chip *chip, struct nor_registers *seen, uint32_t *set);
/* Clears the protection bits, volatile where the chip can; the slow clock must be set. */
enum status nor_unprotect(const struct chip *chip, struct nor_registers *seen, uint32_t *set);
void nor_switch_address_mode(const struct chip *chip, bool four);

bool nor_write_enable(struct nor_registers *seen); /* false: WEL did not set */
/* Wait by hardware polling for the end of what was begun. */
void nor_wait_begin(const struct chip *chip);
void nor_wait_status1_begin(void);
/* How the finished erase or program went; `failed` is what to call a failure. */
enum status nor_finish(const struct chip *chip, enum status failed, struct nor_registers *seen);
void nor_read_registers(const struct chip *chip, uint32_t registers[4]);

#endif
