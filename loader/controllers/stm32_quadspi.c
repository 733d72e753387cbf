/* STM32 QUADSPI in indirect and automatic status-polling mode (RM0385 chapter 14, RM0433 chapter 23). */
#include "stm32_quadspi.h"

#include "controller.h"
#include "stream.h"
#include "time.h"

#define QUADSPI_IRQ 92u /* the same line on F7 and H7 (CMSIS headers) */

/* One look at SR covers this many bytes written to DR. Half of the FIFO, so that the bus goes on meanwhile. */
#define WRITE_GROUP (QSPI_FIFO_BYTES / 2u)

/* So many bytes must have come before DR is read; a read of more waits on the bus for the rest. Bit 4 of FTHRES cannot be
 * set, whatever the depth of the FIFO (ST on community.st.com, td-p/827958).
 */
#define READ_THRESHOLD 16u

#define POLL_INTERVAL 16u       /* bus clocks between two status reads */
#define FLAG_TRIES    (1u << 20) /* far more than 32 bytes on one line at the slowest clock */

#define GPIO_MODER   0x00u
#define GPIO_OTYPER  0x04u
#define GPIO_OSPEEDR 0x08u
#define GPIO_PUPDR   0x0Cu
#define GPIO_BSRR    0x18u
#define GPIO_AFRL    0x20u

#define GPIO_MODE_OUTPUT      1u
#define GPIO_MODE_ALTERNATE   2u
#define GPIO_SPEED_VERY_HIGH  3u
#define GPIO_PULL_NONE        0u
#define GPIO_PULL_UP          1u

static uint32_t control; /* CR without threshold and polling bits */
static bool failed;

static void set_field(uint32_t address, uint32_t shift, uint32_t width, uint32_t value)
{
	uint32_t mask = ((1u << width) - 1u) << shift;

	REG32(address) = (REG32(address) & ~mask) | (value << shift);
}

static void set_pin_mode(const struct board_pin *pin, uint32_t mode)
{
	set_field(pin->port + GPIO_MODER, 2u * pin->number, 2, mode);
}

static void start_pin(const struct board_pin *pin)
{
	set_field(pin->port + GPIO_AFRL + 4u * (pin->number / 8u), 4u * (pin->number % 8u), 4, pin->function);
	set_field(pin->port + GPIO_OTYPER, pin->number, 1, 0);
	set_field(pin->port + GPIO_OSPEEDR, 2u * pin->number, 2, GPIO_SPEED_VERY_HIGH);
	set_field(pin->port + GPIO_PUPDR, 2u * pin->number, 2, pin->pull_up ? GPIO_PULL_UP : GPIO_PULL_NONE);
	set_pin_mode(pin, GPIO_MODE_ALTERNATE);
}

static bool busy(void)
{
	return (REG32(QUADSPI_SR) & QUADSPI_SR_BUSY) != 0;
}

static void wait_idle(void)
{
	for (uint32_t tries = 0; tries < FLAG_TRIES; tries++) {
		if (!busy()) {
			return;
		}
	}
	failed = true;
}

static bool wait_any(uint32_t mask)
{
	for (uint32_t tries = 0; tries < FLAG_TRIES; tries++) {
		if ((REG32(QUADSPI_SR) & mask) != 0) {
			return true;
		}
	}
	return false;
}

void controller_start(void)
{
	REG32(GPIO_ENABLE_REGISTER) |= GPIO_ENABLE_BITS;
	REG32(QSPI_ENABLE_REGISTER) |= QSPI_ENABLE_BITS;
	(void)REG32(QSPI_ENABLE_REGISTER); /* two clocks until the block answers: RM0385 5.2.13 */
	REG32(QSPI_RESET_REGISTER) |= QSPI_RESET_BITS;
	REG32(QSPI_RESET_REGISTER) &= ~QSPI_RESET_BITS;
	barrier_sync();
	for (uint32_t i = 0; i < BOARD_PINS; i++) {
		start_pin(&board_pins[i]);
	}
	time_wake_on(QUADSPI_IRQ);
}

void controller_stop(void)
{
	REG32(QUADSPI_CR) = 0;
}

bool controller_failed(void)
{
	bool result = failed;

	failed = false;
	return result;
}

/* TCF tells the end of an abort. It may come after BUSY has fallen: taken for that of the next transfer it would end a page
 * half way. That of the transfer itself is cleared before.
 */
void quadspi_abort(void)
{
	REG32(QUADSPI_FCR) = QUADSPI_FCR_ALL;
	REG32(QUADSPI_CR) |= QUADSPI_CR_ABORT;
	(void)wait_any(QUADSPI_SR_TCF);
	wait_idle();
	REG32(QUADSPI_FCR) = QUADSPI_FCR_ALL;
}

/* What is not busy needs no abort, and before EN is set must have none: the manual does not say what it would do. */
static void make_idle(void)
{
	if (busy()) {
		quadspi_abort();
	}
	REG32(QUADSPI_FCR) = QUADSPI_FCR_ALL;
}

void controller_configure(const struct bus_timing *timing)
{
	make_idle();
	control = ((uint32_t)timing->prescaler << QUADSPI_CR_PRESCALER_SHIFT) | QUADSPI_CR_EN;
	if (timing->sample_shift != 0) {
		control |= QUADSPI_CR_SSHIFT;
	}
	if (QSPI_BANK == 2u) {
		control |= QUADSPI_CR_FSEL;
	}
	REG32(QUADSPI_CR) = control;
	REG32(QUADSPI_DCR) = ((timing->size_log2 - 1u) << QUADSPI_DCR_FSIZE_SHIFT) |
	                     ((timing->high_cycles - 1u) << QUADSPI_DCR_CSHT_SHIFT);
	REG32(QUADSPI_ABR) = timing->mode_value;
}

/* In one-line phases the controller drives IO2 low, which is WP# of a chip whose quad enable bit is clear. */
void controller_four_lines(bool on)
{
	for (uint32_t i = 0; i < BOARD_PINS; i++) {
		const struct board_pin *pin = &board_pins[i];

		if (pin->hold_high) {
			REG32(pin->port + GPIO_BSRR) = 1u << pin->number;
			set_pin_mode(pin, on ? GPIO_MODE_ALTERNATE : GPIO_MODE_OUTPUT);
		}
	}
}

/* With an address the write to AR starts the command, or arms it where data are written; without, that to CCR. */
static void begin(uint32_t form, uint32_t address, uint32_t length, uint32_t cr)
{
	make_idle();
	REG32(QUADSPI_CR) = control | cr;
	REG32(QUADSPI_DLR) = length - 1u;
	REG32(QUADSPI_CCR) = form;
	if ((form & FORM_HAS_ADDRESS) != 0) {
		REG32(QUADSPI_AR) = address;
	}
}

static void finish(bool had_data)
{
	if (!wait_any(QUADSPI_SR_TCF | QUADSPI_SR_TEF) || (REG32(QUADSPI_SR) & QUADSPI_SR_TEF) != 0) {
		failed = true;
	}
	if (!had_data || QSPI_ABORT_AFTER_TRANSFER == 0) { /* F74x and F75x may stay BUSY (HAL, QSPI1_V1_0) */
		wait_idle();
	}
	make_idle();
}

void controller_command(uint32_t form, uint32_t address)
{
	begin(form | QUADSPI_CCR_FMODE_WRITE, address, 0, 0);
	finish(false);
}

void controller_write(uint32_t form, uint32_t address, const uint8_t *data, uint32_t length)
{
	begin(form | QUADSPI_CCR_FMODE_WRITE, address, length, (WRITE_GROUP - 1u) << QUADSPI_CR_FTHRES_SHIFT);
	while (length > 0) {
		uint32_t group = (length < WRITE_GROUP) ? length : WRITE_GROUP;

		if (!wait_any(QUADSPI_SR_FTF)) {
			break;
		}
		length -= group;
		for (; group >= sizeof(uint32_t); group -= sizeof(uint32_t)) {
			REG32(QUADSPI_DR) = load32(data);
			data += sizeof(uint32_t);
		}
		for (; group > 0; group--) {
			REG8(QUADSPI_DR) = *data++;
		}
	}
	finish(true);
}

void controller_read_begin(uint32_t form, uint32_t address, uint32_t length, struct word_source *source)
{
	source->data = &REG32(QUADSPI_DR);
	source->step = 0;
	source->ready = &REG32(QUADSPI_SR);
	source->ready_mask = QUADSPI_SR_FTF;
	source->failed = false;
	begin(form | QUADSPI_CCR_FMODE_READ, address, length, (READ_THRESHOLD - 1u) << QUADSPI_CR_FTHRES_SHIFT);
}

void controller_read_end(void)
{
	finish(true);
}

void controller_read_abandon(void)
{
	make_idle();
}

void controller_read(uint32_t form, uint32_t address, uint8_t *data, uint32_t length)
{
	struct word_source source;

	controller_read_begin(form, address, length, &source);
	if (stream_fetch(&source, data, length)) {
		controller_read_end();
	} else {
		failed = true;
		make_idle();
	}
}

void controller_wait_begin(uint32_t form, uint8_t mask, uint8_t match)
{
	REG32(QUADSPI_PSMKR) = mask;
	REG32(QUADSPI_PSMAR) = match;
	REG32(QUADSPI_PIR) = POLL_INTERVAL;
	begin(form | QUADSPI_CCR_FMODE_POLL, 0, 1, QUADSPI_CR_APMS | QUADSPI_CR_SMIE);
}

bool controller_wait_done(void)
{
	return (REG32(QUADSPI_SR) & QUADSPI_SR_SMF) != 0;
}

void controller_wait_end(void)
{
	REG32(QUADSPI_CR) = control;
	make_idle();
}

uint32_t controller_status(void)
{
	return REG32(QUADSPI_SR);
}

uint32_t controller_control(void)
{
	return REG32(QUADSPI_CR);
}
