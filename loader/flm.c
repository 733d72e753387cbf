/* CMSIS-Pack flash algorithm of one memory. Position independent: code and constants relative to PC, data relative to R9
 * (-fropi -frwpi); the host calls with SP and R9 set, interrupts as they are.
 *
 * There is no Verify here on purpose: pyOCD would skip nothing any more. It reads the window itself, so Init for
 * verification and UnInit leave the memory exposed.
 */
#include "flm.h"

#include "core.h"
#include "storage.h"

static int result(bool done)
{
	return done ? FLM_OK : FLM_FAILED;
}

int Init(unsigned long base, unsigned long clock, unsigned long function)
{
	(void)base;
	(void)clock;
	interrupts_mask();
	core_caches_off();
	return result(storage_open() && (function != FLM_VERIFY || storage_expose()));
}

int UnInit(unsigned long function)
{
	(void)function;
	return result(storage_close());
}

int EraseChip(void)
{
	return result(storage_erase_all());
}

int EraseSector(unsigned long address)
{
	return result(storage_erase(address) != 0);
}

int ProgramPage(unsigned long address, unsigned long size, unsigned char *data)
{
	return result(storage_program(address, data, size));
}

int BlankCheck(unsigned long address, unsigned long size, unsigned char pattern)
{
	return result(storage_is_all(address, size, pattern));
}
