/* The internal region: the MCU's own flash through its driver. While it is busy nothing here reads it, and while an erase
 * makes it so for seconds the core cannot read it ahead either.
 */
#include "core.h"
#include "internal_flash.h"
#include "region.h"
#include "scan.h"
#include "stream.h"
#include "time.h"

#define DEVICE_ID_MASK 0xFFFu /* DBGMCU_IDCODE bits 11:0 */
#define UID_WORDS      3u
#define SKIP_LIMIT     256u /* blank stores passed over in one step */

enum step {
	STEP_IDLE,
	STEP_SCAN,
	STEP_ERASE,
	STEP_NEXT,    /* program: find the next store that is not blank, and make it */
	STEP_PROGRAM, /* the controller works on a store */
};

static enum step step;
static struct scan scan;
static uint32_t started;
static uint32_t limit_ms;
static uint32_t done;      /* program: bytes finished; erase: start of the unit at work */
static uint32_t unit_size; /* erase: of the unit at work */

void internal_start(uint32_t supply_mv)
{
	step = STEP_IDLE;
	flash_start(supply_mv);
}

/* Not while it is busy beyond its limit: a write to the controller would hold the core up, and so would a read of the
 * flash. The next command tries again.
 */
static bool release(void)
{
	if (flash_busy()) {
		return false;
	}
	flash_lock();
	core_open_flash();
	return true;
}

static enum progress fail(struct job *job, enum status status, uint32_t address)
{
	if (job->detail[0] == 0) {
		flash_registers(job->detail);
	}
	step = STEP_IDLE;
	(void)release();
	return job_fail(job, status, address);
}

static enum progress end(struct job *job)
{
	step = STEP_IDLE;
	(void)release();
	return job_end(job, STATUS_OK);
}

static void begin_wait(enum step next, uint32_t max_ms)
{
	step = next;
	started = time_ms();
	limit_ms = max_ms;
}

static bool wait_expired(void)
{
	return time_ms() - started > limit_ms + 1u;
}

static bool holds(uint32_t address, uint32_t length)
{
	return address >= FLASH_BASE && address - FLASH_BASE <= FLASH_SIZE &&
	       length <= FLASH_SIZE - (address - FLASH_BASE);
}

static bool in_range(const struct job *job)
{
	return holds(job->address, job->length);
}

/* The erase unit that starts at this offset: its number, size and maximum time. */
static bool find_unit(uint32_t offset, uint32_t *unit, uint32_t *size, uint32_t *max_ms)
{
	uint32_t start = 0;

	*unit = 0;
	for (uint32_t run = 0; run < FLASH_RUNS; run++) {
		for (uint32_t i = 0; i < flash_runs[run].count; i++) {
			if (start == offset) {
				*size = flash_runs[run].size;
				*max_ms = flash_runs[run].erase_max_ms;
				return true;
			}
			start += flash_runs[run].size;
			(*unit)++;
		}
	}
	return false;
}

/* Write protection of every erase unit that the range touches, and read-out protection of all. */
static bool is_protected(uint32_t offset, uint32_t length, uint32_t *where)
{
	struct mcu_identity identity;
	uint32_t start = 0;
	uint32_t unit = 0;

	flash_protection(&identity);
	*where = FLASH_BASE + offset;
	if (identity.read_protected != 0) {
		return true;
	}
	for (uint32_t run = 0; run < FLASH_RUNS; run++) {
		for (uint32_t i = 0; i < flash_runs[run].count; i++, unit++) {
			uint32_t next = start + flash_runs[run].size;

			if (start < offset + length && next > offset && (identity.write_protected >> unit & 1u) != 0) {
				*where = FLASH_BASE + start;
				return true;
			}
			start = next;
		}
	}
	return false;
}

static enum progress identify(struct job *job)
{
	struct mcu_identity *identity = (struct mcu_identity *)(uintptr_t)job->buffer;

	identity->device_id = REG32(MCU_IDCODE) & DEVICE_ID_MASK;
	for (uint32_t i = 0; i < UID_WORDS; i++) {
		identity->uid[i] = REG32(FLASH_UID + sizeof(uint32_t) * i);
	}
	identity->flash_kib = REG16(FLASH_SIZE_REGISTER);
	flash_protection(identity);
	return job_end(job, STATUS_OK);
}

static enum progress begin_scan(struct job *job)
{
	if (!scan_accepts(job) || !in_range(job)) {
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
	scan_begin(&scan, job);
	stream_from_memory(&scan.source, job->address);
	step = STEP_SCAN;
	return PROGRESS_RUNNING;
}

static enum progress poll_scan(struct job *job)
{
	enum progress progress = scan_step(&scan, job);

	if (progress == PROGRESS_DONE) {
		step = STEP_IDLE;
	}
	return progress;
}

/* `done` = offset of the unit to erase */
static enum progress begin_unit(struct job *job)
{
	uint32_t unit;
	uint32_t max_ms;

	if (!find_unit(done, &unit, &unit_size, &max_ms)) {
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
	if (!flash_unlock(FLASH_BASE + done)) {
		return fail(job, STATUS_PROTECTED, FLASH_BASE + done);
	}
	core_close_flash();
	flash_erase_begin(unit);
	begin_wait(STEP_ERASE, max_ms);
	return PROGRESS_WAITING;
}

/* The whole flash is erased unit by unit: the same protection checks hold, and the same maxima. */
static enum progress begin_erase(struct job *job)
{
	bool whole = job->length == 0;
	uint32_t offset = whole ? 0 : job->address - FLASH_BASE;
	uint32_t unit;
	uint32_t size;
	uint32_t max_ms;
	uint32_t where;

	if (!whole &&
	    (!in_range(job) || !find_unit(offset, &unit, &size, &max_ms) || size != job->length)) {
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
	if (is_protected(offset, whole ? FLASH_SIZE : job->length, &where)) {
		return fail(job, STATUS_PROTECTED, where);
	}
	done = offset;
	return begin_unit(job);
}

/* DONE only if it has failed: then `job` says so. */
static enum progress poll_controller(struct job *job, enum status failed, uint32_t address)
{
	if (flash_busy()) {
		return wait_expired() ? fail(job, STATUS_TIMEOUT, address) : PROGRESS_WAITING;
	}
	return flash_result(job->detail) ? PROGRESS_RUNNING : fail(job, failed, address);
}

static enum progress poll_erase(struct job *job)
{
	enum progress progress = poll_controller(job, STATUS_ERASE_FAILED, FLASH_BASE + done);

	if (progress != PROGRESS_RUNNING) {
		return progress;
	}
	done += unit_size;
	if (job->length == 0 && done < FLASH_SIZE) {
		return begin_unit(job);
	}
	return end(job);
}

static enum progress begin_program(struct job *job)
{
	uint32_t where;

	if (job->length == 0 || !in_range(job) || job->address % FLASH_PROGRAM_BYTES != 0 ||
	    job->length % FLASH_PROGRAM_BYTES != 0) {
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
	if (is_protected(job->address - FLASH_BASE, job->length, &where)) {
		return fail(job, STATUS_PROTECTED, where);
	}
	if (!flash_unlock(job->address)) {
		return fail(job, STATUS_PROTECTED, job->address);
	}
	flash_program_begin(job->address);
	done = 0;
	step = STEP_NEXT;
	return PROGRESS_RUNNING;
}

static enum progress sample(struct job *job)
{
	uint8_t *out = job->buffer;

	if (job->length == 0 || job->argument < sizeof(uint32_t) || !in_range(job)) {
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
	for (uint32_t at = 0; at < job->length; at += job->argument) {
		store32(out, load32((const uint8_t *)(uintptr_t)(job->address + at)));
		out += sizeof(uint32_t);
	}
	return job_end(job, STATUS_OK);
}

/* The bytes are in this flash already. */
static enum progress begin_copy(struct job *job)
{
	struct word_source source;

	if (!holds(job->argument, job->length) || job->argument % sizeof(uint32_t) != 0) {
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
	stream_from_memory(&source, job->argument);
	(void)stream_fetch(&source, job->buffer, job->length);
	return begin_program(job);
}

/* FLASH_STORE_MAX_MS holds for one store of the driver's width. */
static enum progress next_store(struct job *job)
{
	uint32_t bytes = flash_store_bytes();

	for (uint32_t i = 0; i < SKIP_LIMIT && done < job->length; i++) {
		if (!job_has(job, done + bytes)) {
			return fail(job, STATUS_BAD_COMMAND, job->address + done);
		}
		if (!scan_is_blank(job->buffer + done, bytes)) {
			begin_wait(STEP_PROGRAM, FLASH_STORE_MAX_MS);
			flash_store(job->address + done, job->buffer + done);
			return PROGRESS_WAITING;
		}
		done += bytes;
	}
	return (done == job->length) ? end(job) : PROGRESS_RUNNING;
}

static enum progress poll_program(struct job *job)
{
	enum progress progress = poll_controller(job, STATUS_PROGRAM_FAILED, job->address + done);

	if (progress != PROGRESS_RUNNING) {
		return progress;
	}
	done += flash_store_bytes();
	step = STEP_NEXT;
	return next_store(job);
}

enum progress internal_begin(struct job *job)
{
	switch (job->operation) {
	case OP_IDENTIFY:
		return identify(job);
	case OP_REGISTERS:
		flash_registers((uint32_t *)(uintptr_t)job->buffer);
		return job_end(job, STATUS_OK);
	default:
		break;
	}
	if (!release()) {
		return fail(job, STATUS_TIMEOUT, job->address);
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
	default:
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
}

enum progress internal_poll(struct job *job)
{
	switch (step) {
	case STEP_SCAN:
		return poll_scan(job);
	case STEP_ERASE:
		return poll_erase(job);
	case STEP_NEXT:
		return next_store(job);
	case STEP_PROGRAM:
		return poll_program(job);
	default:
		return fail(job, STATUS_BAD_COMMAND, job->address);
	}
}
