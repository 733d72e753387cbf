/* The interface between STM32CubeProgrammer and an external loader: ST's Dev_Inf.h and Loader_Src.h, as
 * github:STMicroelectronics/stm32-external-loader@0cbde89 has them (reference flash-engines section 7).
 */
#ifndef BOARDFLASH_STLDR_H
#define BOARDFLASH_STLDR_H

#include "hardware.h"

#define STLDR_NAME_SIZE 100u
#define STLDR_SECTORS   10u

enum stldr_result { STLDR_FAILED = 0, STLDR_OK = 1 };
enum stldr_type { STLDR_NOR_FLASH = 3 }; /* read through its window, as ST's own QSPI loaders have it */

struct stldr_sectors {
	uint32_t count;
	uint32_t size;
};

struct stldr_storage {
	char name[STLDR_NAME_SIZE];
	uint16_t type;
	uint32_t base;
	uint32_t size;
	uint32_t page_size;
	uint8_t erased;
	struct stldr_sectors sectors[STLDR_SECTORS];
};

#define STLDR_INFO   __attribute__((visibility("default"), section(".storage_info")))
#define STLDR_EXPORT __attribute__((visibility("default"), section(".text.stldr")))

extern const struct stldr_storage StorageInfo STLDR_INFO;

STLDR_EXPORT int Init(void);
STLDR_EXPORT int Read(uint32_t address, uint32_t size, uint8_t *to);
STLDR_EXPORT int Write(uint32_t address, uint32_t size, const uint8_t *data);
STLDR_EXPORT int SectorErase(uint32_t start, uint32_t end); /* all sectors from that of `start` to that of `end` */
STLDR_EXPORT int MassErase(uint32_t parallelism);
STLDR_EXPORT uint32_t CheckSum(uint32_t start, uint32_t size, uint32_t initial);
/* R0: 0 or the address of the first byte that differs; R1: the checksum */
STLDR_EXPORT uint64_t Verify(uint32_t address, const uint8_t *data, uint32_t words, uint32_t misalignment);

#endif
