/* BLAKE2s, RFC 7693 section 3; the compression function is in blake2s_block.S. */
#include "blake2s.h"

#define PARAMETERS (0x01010000u | BLAKE2S_DIGEST) /* depth 1, fanout 1, no key: section 2.5 */

_Static_assert(offsetof(struct word_source, ready) == 8, "blake2s_block.S");
_Static_assert(offsetof(struct word_source, ready_mask) == 12, "blake2s_block.S");
_Static_assert(offsetof(struct word_source, failed) == 16, "blake2s_block.S");
_Static_assert(offsetof(struct blake2s, count) == 32, "blake2s_block.S");

static const uint32_t initial[8] = {
	0x6A09E667u ^ PARAMETERS, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au,
	0x510E527Fu,              0x9B05688Cu, 0x1F83D9ABu, 0x5BE0CD19u,
};

void blake2s_begin(struct blake2s *state)
{
	for (uint32_t i = 0; i < 8u; i++) {
		state->h[i] = initial[i];
	}
	state->count = 0;
}
