/* The interface between a debug host and a CMSIS-Pack flash algorithm (CMSIS-Pack specification, "Flash programming";
 * field layout as pyOCD and probe-rs parse it, reference flash-engines section 8).
 */
#ifndef BOARDFLASH_FLM_H
#define BOARDFLASH_FLM_H

#include "hardware.h"

#define FLM_NAME_SIZE   128u
#define FLM_SECTORS_MAX 512u
#define FLM_SECTORS_END 0xFFFFFFFFu

enum flm_function { FLM_ERASE = 1, FLM_PROGRAM = 2, FLM_VERIFY = 3 };
enum flm_result { FLM_OK = 0, FLM_FAILED = 1 };
enum flm_type { FLM_ON_CHIP = 1, FLM_EXTERNAL_SPI = 5 };

struct flm_sectors {
	uint32_t size;
	uint32_t offset; /* where sectors of this size begin */
};

struct flm_device {
	uint16_t version;
	char name[FLM_NAME_SIZE];
	uint16_t type;
	uint32_t base;
	uint32_t size;
	uint32_t page_size;
	uint32_t reserved;
	uint8_t empty;
	uint32_t program_max_ms;
	uint32_t erase_max_ms;
	struct flm_sectors sectors[FLM_SECTORS_MAX];
};

extern const struct flm_device FlashDevice __attribute__((visibility("default"), section("DevDscr")));

#define FLM_EXPORT __attribute__((visibility("default"), section(".text.flm")))

/* flm.c */
FLM_EXPORT int Init(unsigned long base, unsigned long clock, unsigned long function);
FLM_EXPORT int UnInit(unsigned long function);
FLM_EXPORT int EraseChip(void);
FLM_EXPORT int EraseSector(unsigned long address);
FLM_EXPORT int ProgramPage(unsigned long address, unsigned long size, unsigned char *data);
FLM_EXPORT int BlankCheck(unsigned long address, unsigned long size, unsigned char pattern);

/* flm_verify.c: address + size, or the address of the first byte that differs */
FLM_EXPORT unsigned long Verify(unsigned long address, unsigned long size, unsigned char *data);

/* flm_segger.c: J-Link's additions */
FLM_EXPORT int SEGGER_OPEN_Read(uint32_t address, uint32_t size, uint8_t *to);
FLM_EXPORT uint32_t SEGGER_OPEN_CalcCRC(uint32_t crc, uint32_t address, uint32_t size, uint32_t polynomial);
FLM_EXPORT int SEGGER_OPEN_Program(uint32_t address, uint32_t size, uint8_t *data);
FLM_EXPORT int SEGGER_OPEN_Erase(uint32_t address, uint32_t index, uint32_t count);

/* flm_turbo.c: takes commands from RAM from now on */
struct SEGGER_OPEN_CMD_INFO;
FLM_EXPORT void SEGGER_OPEN_Start(volatile struct SEGGER_OPEN_CMD_INFO *block);

#endif
