/* J-Link's optional entry points (wiki.segger.com/Open_Flashloader; reference flash-engines section 6).
 *
 * The table SEGGER_OFL_Api of SEGGER's newer template is left out: it would hold absolute addresses, and J-Link finds
 * functions by name. SEGGER_OPEN_Start is in flm_turbo.c.
 */
#include "flm.h"
#include "storage.h"

#define READ_FAILED  (-1)
#define NIBBLE_BITS  4u
#define NIBBLES      16u
#define NIBBLE_MASK  (NIBBLES - 1u)

int SEGGER_OPEN_Read(uint32_t address, uint32_t size, uint8_t *to)
{
	return storage_read(address, to, size) ? (int)size : READ_FAILED;
}

/* Reflected, so that the bit of the highest power is bit 0: 0xEDB88320 is CRC-32's. Neither the start value nor the end
 * value is inverted.
 */
static void make_table(uint32_t table[NIBBLES], uint32_t polynomial)
{
	for (uint32_t i = 0; i < NIBBLES; i++) {
		uint32_t value = i;

		for (uint32_t bit = 0; bit < NIBBLE_BITS; bit++) {
			value = (value >> 1) ^ (((value & 1u) != 0) ? polynomial : 0);
		}
		table[i] = value;
	}
}

uint32_t SEGGER_OPEN_CalcCRC(uint32_t crc, uint32_t address, uint32_t size, uint32_t polynomial)
{
	uint32_t table[NIBBLES];
	uint32_t piece;

	make_table(table, polynomial);
	for (; size > 0; size -= piece, address += piece) {
		const uint8_t *data = storage_piece(address, size, &piece);

		if (data == NULL) {
			return ~crc; /* there is no way to tell a failure but by a value that does not match */
		}
		for (uint32_t i = 0; i < piece; i++) {
			crc ^= data[i];
			crc = (crc >> NIBBLE_BITS) ^ table[crc & NIBBLE_MASK];
			crc = (crc >> NIBBLE_BITS) ^ table[crc & NIBBLE_MASK];
		}
	}
	return crc;
}

int SEGGER_OPEN_Program(uint32_t address, uint32_t size, uint8_t *data)
{
	return ProgramPage(address, size, data);
}

/* `index` counts from the start of the memory and says nothing that the address does not. */
int SEGGER_OPEN_Erase(uint32_t address, uint32_t index, uint32_t count)
{
	(void)index;
	for (; count > 0; count--) {
		uint32_t size = storage_erase(address);

		if (size == 0) {
			return FLM_FAILED;
		}
		address += size;
	}
	return FLM_OK;
}
