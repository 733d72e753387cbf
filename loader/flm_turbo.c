/* SEGGER_OPEN_Start, J-Link's turbo mode: it is entered once and never returns. The host hands commands over in RAM while
 * the core runs, the next one while this one works.
 *
 * SEGGER describes it nowhere. Layout and numbers are those of a reconstruction of the library that its flash loader
 * template is linked with, published and used by EdgeTX (EdgeTX/stm32h7_flashloader, Src/FlashOS.h, Src/FlashPrg.c).
 */
#include "flm.h"
#include "systick.h"

#define TURBO_RUNNING 0x7FFFFFFF /* a result that is not there yet */
#define TURBO_REFUSED (-1)

enum turbo_command {
	TURBO_IDLE = 0,
	TURBO_BLANK_CHECK = 2,
	TURBO_CRC = 3,
	TURBO_READ = 5,
	TURBO_PROGRAM = 6,
	TURBO_ERASE = 7,
	TURBO_INIT = 8,
	TURBO_UNINIT = 9,
	TURBO_VERIFY = 11,
};

struct SEGGER_OPEN_CMD_INFO {
	uint32_t buffer; /* sectors to erase, where the command is that */
	uint32_t unknown_4;
	uint32_t base;
	uint32_t offset;
	uint32_t size; /* 0 in an erase: the chip */
	uint32_t argument[3];
	uint32_t result; /* where the result goes */
	uint32_t next;   /* the block after this one; a CRC comes back here */
	uint32_t unknown_40;
	uint32_t command; /* written last by the host; IDLE again once it was taken */
};

static void *pointer(uint32_t address)
{
	return (void *)(uintptr_t)address;
}

static int turbo_run(volatile struct SEGGER_OPEN_CMD_INFO *block, uint32_t command)
{
	uint32_t address = block->base + block->offset;

	switch (command) {
	case TURBO_BLANK_CHECK:
		return BlankCheck(address, block->size, (unsigned char)block->argument[0]);
	case TURBO_CRC:
		block->next = SEGGER_OPEN_CalcCRC(block->argument[0], address, block->size, block->argument[1]);
		return FLM_OK;
	case TURBO_READ:
		return SEGGER_OPEN_Read(address, block->size, pointer(block->buffer));
	case TURBO_PROGRAM:
		return SEGGER_OPEN_Program(address, block->size, pointer(block->buffer));
	case TURBO_ERASE:
		return (block->size == 0) ? EraseChip() : SEGGER_OPEN_Erase(address, block->argument[0], block->buffer);
	case TURBO_INIT:
		return Init(address, block->argument[1], block->argument[0]);
	case TURBO_UNINIT:
		return UnInit(block->argument[0]);
	case TURBO_VERIFY:
		return (int)Verify(address, block->size, pointer(block->buffer));
	default:
		return TURBO_REFUSED;
	}
}

void SEGGER_OPEN_Start(volatile struct SEGGER_OPEN_CMD_INFO *block)
{
	for (;;) {
		volatile struct SEGGER_OPEN_CMD_INFO *next;
		volatile int32_t *result;
		uint32_t command = block->command;

		REG32(IWDG_KR) = IWDG_KR_REFRESH;
		if (command == TURBO_IDLE) {
			continue;
		}
		barrier_data(); /* the rest of the block was written before its command */
		next = pointer(block->next);
		result = pointer(block->result);
		*result = TURBO_RUNNING;
		block->command = TURBO_IDLE;
		int32_t found = turbo_run(block, command);
		barrier_data(); /* what was read is there before its result */
		*result = found;
		block = next;
	}
}
