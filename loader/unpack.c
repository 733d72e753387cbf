/* Stops anywhere, also inside a literal or a match: the caller takes as many bytes as it is about to program. */
#include "unpack.h"

#define NIBBLE      15u  /* a length of 15 goes on in further bytes */
#define MORE        255u /* and on after each byte of 255 */
#define MATCH_LEAST 4u

static uint32_t length_of(struct unpack *unpack, uint32_t nibble)
{
	uint32_t length = nibble;

	if (nibble == NIBBLE) {
		uint32_t byte;

		do {
			byte = *unpack->in++;
			length += byte;
		} while (byte == MORE);
	}
	return length;
}

void unpack_begin(struct unpack *unpack, const uint8_t *in, uint8_t *out, uint32_t length)
{
	unpack->in = in;
	unpack->start = out;
	unpack->out = out;
	unpack->end = out + length;
	unpack->literals = 0;
	unpack->match = 0;
	unpack->match_follows = false;
	unpack->bad = false;
}

/* The next length, or distance and length; false where it leads out of the output. */
static bool read_sequence(struct unpack *unpack)
{
	uint32_t room = (uint32_t)(unpack->end - unpack->out);

	if (unpack->match_follows) {
		unpack->match_follows = false;
		unpack->distance = unpack->in[0] | (uint32_t)unpack->in[1] << 8;
		unpack->in += 2;
		unpack->match = length_of(unpack, unpack->token & NIBBLE) + MATCH_LEAST;
		return unpack->distance != 0 && unpack->distance <= (uint32_t)(unpack->out - unpack->start) &&
		       unpack->match <= room;
	}
	unpack->token = *unpack->in++;
	unpack->literals = length_of(unpack, unpack->token >> 4);
	unpack->match_follows = true;
	return unpack->literals <= room;
}

bool unpack_to(struct unpack *unpack, const uint8_t *target)
{
	while (!unpack->bad && unpack->out < target) {
		uint32_t wanted = (uint32_t)(target - unpack->out);

		if (unpack->literals > 0) {
			uint32_t count = (unpack->literals < wanted) ? unpack->literals : wanted;

			unpack->literals -= count;
			for (; count > 0; count--) {
				*unpack->out++ = *unpack->in++;
			}
		} else if (unpack->match > 0) {
			uint32_t count = (unpack->match < wanted) ? unpack->match : wanted;
			const uint8_t *from = unpack->out - unpack->distance;

			unpack->match -= count;
			for (; count > 0; count--) {
				*unpack->out++ = *from++;
			}
		} else {
			unpack->bad = !read_sequence(unpack);
		}
	}
	return !unpack->bad;
}
