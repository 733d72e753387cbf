/* LZ4 blocks, expanded step by step (LZ4 block format description, rev. 2022-07-31). */
#ifndef BOARDFLASH_UNPACK_H
#define BOARDFLASH_UNPACK_H

#include "hardware.h"

struct unpack {
	const uint8_t *in;
	uint8_t *start; /* of the output */
	uint8_t *out;   /* so far */
	uint8_t *end;   /* of the output; the block must end there */
	uint32_t literals; /* still to copy */
	uint32_t match;    /* still to copy, from `distance` bytes back */
	uint32_t distance;
	uint32_t token;
	bool match_follows;
	bool bad; /* found to be no LZ4 block */
};

void unpack_begin(struct unpack *unpack, const uint8_t *in, uint8_t *out, uint32_t length);
/* Expands until `out` has come to `target`, not further. False: what is there is no LZ4 block of that length. */
bool unpack_to(struct unpack *unpack, const uint8_t *target);

#endif
