/* BLAKE2s (RFC 7693), unkeyed, 128-bit digest. */
#ifndef BOARDFLASH_BLAKE2S_H
#define BOARDFLASH_BLAKE2S_H

#include "hardware.h"

#define BLAKE2S_BLOCK  64u
#define BLAKE2S_WORDS  16u
#define BLAKE2S_DIGEST 16u

/* Where words of a message come from: memory (step 4) or a FIFO port (step 0) that is ready for half a block when
 * `ready_mask` shows in `*ready`. */
struct word_source {
	const volatile uint32_t *data;
	uint32_t step;
	const volatile uint32_t *ready;
	uint32_t ready_mask;
	bool failed; /* the source never became ready */
};

struct blake2s {
	uint32_t h[8];
	uint32_t count;
};

void blake2s_begin(struct blake2s *state);
/* One block of `length` bytes in `m` (zeros behind it). While it is mixed, the following 64 bytes of `source` are
 * fetched into `next` where that is not NULL. */
void blake2s_block(struct blake2s *state, const uint32_t *m, uint32_t length, bool last, uint32_t *next,
                   struct word_source *source);

#endif
