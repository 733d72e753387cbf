/* What the internal region asks of an MCU's flash controller. One driver in internal/ is built in. */
#ifndef BOARDFLASH_INTERNAL_FLASH_H
#define BOARDFLASH_INTERNAL_FLASH_H

#include "board_data.h"
#include "hardware.h"
#include "mailbox.h"

void flash_start(uint32_t supply_mv);
void flash_protection(struct mcu_identity *identity); /* option_bytes, read_protected, write_protected */
void flash_registers(uint32_t registers[4]);

bool flash_unlock(uint32_t address); /* false: the controller stays locked until the next reset */
void flash_lock(void);
bool flash_busy(void);

void flash_erase_begin(uint32_t unit);
void flash_program_begin(uint32_t address);
/* Bytes that one flash_store writes; it follows the supply. */
uint32_t flash_store_bytes(void);
void flash_store(uint32_t address, const uint8_t *data);
/* After each erase or store, once no longer busy: false if the controller reports an error. `detail` = SR, CR. */
bool flash_result(uint32_t detail[4]);

#endif
