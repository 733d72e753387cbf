/* The ways to read a chosen chip: as its row of the chip table says, and on one line, which no wrong line, quad
 * enable bit, dummy count or mode byte can spoil. What agrees both ways is proved.
 */
#ifndef BOARDFLASH_WAYS_H
#define BOARDFLASH_WAYS_H

#include "nor.h"

#define WAYS_BLOCK 256u /* bytes that are compared at once: the change from one way to the other takes 18 us */

/* After nor_select(): the controller stands as the chip's mode needs it. */
void ways_start(const struct chip *chip);
/* Sets clock, pins and, for three address bytes, the chip's address mode; does nothing if they are so already. */
void ways_use(enum way way);
uint32_t ways_read_form(void);
uint32_t ways_program_form(void);
/* Reads up to WAYS_BLOCK bytes at an offset in the chip both ways, on one line into `block`. The first offset that
 * differs, or offset + length.
 */
uint32_t ways_compare(uint32_t offset, uint32_t *block, uint32_t length);
/* One spot of OP_PROVE: its word. */
uint32_t ways_prove(uint32_t offset);

#endif
