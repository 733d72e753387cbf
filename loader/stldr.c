/* STM32CubeProgrammer external loader of one memory. Code and data relative to PC: it works wherever it is loaded, and
 * whatever R9 holds. Between calls the memory is exposed, since the host reads the window itself.
 */
#include "stldr.h"

#include "core.h"
#include "storage.h"

#define MISALIGNMENT_START(value) ((value) & 0xFu)
#define MISALIGNMENT_END(value)   (((value) >> 16) & 0xFu)

static int end(bool done)
{
	return (storage_expose() && done) ? STLDR_OK : STLDR_FAILED;
}

int Init(void)
{
	interrupts_mask();
	core_caches_off();
	return end(storage_open());
}

int Read(uint32_t address, uint32_t size, uint8_t *to)
{
	return storage_read(address, to, size) ? STLDR_OK : STLDR_FAILED;
}

int Write(uint32_t address, uint32_t size, const uint8_t *data)
{
	return end(storage_program(address, data, size));
}

static bool erase_to(uint32_t address, uint32_t last)
{
	uint32_t size = storage_erase(address);

	while (size != 0) {
		address = (address & ~(size - 1u)) + size;
		if (address > last) {
			return true;
		}
		size = storage_erase(address);
	}
	return false;
}

int SectorErase(uint32_t start, uint32_t last)
{
	return end(start <= last && storage_holds(last, 1) && erase_to(start, last));
}

int MassErase(uint32_t parallelism)
{
	(void)parallelism;
	return end(storage_erase_all());
}

/* The sum of all bytes: what the host compares with. Two swapped bytes survive it. */
static uint32_t sum(uint32_t address, uint32_t size, uint32_t value)
{
	uint32_t piece;

	for (; size > 0; size -= piece, address += piece) {
		const uint8_t *data = storage_piece(address, size, &piece);

		if (data == NULL) {
			return ~value; /* there is no way to tell a failure but by a value that does not match */
		}
		for (uint32_t i = 0; i < piece; i++) {
			value += data[i];
		}
	}
	return value;
}

uint32_t CheckSum(uint32_t start, uint32_t size, uint32_t initial)
{
	return sum(start, size, initial);
}

/* The host rounds an image out to words: the checksum leaves out what it added at both ends. */
uint64_t Verify(uint32_t address, const uint8_t *data, uint32_t words, uint32_t misalignment)
{
	uint32_t size = words * sizeof(uint32_t);
	uint32_t added = MISALIGNMENT_END(misalignment);
	uint32_t checksum = sum(address + MISALIGNMENT_START(misalignment), (added < size) ? size - added : 0, 0);
	uint32_t same = storage_matches(address, data, size);
	uint32_t failed = (same == size) ? 0 : address + same;

	return ((uint64_t)checksum << 32) | failed;
}
