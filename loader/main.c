/* The main loop: takes commands from both rings and drives both regions' state machines, each while the other waits. */
#include "clocks.h"
#include "mailbox.h"
#include "region.h"
#include "scan.h"
#include "stream.h"
#include "time.h"

#define REGION_INTERNAL 0u
#define REGION_QSPI     1u

extern volatile struct mailbox bf_mailbox;
extern uint32_t bf_buffers_start[];
extern uint32_t bf_buffers_end[];
extern uint32_t bf_image_start[];
extern uint32_t bf_image_end[];

struct ring {
	bool active;
	bool changed;   /* the last command was one of those that change the memory */
	uint32_t since; /* when that ended, or the present command began, in microseconds */
	struct job job;
};

static struct ring rings[MAILBOX_REGIONS];

static enum progress begin(uint32_t region, struct job *job)
{
	switch (region) {
	case REGION_INTERNAL:
		return internal_begin(job);
	default:
		return qspi_begin(job);
	}
}

static enum progress poll(uint32_t region, struct job *job)
{
	switch (region) {
	case REGION_INTERNAL:
		return internal_poll(job);
	default:
		return qspi_poll(job);
	}
}

static volatile struct command *slot_of(uint32_t region)
{
	return &bf_mailbox.slots[region][bf_mailbox.head.completed[region] % MAILBOX_SLOTS];
}

static bool is_change(uint32_t operation)
{
	operation &= OPERATION_MASK;
	return operation == OP_ERASE || operation == OP_PROGRAM || operation == OP_COPY || operation == OP_PROGRAM_LZ4;
}

static void take(uint32_t region)
{
	struct job *job = &rings[region].job;
	volatile const struct command *command = slot_of(region);
	uint32_t now = time_us();

	if (rings[region].changed && is_change(command->operation)) {
		bf_mailbox.starved_us[region] += now - rings[region].since;
	}
	rings[region].since = now;

	job->operation = command->operation & OPERATION_MASK;
	job->way = (enum way)(command->operation >> WAY_SHIFT);
	job->address = command->address;
	job->length = command->length;
	job->buffer = (uint8_t *)(uintptr_t)command->buffer;
	job->argument = command->argument;
	job->packed = job->operation == OP_PROGRAM_LZ4;
	if (job->packed) {
		uint8_t *out = (uint8_t *)(uintptr_t)job->argument;

		unpack_begin(&job->unpack, job->buffer, out, job->length);
		job->buffer = out;
		job->operation = OP_PROGRAM;
	}
	job->status = STATUS_OK;
	job->failed_address = 0;
	for (uint32_t i = 0; i < 4u; i++) {
		job->detail[i] = 0;
	}
	rings[region].active = true;
}

/* The result first, then the count that makes it valid. */
static void finish(uint32_t region)
{
	const struct job *job = &rings[region].job;
	volatile struct command *command = slot_of(region);
	uint32_t now = time_us();

	rings[region].active = false;
	rings[region].changed = is_change(job->operation);
	if (rings[region].changed) {
		bf_mailbox.worked_us[region] += now - rings[region].since;
	}
	if (job->way == WAY_BOTH || job->operation == OP_PROVE) {
		bf_mailbox.proved_us[region] += now - rings[region].since;
	}
	rings[region].since = now;
	command->status = job->status;
	command->failed_address = job->failed_address;
	for (uint32_t i = 0; i < 4u; i++) {
		command->detail[i] = job->detail[i];
	}
	barrier_data();
	if (job->status == STATUS_OK) {
		bf_mailbox.head.completed[region]++;
	} else {
		bf_mailbox.head.error[region] = job->status;
	}
}

static void drop_tickets(uint32_t region)
{
	for (uint32_t i = 0; i < MAILBOX_SLOTS; i++) {
		bf_mailbox.slots[region][i].ticket = 0;
	}
}

/* What an earlier run has left there must not be taken for data, or markers, of this one. */
static void clear_buffers(void)
{
	for (uint32_t *word = bf_buffers_start; word < bf_buffers_end; word++) {
		*word = 0;
	}
}

static void acknowledge(uint32_t region)
{
	drop_tickets(region);
	bf_mailbox.head.completed[region] = 0;
	bf_mailbox.head.error[region] = 0;
	barrier_data();
	bf_mailbox.acknowledge[region] = 0;
}

static bool has_work(uint32_t region)
{
	volatile const struct command *command = slot_of(region);

	if (bf_mailbox.head.error[region] != 0 || command->ticket != bf_mailbox.head.completed[region] + 1u) {
		return false;
	}
	return command->marker_at == 0 || REG32(command->marker_at) == command->marker;
}

/* One step for a region. DONE means that it has nothing to do. */
static enum progress serve(uint32_t region)
{
	enum progress progress;

	if (rings[region].active) {
		progress = poll(region, &rings[region].job);
	} else if (bf_mailbox.acknowledge[region] != 0) {
		acknowledge(region);
		return PROGRESS_DONE;
	} else if (has_work(region)) {
		barrier_data(); /* the slot was written before its ticket */
		take(region);
		progress = begin(region, &rings[region].job);
	} else {
		return PROGRESS_DONE;
	}
	if (progress == PROGRESS_DONE) {
		finish(region);
		return PROGRESS_RUNNING; /* there may be a next command */
	}
	return progress;
}

/* Nothing at work: look at the host's words only, until one changes or a millisecond is over. */
static void idle(void)
{
	while (!time_tick_pending()) {
		for (uint32_t region = 0; region < MAILBOX_REGIONS; region++) {
			if (bf_mailbox.acknowledge[region] != 0 || has_work(region)) {
				return;
			}
		}
	}
}

/* OP_DIGEST of the code itself: what has arrived in RAM. The list, of one digest, lies where the digest of it goes. */
static void digest_image(void)
{
	static struct scan scan;
	struct job *job = &rings[REGION_INTERNAL].job;

	job->operation = OP_DIGEST;
	job->address = (uint32_t)(uintptr_t)bf_image_start;
	job->length = (uint32_t)((uintptr_t)bf_image_end - (uintptr_t)bf_image_start);
	job->argument = job->address + job->length; /* no multiple of it lies inside: one piece */
	job->buffer = (uint8_t *)(uintptr_t)bf_mailbox.image_digest;
	scan_take_turns(false);
	stream_from_memory(&scan.source, job->address);
	scan_begin(&scan, job);
	while (scan_step(&scan, job) != PROGRESS_DONE) {
	}
	for (uint32_t i = 0; i < sizeof(job->detail) / sizeof(job->detail[0]); i++) {
		bf_mailbox.image_digest[i] = job->detail[i];
	}
}

static void publish(uint32_t state, uint32_t detail)
{
	bf_mailbox.head.version = MAILBOX_VERSION;
	bf_mailbox.head.state_detail = detail;
	bf_mailbox.head.magic = MAILBOX_MAGIC;
	barrier_data();
	bf_mailbox.head.state = state;
}

void loader_main(void)
{
	uint32_t failed_step = clocks_start();

	time_start();
	bf_mailbox.head.millivolts = bf_mailbox.supply_mv;
	if (failed_step != 0) {
		publish(LOADER_FAILED, failed_step);
		for (;;) {
			(void)time_ms();
		}
	}
	internal_start(bf_mailbox.supply_mv);
	qspi_start();
	for (uint32_t region = 0; region < MAILBOX_REGIONS; region++) {
		drop_tickets(region); /* an earlier run may have left some in RAM */
	}
	clear_buffers();
	digest_image();
	publish(LOADER_READY, 0);
	for (;;) {
		enum progress internal;
		enum progress qspi;

		scan_take_turns(rings[REGION_INTERNAL].active && rings[REGION_QSPI].active);
		internal = serve(REGION_INTERNAL);
		qspi = serve(REGION_QSPI);

		(void)time_ms();
		if (internal == PROGRESS_RUNNING || qspi == PROGRESS_RUNNING) {
			continue;
		}
		if (internal == PROGRESS_WAITING || qspi == PROGRESS_WAITING) {
			time_sleep();
		} else {
			idle();
		}
	}
}
