/* What the NOR core asks of a serial flash controller. One driver in controllers/ is built in. */
#ifndef BOARDFLASH_CONTROLLER_H
#define BOARDFLASH_CONTROLLER_H

#include "blake2s.h"
#include "hardware.h"

/* One command on the bus, packed: the opcode, and how many lines each phase takes. A phase on 0 lines is left out. The
 * fields are those of STM32's QUADSPI_CCR and OCTOSPI kin; a driver for another controller takes them apart.
 */
#define FORM_LINES(lines)              ((lines) == 4u ? 3u : (lines))
#define FORM_INSTRUCTION(lines, code)  ((code) | (FORM_LINES(lines) << 8))
#define FORM_ADDRESS(lines, bytes)     ((FORM_LINES(lines) << 10) | (((bytes) - 1u) << 12))
#define FORM_MODE_BYTE(lines)          (FORM_LINES(lines) << 14) /* of bus_timing.mode_value */
#define FORM_MODE_WORD(lines)          (FORM_MODE_BYTE(lines) | (3u << 16)) /* all four bytes of it */
#define FORM_DUMMY(cycles)             ((cycles) << 18)
#define FORM_DATA(lines)               (FORM_LINES(lines) << 24)
#define FORM_HAS_ADDRESS               (3u << 10)

struct bus_timing {
	uint8_t prescaler;    /* clock = controller clock / (prescaler + 1) */
	uint8_t size_log2;    /* of the chip, in bytes */
	uint8_t high_cycles;  /* clocks that chip select stays high between commands, 1 to 8 */
	uint8_t sample_shift; /* sample half a clock later */
	uint32_t mode_value;  /* the mode byte of reads; must not enter continuous read */
};

void controller_start(void);
void controller_stop(void);
void controller_configure(const struct bus_timing *timing);
/* False: IO2 and IO3 (WP#, HOLD#) are driven high by GPIO; four-line phases need true. */
void controller_four_lines(bool on);

/* A transfer that fails is remembered; the next ones are tried all the same. True once: it forgets. */
bool controller_failed(void);

void controller_command(uint32_t form, uint32_t address);
void controller_write(uint32_t form, uint32_t address, const uint8_t *data, uint32_t length);
void controller_read(uint32_t form, uint32_t address, uint8_t *data, uint32_t length);

/* A long read: `source` delivers exactly `length` bytes; then _end, or _abandon before that. */
void controller_read_begin(uint32_t form, uint32_t address, uint32_t length, struct word_source *source);
void controller_read_end(void);
void controller_read_abandon(void);

/* Poll a status register by hardware until (register & mask) == match; the controller's interrupt ends a sleep. */
void controller_wait_begin(uint32_t form, uint8_t mask, uint8_t match);
bool controller_wait_done(void);
void controller_wait_end(void);

uint32_t controller_status(void);
uint32_t controller_control(void);

#endif
