/* BLAKE2s, RFC 7693 section 3; the compression function is in blake2s_mix.S. */
#include "blake2s.h"

#define PARAMETERS (0x01010000u | BLAKE2S_DIGEST) /* depth 1, fanout 1, no key: section 2.5 */

_Static_assert(offsetof(struct word_source, ready) == 8, "blake2s_mix.S");
_Static_assert(offsetof(struct word_source, ready_mask) == 12, "blake2s_mix.S");
_Static_assert(offsetof(struct word_source, failed) == 16, "blake2s_mix.S");
_Static_assert(offsetof(struct blake2s, count) == 32, "blake2s_mix.S");

static const uint32_t initial[8] = {
	0x6A09E667u ^ PARAMETERS, 0xBB67AE85u, 0x3C6EF372u, 0xA54FF53Au,
	0x510E527Fu,              0x9B05688Cu, 0x1F83D9ABu, 0x5BE0CD19u,
};

void blake2s_mix(struct blake2s *state, const uint32_t *m, uint32_t last, uint32_t *next, struct word_source *source);

void blake2s_begin(struct blake2s *state)
{
	for (uint32_t i = 0; i < 8u; i++) {
		state->h[i] = initial[i];
	}
	state->count = 0;
}

void blake2s_block(struct blake2s *state, const uint32_t *m, uint32_t length, bool last, uint32_t *next,
                   struct word_source *source)
{
	state->count += length; /* messages stay below 4 GiB: the counter's upper word is 0 */
	blake2s_mix(state, m, last ? UINT32_MAX : 0, next, source);
}
