/* BLAKE2s, RFC 7693 section 3.2: all ten rounds written out, with the message schedule as constants.
 *
 * Half way through a block and after it, half of the next block is fetched. A FIFO of 32 bytes fills up again
 * meanwhile, so a serial flash streams beside the hashing and never waits.
 */
#include "blake2s.h"

#define READY_TRIES  (1u << 20)
#define HALF_WORDS   (BLAKE2S_WORDS / 2u)

#define IV0 0x6A09E667u
#define IV1 0xBB67AE85u
#define IV2 0x3C6EF372u
#define IV3 0xA54FF53Au
#define IV4 0x510E527Fu
#define IV5 0x9B05688Cu
#define IV6 0x1F83D9ABu
#define IV7 0x5BE0CD19u

#define PARAMETERS (0x01010000u | BLAKE2S_DIGEST) /* depth 1, fanout 1, no key: RFC 7693 section 2.5 */

#define ROTATE(x, n) (((x) >> (n)) | ((x) << (32 - (n))))

#define G(a, b, c, d, x, y)             \
	do {                            \
		a += b + m[x];          \
		d = ROTATE(d ^ a, 16);  \
		c += d;                 \
		b = ROTATE(b ^ c, 12);  \
		a += b + m[y];          \
		d = ROTATE(d ^ a, 8);   \
		c += d;                 \
		b = ROTATE(b ^ c, 7);   \
	} while (0)

#define ROUND(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \
	do {                                                                        \
		G(v0, v4, v8, v12, s0, s1);                                         \
		G(v1, v5, v9, v13, s2, s3);                                         \
		G(v2, v6, v10, v14, s4, s5);                                        \
		G(v3, v7, v11, v15, s6, s7);                                        \
		G(v0, v5, v10, v15, s8, s9);                                        \
		G(v1, v6, v11, v12, s10, s11);                                      \
		G(v2, v7, v8, v13, s12, s13);                                       \
		G(v3, v4, v9, v14, s14, s15);                                       \
	} while (0)

/* Not inlined: three copies would cost more room than the calls cost time. */
__attribute__((noinline)) static void fetch_half(uint32_t *words, struct word_source *source)
{
	const volatile uint32_t *data = source->data;
	const uint32_t step = source->step;
	uint32_t tries = READY_TRIES;

	while ((*source->ready & source->ready_mask) == 0) {
		if (--tries == 0) {
			source->failed = true;
			return;
		}
	}
	for (uint32_t i = 0; i < HALF_WORDS; i++) {
		words[i] = *data;
		data = (const volatile uint32_t *)((uintptr_t)data + step);
	}
	source->data = data;
}

void blake2s_begin(struct blake2s *state)
{
	state->h[0] = IV0 ^ PARAMETERS;
	state->h[1] = IV1;
	state->h[2] = IV2;
	state->h[3] = IV3;
	state->h[4] = IV4;
	state->h[5] = IV5;
	state->h[6] = IV6;
	state->h[7] = IV7;
	state->count = 0;
}

void blake2s_block(struct blake2s *state, const uint32_t *m, uint32_t length, bool last, uint32_t *next,
                   struct word_source *source)
{
	uint32_t *h = state->h;
	uint32_t v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
	uint32_t v8 = IV0, v9 = IV1, v10 = IV2, v11 = IV3;
	uint32_t v12, v13 = IV5, v14 = last ? ~IV6 : IV6, v15 = IV7;

	state->count += length;
	v12 = IV4 ^ state->count; /* messages stay below 4 GiB: the counter's upper word is 0 */

	ROUND(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	ROUND(14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3);
	ROUND(11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4);
	ROUND(7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8);
	ROUND(9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13);
	if (next != NULL) {
		fetch_half(next, source);
	}
	ROUND(2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9);
	ROUND(12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11);
	ROUND(13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10);
	ROUND(6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5);
	ROUND(10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0);

	h[0] ^= v0 ^ v8;
	h[1] ^= v1 ^ v9;
	h[2] ^= v2 ^ v10;
	h[3] ^= v3 ^ v11;
	h[4] ^= v4 ^ v12;
	h[5] ^= v5 ^ v13;
	h[6] ^= v6 ^ v14;
	h[7] ^= v7 ^ v15;
	if (next != NULL) {
		fetch_half(next + HALF_WORDS, source);
	}
}
