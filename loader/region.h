/* What main.c asks of each programmable memory: a state machine behind two calls. */
#ifndef BOARDFLASH_REGION_H
#define BOARDFLASH_REGION_H

#include "hardware.h"
#include "mailbox.h"
#include "unpack.h"

enum progress {
	PROGRESS_DONE,    /* the job's status, failed_address and detail are valid */
	PROGRESS_RUNNING, /* call poll again at once */
	PROGRESS_WAITING  /* the memory is busy by itself; its interrupt or the next tick is soon enough */
};

/* A command in work, copied out of its slot, and what becomes of it. */
struct job {
	uint32_t operation;
	enum way way;
	uint32_t address;
	uint32_t length;
	uint8_t *buffer;
	uint32_t argument;
	bool packed;           /* program: the data is an LZ4 block, */
	struct unpack unpack;  /* which expands into `buffer` */
	enum status status;
	uint32_t failed_address;
	uint32_t detail[4];
};

void loader_main(void);
void internal_start(uint32_t supply_mv);
enum progress internal_begin(struct job *job);
enum progress internal_poll(struct job *job);

void qspi_start(void);
enum progress qspi_begin(struct job *job);
enum progress qspi_poll(struct job *job);

/* Program: whether the first `length` bytes of the data are there; expands them if need be. False: no LZ4 block. */
static inline bool job_has(struct job *job, uint32_t length)
{
	return !job->packed || unpack_to(&job->unpack, job->buffer + length);
}

static inline enum progress job_end(struct job *job, enum status status)
{
	job->status = status;
	return PROGRESS_DONE;
}

static inline enum progress job_fail(struct job *job, enum status status, uint32_t address)
{
	job->failed_address = address;
	return job_end(job, status);
}

#endif
