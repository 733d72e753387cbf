/* The QSPI region: identify, select, and every command on the chosen chip, each as a short-stepped state machine. */
#include "board_data.h"
#include "nor.h"
#include "nor_opcodes.h"
#include "region.h"
#include "scan.h"
#include "time.h"
#include "ways.h"

#define RESET_SETTLE_MS 1000u /* longest recovery from a reset that we know (MT25QL512 after an erase) */

enum step {
	STEP_IDLE,
	STEP_BUSY_BEFORE,       /* identify: an interrupted operation goes on in the chip */
	STEP_BUSY_IN_QPI,       /* the same in a chip that is in QPI */
	STEP_BUSY_AFTER_LADDER, /* the same, seen only now that the chip is out of its mode */
	STEP_RESET,             /* identify: waiting for the chip to be ready after its reset */
	STEP_SCAN,
	STEP_BOTH,    /* read or blank check, block by block in two ways */
	STEP_PROVE,
	STEP_ERASE,
	STEP_PAGE,    /* program: find the next page that is not blank, and start it */
	STEP_PROGRAM, /* the chip programs a page */
};

static enum step step;
static const struct chip *chip;
static struct scan scan;
static struct identity identity;
static struct nor_registers seen;
static uint32_t started;  /* of the present wait, in milliseconds */
static uint32_t limit_ms; /* its datasheet maximum */
static uint32_t done;     /* program: bytes that are finished */
static uint32_t page;     /* program: bytes in the page at work */

void qspi_start(void)
{
	chip = NULL;
	step = STEP_IDLE;
	controller_start();
	nor_begin_identify();
}

static enum progress fail(struct job *job, enum status status, uint32_t address)
{
	job->detail[0] = seen.status1;
	job->detail[1] = seen.status2;
	job->detail[2] = controller_status();
	job->detail[3] = controller_control();
	step = STEP_IDLE;
	return job_fail(job, status, address);
}

/* The end of a command, or of the transfers that begin a wait. */
static enum progress end(struct job *job, enum status status)
{
	if (controller_failed() && status == STATUS_OK) {
		status = STATUS_CONTROLLER;
	}
	if (status != STATUS_OK) {
		return fail(job, status, job->address);
	}
	step = STEP_IDLE;
	return job_end(job, STATUS_OK);
}

static void begin_wait(enum step next, uint32_t max_ms)
{
	step = next;
	started = time_ms();
	limit_ms = max_ms;
}

/* One tick more than asked for: the first may be cut short. */
static bool wait_expired(void)
{
	return time_ms() - started > limit_ms + 1u;
}

/* Identify */

static bool status_says_busy(uint8_t status1)
{
	return status1 != NOR_FLOATING && (status1 & NOR_SR1_WIP) != 0;
}

static enum progress end_identify(struct job *job)
{
	uint8_t all_and = NOR_FLOATING;
	uint8_t all_or = 0;
	const uint8_t *from = (const uint8_t *)&identity;

	nor_read_id(identity.jedec);
	seen.status1 = nor_register(NOR_READ_STATUS1);
	identity.status1 = seen.status1;
	for (uint32_t i = 0; i < NOR_ID_BYTES; i++) {
		all_and &= identity.jedec[i];
		all_or |= identity.jedec[i];
	}
	for (uint32_t i = 0; i < sizeof(identity); i++) {
		job->buffer[i] = from[i];
	}
	return end(job, (all_or == 0 || all_and == NOR_FLOATING) ? STATUS_NO_CHIP : STATUS_OK);
}

static enum progress begin_reset(void)
{
	nor_reset();
	begin_wait(STEP_RESET, RESET_SETTLE_MS);
	return PROGRESS_RUNNING;
}

static enum progress wait_interrupted(enum step next)
{
	identity.was_busy = 1;
	begin_wait(next, BOARD_BUSY_MAX_MS);
	if (next != STEP_BUSY_IN_QPI) {
		nor_wait_status1_begin();
	}
	return PROGRESS_WAITING;
}

static enum progress run_ladder(void)
{
	nor_leave_modes();
	return status_says_busy(nor_register(NOR_READ_STATUS1)) ? wait_interrupted(STEP_BUSY_AFTER_LADDER)
	                                                        : begin_reset();
}

/* A busy chip takes no reset without harm to what it is doing, and answers nothing but its status: wait first. One in
 * QPI answers on four lines.
 */
static enum progress begin_identify(void)
{
	chip = NULL;
	identity.was_busy = 0;
	nor_begin_identify();
	nor_read_id(identity.first_try);
	if (status_says_busy(nor_register(NOR_READ_STATUS1))) {
		return wait_interrupted(STEP_BUSY_BEFORE);
	}
	controller_four_lines(true);
	return nor_busy_in_qpi() ? wait_interrupted(STEP_BUSY_IN_QPI) : run_ladder();
}

/* Until its reset is over a chip either shows WIP or is deaf: Macronix takes 40 us after a read, milliseconds after an
 * erase. On a board without a chip that is the whole limit.
 */
static enum progress poll_reset(struct job *job)
{
	uint8_t status1 = nor_register(NOR_READ_STATUS1);

	if ((status1 == NOR_FLOATING || status_says_busy(status1)) && !wait_expired()) {
		return PROGRESS_WAITING;
	}
	return end_identify(job);
}

/* Commands on a chosen chip */

static enum progress begin_select(struct job *job)
{
	enum status status;

	if (job->argument >= BOARD_CHIPS) {
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
	chip = NULL;
	nor_begin_identify();
	status = nor_select(&board_chips[job->argument], &seen, &job->detail[0]);
	if (status == STATUS_OK) {
		chip = &board_chips[job->argument];
		ways_start(chip);
	}
	return end(job, status);
}

static enum progress unprotect(struct job *job)
{
	ways_use(WAY_ONE_LINE);
	return end(job, nor_unprotect(chip, &seen, &job->detail[0]));
}

static bool holds(uint32_t address, uint32_t length)
{
	return address >= QSPI_WINDOW && address - QSPI_WINDOW <= chip->size &&
	       length <= chip->size - (address - QSPI_WINDOW);
}

static bool in_range(const struct job *job)
{
	return holds(job->address, job->length);
}

static enum progress begin_scan(struct job *job)
{
	if (!scan_accepts(job) || !in_range(job)) {
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
	scan_begin(&scan, job);
	if (job->way == WAY_BOTH) {
		done = 0;
		step = STEP_BOTH;
		return PROGRESS_RUNNING;
	}
	controller_read_begin(ways_read_form(), job->address - QSPI_WINDOW, job->length, &scan.source);
	step = STEP_SCAN;
	return PROGRESS_RUNNING;
}

/* A block is read both ways, then taken from memory by the scan of the command. */
static enum progress poll_both(struct job *job)
{
	static uint32_t block[WAYS_BLOCK / sizeof(uint32_t)];
	uint32_t offset = job->address + done - QSPI_WINDOW;
	uint32_t length = scan_block(&scan, job, WAYS_BLOCK);
	uint32_t same_to = ways_compare(offset, block, length);
	enum progress progress;

	if (controller_failed()) {
		return fail(job, STATUS_CONTROLLER, QSPI_WINDOW + offset);
	}
	if (same_to != offset + length) {
		return fail(job, STATUS_UNPROVED, QSPI_WINDOW + same_to);
	}
	done += length;
	progress = scan_take(&scan, job, (const uint8_t *)block, length);
	return (progress == PROGRESS_DONE) ? end(job, STATUS_OK) : progress;
}

static enum progress begin_prove(void)
{
	done = 0;
	step = STEP_PROVE;
	return PROGRESS_RUNNING;
}

static enum progress poll_prove(struct job *job)
{
	uint8_t *word = job->buffer + sizeof(uint32_t) * done;
	uint32_t address;

	if (done == job->argument) {
		return end(job, STATUS_OK);
	}
	address = load32(word);
	if (!holds(address, SPOT_SIZE)) {
		return fail(job, STATUS_BAD_COMMAND, address);
	}
	store32(word, ways_prove(address - QSPI_WINDOW));
	done++;
	return PROGRESS_RUNNING;
}

/* Many short reads: of each granule no more than a word is asked for. */
static enum progress sample(struct job *job)
{
	uint8_t *out = job->buffer;

	if (job->length == 0 || job->argument < sizeof(uint32_t) || !in_range(job)) {
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
	for (uint32_t at = 0; at < job->length; at += job->argument) {
		controller_read(chip->read_form, job->address + at - QSPI_WINDOW, out, sizeof(uint32_t));
		out += sizeof(uint32_t);
	}
	return end(job, STATUS_OK);
}

/* The bus read is over when the last piece is, or when a difference ends it early: then it is aborted. */
static enum progress poll_scan(struct job *job)
{
	bool reading = !scan.root;
	enum progress progress = scan_step(&scan, job);

	if (progress == PROGRESS_DONE && job->status != STATUS_OK) {
		controller_read_abandon();
		return fail(job, job->status, job->failed_address);
	}
	if (reading && (scan.root || progress == PROGRESS_DONE)) {
		controller_read_end();
	}
	return (progress == PROGRESS_DONE) ? end(job, STATUS_OK) : progress;
}

/* Write enable, an erase or a page, and the wait for it. */
static enum progress begin_change(struct job *job, uint32_t form, uint32_t address, const uint8_t *data, uint32_t length,
                                  enum step next, uint32_t max_ms)
{
	if (!nor_write_enable(&seen)) {
		return fail(job, STATUS_WRITE_ENABLE, address);
	}
	if (length > 0) {
		controller_write(form, address - QSPI_WINDOW, data, length);
	} else {
		controller_command(form, address - QSPI_WINDOW);
	}
	begin_wait(next, max_ms);
	nor_wait_begin(chip);
	return controller_failed() ? fail(job, STATUS_CONTROLLER, address) : PROGRESS_WAITING;
}

static const struct erase_command *find_erase(uint32_t size)
{
	for (uint32_t i = 0; i < chip->erases; i++) {
		if (chip->erase[i].size == size) {
			return &chip->erase[i];
		}
	}
	return NULL;
}

static enum progress begin_erase(struct job *job)
{
	bool whole = job->length == 0;
	const struct erase_command *erase = whole ? &chip->chip_erase : find_erase(job->length);

	if (erase == NULL || !in_range(job) || (!whole && (job->address - QSPI_WINDOW) % job->length != 0)) {
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
	return begin_change(job, erase->form, job->address, NULL, 0, STEP_ERASE, erase->max_ms);
}

/* DONE only if it has failed: then `job` says so. */
static enum progress poll_chip(struct job *job, enum status failed, uint32_t address)
{
	enum status status;

	if (!controller_wait_done()) {
		if (!wait_expired()) {
			return PROGRESS_WAITING;
		}
		controller_wait_end();
		seen.status1 = nor_register(NOR_READ_STATUS1);
		return fail(job, STATUS_TIMEOUT, address);
	}
	controller_wait_end();
	status = nor_finish(chip, failed, &seen);
	return (status == STATUS_OK) ? PROGRESS_RUNNING : fail(job, status, address);
}

static enum progress poll_erase(struct job *job)
{
	enum progress progress = poll_chip(job, STATUS_ERASE_FAILED, job->address);

	return (progress == PROGRESS_RUNNING) ? end(job, STATUS_OK) : progress;
}

static enum progress begin_program(struct job *job)
{
	if (job->length == 0 || !in_range(job)) {
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
	done = 0;
	step = STEP_PAGE;
	return PROGRESS_RUNNING;
}

/* The bytes are on the chip already. */
static enum progress begin_copy(struct job *job)
{
	if (!holds(job->argument, job->length)) {
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
	if (job->length > 0) {
		controller_read(chip->read_form, job->argument - QSPI_WINDOW, job->buffer, job->length);
	}
	return controller_failed() ? fail(job, STATUS_CONTROLLER, job->argument) : begin_program(job);
}

/* A write never crosses the end of a page: the chip would wrap to its start. */
static enum progress begin_page(struct job *job)
{
	uint32_t address = job->address + done;
	uint32_t next;
	enum progress progress;

	if (done == job->length) {
		return end(job, STATUS_OK);
	}
	page = chip->page_size - address % chip->page_size;
	if (page > job->length - done) {
		page = job->length - done;
	}
	if (!job_has(job, done + page)) {
		return fail(job, STATUS_BAD_COMMAND, address);
	}
	if (scan_is_blank(job->buffer + done, page)) {
		done += page;
		return PROGRESS_RUNNING;
	}
	progress = begin_change(job, ways_program_form(), address, job->buffer + done, page, STEP_PROGRAM,
	                        chip->program_max_ms);
	/* The chip is busy now: time to expand the next page. */
	next = done + page + chip->page_size;
	(void)job_has(job, (next < job->length) ? next : job->length);
	return progress;
}

static enum progress poll_program(struct job *job)
{
	enum progress progress = poll_chip(job, STATUS_PROGRAM_FAILED, job->address + done);

	if (progress == PROGRESS_RUNNING) {
		done += page;
		step = STEP_PAGE;
		progress = begin_page(job);
	}
	return progress;
}

static enum progress chip_reset(struct job *job)
{
	chip = NULL;
	nor_begin_identify();
	nor_reset();
	controller_stop();
	return end(job, STATUS_OK);
}

enum progress qspi_begin(struct job *job)
{
	seen.status1 = 0;
	seen.status2 = 0;
	(void)controller_failed();
	if (chip != NULL) {
		ways_use(job->way);
	}
	switch (job->operation) {
	case OP_IDENTIFY:
		return begin_identify();
	case OP_SFDP:
		if (job->length == 0) {
			return fail(job, STATUS_BAD_COMMAND, job->address);
		}
		nor_read_sfdp(job->address, job->length, job->buffer);
		return end(job, STATUS_OK);
	case OP_SELECT_CHIP:
		return begin_select(job);
	case OP_REGISTERS:
		nor_read_registers(chip, (uint32_t *)(uintptr_t)job->buffer);
		return end(job, STATUS_OK);
	case OP_CHIP_RESET:
		return chip_reset(job);
	default:
		break;
	}
	if (chip == NULL) {
		return fail(job, STATUS_NOT_SELECTED, job->address);
	}
	switch (job->operation) {
	case OP_DIGEST:
	case OP_BLANK_CHECK:
	case OP_READ:
	case OP_VERIFY:
		return begin_scan(job);
	case OP_ERASE:
		return begin_erase(job);
	case OP_PROGRAM:
		return begin_program(job);
	case OP_COPY:
		return begin_copy(job);
	case OP_SAMPLE:
		return sample(job);
	case OP_PROVE:
		return begin_prove();
	case OP_UNPROTECT:
		return unprotect(job);
	default:
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
}

/* A chip that stays busy beyond any erase is tried all the same: what it answers then is told. */
static enum progress poll_interrupted(void)
{
	if (!controller_wait_done() && !wait_expired()) {
		return PROGRESS_WAITING;
	}
	controller_wait_end();
	return (step == STEP_BUSY_BEFORE) ? run_ladder() : begin_reset();
}

/* Asked anew each time: the controller's own polling would take the byte that is lost. */
static enum progress poll_qpi(void)
{
	return (nor_busy_in_qpi() && !wait_expired()) ? PROGRESS_WAITING : run_ladder();
}

enum progress qspi_poll(struct job *job)
{
	switch (step) {
	case STEP_BUSY_BEFORE:
	case STEP_BUSY_AFTER_LADDER:
		return poll_interrupted();
	case STEP_BUSY_IN_QPI:
		return poll_qpi();
	case STEP_RESET:
		return poll_reset(job);
	case STEP_SCAN:
		return poll_scan(job);
	case STEP_BOTH:
		return poll_both(job);
	case STEP_PROVE:
		return poll_prove(job);
	case STEP_ERASE:
		return poll_erase(job);
	case STEP_PAGE:
		return begin_page(job);
	case STEP_PROGRAM:
		return poll_program(job);
	default:
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
}
