#include "scan.h"

#include "stream.h"

#define STEP_BLOCKS  16u /* 1 KiB: about 0.13 ms of hashing */
#define SHORT_BLOCKS 2u  /* 16 us: what a word of internal flash takes to program */
#define BLANK_WORD  0xFFFFFFFFu

static uint32_t step_blocks; /* set before every step */

void scan_take_turns(bool often)
{
	step_blocks = often ? SHORT_BLOCKS : STEP_BLOCKS;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return (a < b) ? a : b;
}

/* Pieces are cut at multiples of the granule; the first and the last may be shorter. */
static void next_piece(struct scan *scan)
{
	scan->piece_left = smaller(scan->left, scan->granule - scan->address % scan->granule);
}

bool scan_accepts(const struct job *job)
{
	switch (job->operation) {
	case OP_DIGEST:
	case OP_BLANK_CHECK:
		return job->length > 0 && job->argument > 0;
	case OP_READ:
	case OP_VERIFY:
		return job->length > 0;
	default:
		return false;
	}
}

void scan_begin(struct scan *scan, const struct job *job)
{
	scan->address = job->address;
	scan->left = job->length;
	scan->granule = job->argument;
	scan->out = job->buffer;
	scan->fetched = false;
	scan->root = false;
	scan->blank = true;
	scan->current = 0;
	if (job->argument > 0) {
		next_piece(scan);
	}
	blake2s_begin(&scan->hash);
}

static bool fetch(struct scan *scan, uint32_t length)
{
	uint32_t *block = scan->block[scan->current];

	if (length < BLAKE2S_BLOCK) {
		for (uint32_t i = 0; i < BLAKE2S_WORDS; i++) {
			block[i] = 0;
		}
	}
	return stream_fetch(&scan->source, (uint8_t *)block, length);
}

static void advance(struct scan *scan, uint32_t length)
{
	scan->address += length;
	scan->left -= length;
	scan->piece_left -= length;
}

static void put_digest(const struct scan *scan, uint8_t *to)
{
	for (uint32_t i = 0; i < BLAKE2S_DIGEST / sizeof(uint32_t); i++) {
		store32(to + sizeof(uint32_t) * i, scan->hash.h[i]);
	}
}

/* The list of digests becomes the message, one piece of it. */
static void begin_root(struct scan *scan, const struct job *job)
{
	scan->root = true;
	scan->address = (uint32_t)(uintptr_t)job->buffer;
	scan->left = (uint32_t)(scan->out - job->buffer);
	scan->piece_left = scan->left;
	scan->fetched = false;
	stream_from_memory(&scan->source, scan->address);
	blake2s_begin(&scan->hash);
}

static enum progress end_digest_piece(struct scan *scan, struct job *job)
{
	if (scan->root) {
		put_digest(scan, (uint8_t *)job->detail);
		return job_end(job, STATUS_OK);
	}
	put_digest(scan, scan->out);
	scan->out += BLAKE2S_DIGEST;
	if (scan->left == 0) {
		begin_root(scan, job);
	} else {
		next_piece(scan);
		blake2s_begin(&scan->hash);
	}
	return PROGRESS_RUNNING;
}

/* Whether 64 more bytes of the source follow this block and belong to one block. */
static bool may_prefetch(const struct scan *scan)
{
	if (scan->piece_left > 0) {
		return scan->piece_left >= BLAKE2S_BLOCK;
	}
	return smaller(scan->left, scan->granule) >= BLAKE2S_BLOCK;
}

/* The blocks in the middle of a piece: each is followed by a whole one. Returns how many it took. */
static uint32_t hash_run(struct scan *scan)
{
	uint32_t followed = scan->piece_left / BLAKE2S_BLOCK;
	uint32_t count = (scan->fetched && followed > 0) ? smaller(followed - 1u, step_blocks) : 0;
	uint32_t current = scan->current;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t *block = scan->block[current];

		current ^= 1u;
		blake2s_block(&scan->hash, block, BLAKE2S_BLOCK, false, scan->block[current], &scan->source);
	}
	scan->current = current;
	advance(scan, count * BLAKE2S_BLOCK);
	return count;
}

static enum progress digest_step(struct scan *scan, struct job *job)
{
	for (uint32_t i = hash_run(scan); i < step_blocks; i++) {
		uint32_t *block = scan->block[scan->current];
		uint32_t length = smaller(scan->piece_left, BLAKE2S_BLOCK);

		if (!scan->fetched && !fetch(scan, length)) {
			return job_fail(job, STATUS_CONTROLLER, scan->address);
		}
		advance(scan, length);
		scan->fetched = may_prefetch(scan);
		scan->current ^= 1u;
		blake2s_block(&scan->hash, block, length, scan->piece_left == 0,
		              scan->fetched ? scan->block[scan->current] : NULL, &scan->source);
		if (scan->source.failed) {
			return job_fail(job, STATUS_CONTROLLER, scan->address);
		}
		if (scan->piece_left == 0 && end_digest_piece(scan, job) == PROGRESS_DONE) {
			return PROGRESS_DONE;
		}
	}
	return PROGRESS_RUNNING;
}

bool scan_is_blank(const uint8_t *bytes, uint32_t length)
{
	for (; length >= sizeof(uint32_t); length -= sizeof(uint32_t)) {
		if (load32(bytes) != BLANK_WORD) {
			return false;
		}
		bytes += sizeof(uint32_t);
	}
	for (; length > 0; length--) {
		if (*bytes++ != (uint8_t)BLANK_WORD) {
			return false;
		}
	}
	return true;
}

static enum progress take_blank(struct scan *scan, struct job *job, const uint8_t *bytes, uint32_t length)
{
	scan->blank = scan->blank && scan_is_blank(bytes, length);
	advance(scan, length);
	if (scan->piece_left == 0) {
		*scan->out++ = scan->blank ? 1 : 0;
		scan->blank = true;
		if (scan->left == 0) {
			return job_end(job, STATUS_OK);
		}
		next_piece(scan);
	}
	return PROGRESS_RUNNING;
}

static enum progress blank_step(struct scan *scan, struct job *job)
{
	enum progress progress = PROGRESS_RUNNING;

	for (uint32_t i = 0; i < step_blocks && progress == PROGRESS_RUNNING; i++) {
		uint32_t length = smaller(scan->piece_left, BLAKE2S_BLOCK);

		if (!fetch(scan, length)) {
			return job_fail(job, STATUS_CONTROLLER, scan->address);
		}
		progress = take_blank(scan, job, (const uint8_t *)scan->block[scan->current], length);
	}
	return progress;
}

uint32_t scan_block(const struct scan *scan, const struct job *job, uint32_t most)
{
	uint32_t left = (job->operation == OP_BLANK_CHECK) ? scan->piece_left : scan->left;

	return smaller(left, smaller(most, step_blocks * BLAKE2S_BLOCK));
}

enum progress scan_take(struct scan *scan, struct job *job, const uint8_t *bytes, uint32_t length)
{
	if (job->operation == OP_BLANK_CHECK) {
		return take_blank(scan, job, bytes, length);
	}
	for (uint32_t i = 0; i < length; i++) {
		*scan->out++ = bytes[i];
	}
	scan->left -= length;
	return (scan->left == 0) ? job_end(job, STATUS_OK) : PROGRESS_RUNNING;
}

static enum progress verify_step(struct scan *scan, struct job *job)
{
	for (uint32_t i = 0; i < step_blocks && scan->left > 0; i++) {
		const uint8_t *bytes = (const uint8_t *)scan->block[scan->current];
		uint32_t length = smaller(scan->left, BLAKE2S_BLOCK);

		if (!fetch(scan, length)) {
			return job_fail(job, STATUS_CONTROLLER, scan->address);
		}
		for (uint32_t k = 0; k < length; k++) {
			if (bytes[k] != scan->out[k]) {
				return job_fail(job, STATUS_VERIFY, scan->address + k);
			}
		}
		scan->out += length;
		scan->address += length;
		scan->left -= length;
	}
	return (scan->left == 0) ? job_end(job, STATUS_OK) : PROGRESS_RUNNING;
}

static enum progress read_step(struct scan *scan, struct job *job)
{
	uint32_t length = smaller(scan->left, step_blocks * BLAKE2S_BLOCK);

	if (!stream_fetch(&scan->source, scan->out, length)) {
		return job_fail(job, STATUS_CONTROLLER, scan->address);
	}
	scan->out += length;
	scan->address += length;
	scan->left -= length;
	return (scan->left == 0) ? job_end(job, STATUS_OK) : PROGRESS_RUNNING;
}

enum progress scan_step(struct scan *scan, struct job *job)
{
	switch (job->operation) {
	case OP_DIGEST:
		return digest_step(scan, job);
	case OP_BLANK_CHECK:
		return blank_step(scan, job);
	case OP_VERIFY:
		return verify_step(scan, job);
	default:
		return read_step(scan, job);
	}
}
