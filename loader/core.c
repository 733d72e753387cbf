/* The Cortex-M7's caches and MPU (ARMv7-M ARM, B2.2 and B3.5; PM0253 4.6 and 4.8).
 *
 * The core reads ahead in Normal memory on its own, wherever the MPU lets it. A region without access stops that. The
 * debug port's accesses do not pass the MPU.
 */
#include "core.h"

#include "board_data.h"

#define SCB_CCR    0xE000ED14u
#define SCB_CCR_DC (1u << 16)
#define SCB_CCR_IC (1u << 17)
#define SCB_CCSIDR 0xE000ED80u
#define SCB_CSSELR 0xE000ED84u
#define SCB_DCCISW 0xE000EF74u

#define SCB_CSSELR_DATA         0u /* level 1 */
#define SCB_CCSIDR_LINE_MASK    0x7u /* log2 of its words, less 2 */
#define SCB_CCSIDR_LINE_LEAST   4u
#define SCB_CCSIDR_WAYS_SHIFT   3u /* less 1, as the sets */
#define SCB_CCSIDR_WAYS_MASK    0x3FFu
#define SCB_CCSIDR_SETS_SHIFT   13u
#define SCB_CCSIDR_SETS_MASK    0x7FFFu

#define MPU_TYPE               0xE000ED90u
#define MPU_TYPE_DREGION_SHIFT 8u
#define MPU_TYPE_DREGION_MASK  0xFFu
#define MPU_CTRL               0xE000ED94u
#define MPU_CTRL_ENABLE        (1u << 0)
#define MPU_CTRL_PRIVDEFENA    (1u << 2)
#define MPU_RNR                0xE000ED98u
#define MPU_RBAR               0xE000ED9Cu
#define MPU_RASR               0xE000EDA0u
#define MPU_RASR_ENABLE        (1u << 0)
#define MPU_RASR_SIZE_SHIFT    1u
#define MPU_RASR_XN            (1u << 28) /* AP 000: no access for anybody */
#define MPU_NO_ACCESS(log2)    (MPU_RASR_XN | (((log2) - 1u) << MPU_RASR_SIZE_SHIFT) | MPU_RASR_ENABLE)

#define REGION_FLASH 0u

struct closed {
	uint32_t base;
	uint32_t attributes;
};

/* Region n is row n. */
static const struct closed closed[] = {
	{FLASH_BASE, 0}, /* open: core_close_flash */
	{0x00200000u, MPU_NO_ACCESS(FLASH_LOG2)}, /* the same over the core's ITCM bus; nothing there on H7 */
	{0x60000000u, MPU_NO_ACCESS(29u)}, /* external memory: its controller is off */
	{0x80000000u, MPU_NO_ACCESS(28u)},
	{QSPI_WINDOW, MPU_NO_ACCESS(QSPI_WINDOW_LOG2)}, /* a read while the controller is not mapped hangs the bus */
};

static void settle(void)
{
	barrier_sync();
	barrier_instruction();
}

/* Each line of each way, cleaned and invalidated. No store may come between this and switching off: all is in registers. */
static void clean_data_cache(void)
{
	uint32_t geometry;
	uint32_t ways;
	uint32_t line_shift;
	uint32_t way_shift;

	REG32(SCB_CSSELR) = SCB_CSSELR_DATA;
	barrier_sync();
	geometry = REG32(SCB_CCSIDR);
	ways = (geometry >> SCB_CCSIDR_WAYS_SHIFT) & SCB_CCSIDR_WAYS_MASK;
	line_shift = (geometry & SCB_CCSIDR_LINE_MASK) + SCB_CCSIDR_LINE_LEAST;
	way_shift = (uint32_t)__builtin_clz(ways); /* the ways are numbered in the uppermost bits */
	for (uint32_t set = (geometry >> SCB_CCSIDR_SETS_SHIFT) & SCB_CCSIDR_SETS_MASK;; set--) {
		for (uint32_t way = ways;; way--) {
			REG32(SCB_DCCISW) = (way << way_shift) | (set << line_shift);
			if (way == 0) {
				break;
			}
		}
		if (set == 0) {
			break;
		}
	}
	barrier_sync();
}

void core_caches_off(void)
{
	if ((REG32(SCB_CCR) & SCB_CCR_DC) != 0) {
		clean_data_cache();
	}
	REG32(SCB_CCR) &= ~(SCB_CCR_DC | SCB_CCR_IC);
	settle();
}

static void set_region(uint32_t number, uint32_t attributes)
{
	REG32(MPU_RNR) = number;
	REG32(MPU_RASR) = attributes;
	settle();
}

void core_close_window(void)
{
	uint32_t regions = (REG32(MPU_TYPE) >> MPU_TYPE_DREGION_SHIFT) & MPU_TYPE_DREGION_MASK;

	REG32(MPU_CTRL) = 0;
	for (uint32_t i = 0; i < regions; i++) {
		set_region(i, 0);
		if (i < sizeof(closed) / sizeof(closed[0])) {
			REG32(MPU_RBAR) = closed[i].base;
			REG32(MPU_RASR) = closed[i].attributes;
		}
	}
	REG32(MPU_CTRL) = MPU_CTRL_ENABLE | MPU_CTRL_PRIVDEFENA;
	settle();
}

void core_open_window(void)
{
	uint32_t regions = (REG32(MPU_TYPE) >> MPU_TYPE_DREGION_SHIFT) & MPU_TYPE_DREGION_MASK;

	REG32(MPU_CTRL) = 0;
	for (uint32_t i = 0; i < regions; i++) {
		set_region(i, 0);
	}
}

void core_close_flash(void)
{
	set_region(REGION_FLASH, MPU_NO_ACCESS(FLASH_LOG2));
}

void core_open_flash(void)
{
	set_region(REGION_FLASH, 0);
}
