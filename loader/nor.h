/* Serial NOR chips: what every one of them knows, and what the board's chip table says about this one. */
#ifndef BOARDFLASH_NOR_H
#define BOARDFLASH_NOR_H

#include "board_data.h"
#include "controller.h"

#define NOR_ID_BYTES 6u

/* Registers as the last failed step saw them; they go into the command's `detail`. */
struct nor_registers {
	uint8_t status1;
	uint8_t status2; /* or the flag status register */
};

/* One-line commands without an address; they work in every state but QPI, continuous read and power-down. */
enum status nor_command(uint8_t opcode);
enum status nor_command_four_lines(uint8_t opcode);
enum status nor_read_register(uint8_t opcode, uint8_t *value);
enum status nor_read_id(uint8_t id[NOR_ID_BYTES]);
enum status nor_read_sfdp(uint32_t address, uint32_t length, uint8_t *data);

/* Slow clock, one line: for a chip that is not known yet. */
void nor_begin_identify(void);
enum status nor_status1_four_lines(uint8_t *value);
void nor_leave_modes(void); /* continuous read, QPI, deep power-down */
void nor_reset(void);       /* 66h 99h */

/* Quad enable, address width, dummy count, protection: all that OP_SELECT_CHIP does. */
enum status nor_select(const struct chip *chip, struct nor_registers *seen);

enum status nor_write_enable(const struct chip *chip, struct nor_registers *seen);
enum status nor_erase_begin(const struct chip *chip, uint8_t opcode, uint32_t address);
enum status nor_chip_erase_begin(uint8_t opcode);
enum status nor_program_begin(const struct chip *chip, uint32_t address, const uint8_t *data, uint32_t length);
enum status nor_read_begin(const struct chip *chip, uint32_t address, uint32_t length, struct word_source *source);
/* Wait by hardware polling for the end of what was begun. */
enum status nor_wait_begin(const struct chip *chip);
enum status nor_wait_status1_begin(uint8_t lines);
/* How the finished erase or program went; `failed` is what to call a failure. */
enum status nor_finish(const struct chip *chip, enum status failed, struct nor_registers *seen);
void nor_read_registers(const struct chip *chip, uint32_t registers[4]);

#endif
