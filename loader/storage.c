/* What is the same for every memory: reading it by pieces, and what the board file keeps from change. The buffer is
 * static, since hosts give little stack.
 */
#include "storage.h"

static uint8_t buffer[STORAGE_PIECE];

bool storage_may_change(uint32_t address, uint32_t length)
{
	for (const struct storage_range *range = storage_protected; range->size != 0; range++) {
		if (address < range->address + range->size && address + length > range->address) {
			return false;
		}
	}
	return true;
}

const uint8_t *storage_piece(uint32_t address, uint32_t length, uint32_t *piece)
{
	*piece = (length < STORAGE_PIECE) ? length : STORAGE_PIECE;
	return storage_read(address, buffer, *piece) ? buffer : NULL;
}

uint32_t storage_matches(uint32_t address, const uint8_t *expected, uint32_t length)
{
	uint32_t piece;

	for (uint32_t at = 0; at < length; at += piece) {
		const uint8_t *data = storage_piece(address + at, length - at, &piece);

		if (data == NULL) {
			return at;
		}
		for (uint32_t i = 0; i < piece; i++) {
			if (data[i] != expected[at + i]) {
				return at + i;
			}
		}
	}
	return length;
}

bool storage_is_all(uint32_t address, uint32_t length, uint8_t value)
{
	uint32_t piece;

	for (uint32_t at = 0; at < length; at += piece) {
		const uint8_t *data = storage_piece(address + at, length - at, &piece);

		if (data == NULL || !storage_bytes_are(data, piece, value)) {
			return false;
		}
	}
	return true;
}
