/* What the NOR core asks of a serial flash controller. One driver in controllers/ is built in. */
#ifndef BOARDFLASH_CONTROLLER_H
#define BOARDFLASH_CONTROLLER_H

#include "blake2s.h"
#include "hardware.h"
#include "mailbox.h"

/* One command on the bus. A phase on 0 lines is left out. */
struct transfer {
	uint8_t opcode;
	uint8_t instruction_lines;
	uint8_t address_lines;
	uint8_t address_bytes;
	uint8_t mode_lines; /* one mode byte */
	uint8_t mode_value;
	uint8_t dummy_cycles;
	uint8_t data_lines;
	uint32_t address; /* in the chip */
	uint32_t length;
};

struct bus_timing {
	uint8_t prescaler;    /* clock = controller clock / (prescaler + 1) */
	uint8_t size_log2;    /* of the chip, in bytes */
	uint8_t high_cycles;  /* clocks that chip select stays high between commands, 1 to 8 */
	uint8_t sample_shift; /* sample half a clock later */
};

void controller_start(void);
void controller_stop(void);
void controller_configure(const struct bus_timing *timing);
/* False: IO2 and IO3 (WP#, HOLD#) are driven high by GPIO; four-line phases need true. */
void controller_four_lines(bool on);

enum status controller_command(const struct transfer *transfer);
enum status controller_write(const struct transfer *transfer, const uint8_t *data);
enum status controller_read(const struct transfer *transfer, uint8_t *data);

/* A long read: `source` delivers exactly transfer->length bytes, then controller_read_end. */
enum status controller_read_begin(const struct transfer *transfer, struct word_source *source);
enum status controller_read_end(void);
void controller_read_abandon(void); /* before its end */

/* Poll a status register by hardware until (register & mask) == match; the controller's interrupt ends a sleep. */
enum status controller_wait_begin(const struct transfer *transfer, uint8_t mask, uint8_t match);
bool controller_wait_done(void);
void controller_wait_end(void);

uint32_t controller_status(void);
uint32_t controller_control(void);

#endif
