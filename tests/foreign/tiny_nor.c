/* N25Q128A on the QUADSPI of an STM32F746G-DISCO, on one line, by RM0385 chapter 14; the core as after reset. */
#include "tiny.h"

#define QUADSPI_CR  0xA0001000u
#define QUADSPI_DCR 0xA0001004u
#define QUADSPI_SR  0xA0001008u
#define QUADSPI_FCR 0xA000100Cu
#define QUADSPI_DLR 0xA0001010u
#define QUADSPI_CCR 0xA0001014u
#define QUADSPI_AR  0xA0001018u
#define QUADSPI_DR  0xA0001020u

#define QUADSPI_PSMKR 0xA0001024u
#define QUADSPI_PSMAR 0xA0001028u
#define QUADSPI_PIR   0xA000102Cu

#define CR_APMS   (1u << 22)
#define CR_EN     (1u << 0)
#define CR_ABORT  (1u << 1)
#define SR_TCF    (1u << 1)
#define SR_FTF    (1u << 2)
#define SR_SMF    (1u << 3)
#define SR_BUSY   (1u << 5)
#define CCR_OP(x) ((x) | (1u << 8))
#define CCR_ADDR  ((1u << 10) | (2u << 12))
#define CCR_DATA  (1u << 24)
#define CCR_READ  (1u << 26)
#define CCR_POLL  (2u << 26)
#define CCR_MAP   (3u << 26)

static void alternate(uint32_t port, uint32_t pin, uint32_t function)
{
	uint32_t base = 0x40020000u + 0x400u * port;
	uint32_t high = base + 0x20u + 4u * (pin / 8u);

	REG32(high) = (REG32(high) & ~(0xFu << (4u * (pin % 8u)))) | (function << (4u * (pin % 8u)));
	REG32(base + 8u) |= 3u << (2u * pin);
	REG32(base) = (REG32(base) & ~(3u << (2u * pin))) | (2u << (2u * pin));
}

static void stop(void)
{
	REG32(QUADSPI_CR) |= CR_ABORT;
	while ((REG32(QUADSPI_CR) & CR_ABORT) != 0 || (REG32(QUADSPI_SR) & SR_BUSY) != 0) {
	}
	REG32(QUADSPI_FCR) = 0x1Bu;
}

static void finish(void)
{
	while ((REG32(QUADSPI_SR) & SR_TCF) == 0) {
	}
	stop(); /* this die keeps BUSY otherwise */
}

static void command(uint32_t opcode)
{
	REG32(QUADSPI_CCR) = CCR_OP(opcode);
	finish();
}

/* The controller polls the chip's status itself (automatic polling, stopped by the match). */
static void wait_ready(void)
{
	REG32(QUADSPI_DLR) = 0;
	REG32(QUADSPI_PSMKR) = 1;
	REG32(QUADSPI_PSMAR) = 0;
	REG32(QUADSPI_PIR) = 16;
	REG32(QUADSPI_CR) |= CR_APMS;
	REG32(QUADSPI_CCR) = CCR_OP(0x05u) | CCR_DATA | CCR_POLL;
	while ((REG32(QUADSPI_SR) & SR_SMF) == 0) {
	}
	stop();
}

int memory_start(void)
{
	REG32(0x40023830u) |= 0x1Au;    /* GPIO B, D and E */
	REG32(0x40023838u) |= 1u << 1;  /* QUADSPI */
	REG32(0x40023818u) |= 1u << 1;
	REG32(0x40023818u) &= ~(1u << 1);
	alternate(1, 2, 9);
	alternate(1, 6, 10);
	alternate(3, 11, 9);
	alternate(3, 12, 9);
	alternate(4, 2, 9);
	alternate(3, 13, 9);
	REG32(QUADSPI_DCR) = (23u << 16) | (5u << 8);
	REG32(QUADSPI_CR) = CR_EN | (1u << 24);
	command(0x66u);
	command(0x99u);
	for (volatile uint32_t i = 0; i < 2000u; i++) {
	}
	wait_ready();
	return 0;
}

int memory_erase(uint32_t address)
{
	stop();
	command(0x06u);
	REG32(QUADSPI_CCR) = CCR_OP(0x20u) | CCR_ADDR;
	REG32(QUADSPI_AR) = address & 0x00FFFFFFu;
	finish();
	wait_ready();
	return 0;
}

static void page(uint32_t address, const uint8_t *data, uint32_t size)
{
	command(0x06u);
	REG32(QUADSPI_DLR) = size - 1u;
	REG32(QUADSPI_CCR) = CCR_OP(0x02u) | CCR_ADDR | CCR_DATA;
	REG32(QUADSPI_AR) = address & 0x00FFFFFFu;
	for (uint32_t i = 0; i < size; i++) {
		while ((REG32(QUADSPI_SR) & SR_FTF) == 0) {
		}
		REG8(QUADSPI_DR) = data[i];
	}
	finish();
	wait_ready();
}

int memory_program(uint32_t address, const uint8_t *data, uint32_t size)
{
	stop();
	for (uint32_t at = 0; at < size; at += 256u) {
		page(address + at, data + at, (size - at < 256u) ? size - at : 256u);
	}
	return 0;
}

void memory_read(uint32_t address, uint8_t *data, uint32_t size)
{
#ifdef NO_ABORT /* as loaders made for other dies: they wait until the controller is free, and leave it as it is */
	while ((REG32(QUADSPI_SR) & SR_BUSY) != 0) {
	}
	REG32(QUADSPI_FCR) = 0x1Bu;
#else
	stop();
#endif
	REG32(QUADSPI_DLR) = size - 1u;
	REG32(QUADSPI_CCR) = CCR_OP(0x03u) | CCR_ADDR | CCR_DATA | CCR_READ;
	REG32(QUADSPI_AR) = address & 0x00FFFFFFu;
	for (uint32_t i = 0; i < size; i++) {
		while ((REG32(QUADSPI_SR) & (SR_FTF | SR_TCF)) == 0) {
		}
		data[i] = REG8(QUADSPI_DR);
	}
#ifndef NO_ABORT
	stop();
#endif
}

void memory_map(void)
{
	stop();
	REG32(QUADSPI_CCR) = CCR_OP(0x03u) | CCR_ADDR | CCR_DATA | CCR_MAP;
}
