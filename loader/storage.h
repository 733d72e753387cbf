/* One programmable memory by plain calls, each over when it returns: what flash algorithms of any host are made of.
 *
 * storage_qspi.c or storage_internal.c is built in. Addresses are those of the host's view.
 */
#ifndef BOARDFLASH_STORAGE_H
#define BOARDFLASH_STORAGE_H

#include "hardware.h"

#define STORAGE_PIECE 256u

bool storage_open(void);   /* from any state of MCU and chip to one in which all below works */
bool storage_expose(void); /* the host's own reads of the memory find its content, until it is next changed */
bool storage_close(void);  /* exposed, and the core as firmware expects it */

bool storage_holds(uint32_t address, uint32_t length);
uint32_t storage_erase(uint32_t address); /* the sector that holds it; its size, 0 = failed */
bool storage_erase_all(void);
bool storage_program(uint32_t address, const uint8_t *data, uint32_t length);
bool storage_read(uint32_t address, uint8_t *to, uint32_t length);

/* A run read by pieces: the next one of `length` bytes that are left, and how long it is. NULL: it cannot be read. */
const uint8_t *storage_piece(uint32_t address, uint32_t length, uint32_t *piece);

/* Bytes from the start that are as expected; `length` if all are. */
uint32_t storage_matches(uint32_t address, const uint8_t *expected, uint32_t length);
bool storage_is_all(uint32_t address, uint32_t length, uint8_t value);

static inline bool storage_bytes_are(const uint8_t *data, uint32_t length, uint8_t value)
{
	for (uint32_t i = 0; i < length; i++) {
		if (data[i] != value) {
			return false;
		}
	}
	return true;
}

/* Ranges that the board file protects, the last with size 0. */
struct storage_range {
	uint32_t address;
	uint32_t size;
};

extern const struct storage_range storage_protected[];

/* No byte of it is protected by the board file. */
bool storage_may_change(uint32_t address, uint32_t length);

/* JEDEC ID prefixes that the board's chips answer, each with its row of board_chips. */
struct storage_chip {
	uint8_t row;
	uint8_t length;
	uint8_t id[6];
};

extern const struct storage_chip storage_chips[];
extern const uint32_t storage_chip_count;
extern const uint32_t storage_sector_size;

#endif
