/* The commands that read a run of flash from end to end: digest, blank check, verify, read. */
#ifndef BOARDFLASH_SCAN_H
#define BOARDFLASH_SCAN_H

#include "blake2s.h"
#include "region.h"

struct scan {
	struct word_source source;
	uint32_t address;
	uint32_t left;
	uint32_t granule;
	uint32_t piece_left;
	uint8_t *out;
	bool fetched; /* block[current] holds the next block already */
	bool root;    /* the digest of the list is being made */
	bool blank;
	uint32_t current;
	uint32_t block[2][BLAKE2S_WORDS];
	struct blake2s hash;
};

/* Whether a job is one of these, and its range and granule make sense. */
bool scan_accepts(const struct job *job);
/* `scan->source` must stand at the job's first byte. */
void scan_begin(struct scan *scan, const struct job *job);
/* Whether the other region wants its turns often: then the steps are short ones. */
void scan_take_turns(bool often);
/* A short step, so that the other region is served in between. */
enum progress scan_step(struct scan *scan, struct job *job);

/* OP_BLANK_CHECK and OP_READ of bytes that somebody else fetches: how many come next (`most` at most, fewer if the other
 * region wants its turns), and they.
 */
uint32_t scan_block(const struct scan *scan, const struct job *job, uint32_t most);
enum progress scan_take(struct scan *scan, struct job *job, const uint8_t *bytes, uint32_t length);

bool scan_is_blank(const uint8_t *bytes, uint32_t length);

#endif
