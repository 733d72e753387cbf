/* What the tiny loaders of these tests share: registers, memories, and the faults that a test may ask for. */
#ifndef TINY_H
#define TINY_H

#include <stdint.h>

#define REG32(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define REG8(address)  (*(volatile uint8_t *)(uintptr_t)(address))

/* One memory, by absolute addresses; 0 is success. */
int memory_start(void);
int memory_erase(uint32_t address);
int memory_program(uint32_t address, const uint8_t *data, uint32_t size);
void memory_read(uint32_t address, uint8_t *data, uint32_t size);
void memory_map(void);

#endif
