/* The core as any of our programs needs it: caches off, and the QSPI window closed to it while nothing is mapped. */
#ifndef BOARDFLASH_CORE_H
#define BOARDFLASH_CORE_H

#include "board_data.h"
#include "hardware.h"

#define SCB_CCR    0xE000ED14u
#define SCB_CCR_DC (1u << 16)
#define SCB_CCR_IC (1u << 17)

#define MPU_CTRL            0xE000ED94u
#define MPU_CTRL_ENABLE     (1u << 0)
#define MPU_CTRL_PRIVDEFENA (1u << 2)
#define MPU_RNR             0xE000ED98u
#define MPU_RBAR            0xE000ED9Cu
#define MPU_RASR            0xE000EDA0u
#define MPU_RASR_ENABLE     (1u << 0)
#define MPU_RASR_SIZE_SHIFT 1u
#define MPU_RASR_XN         (1u << 28) /* AP 000: no access for anybody */

static inline void core_caches_off(void)
{
	REG32(SCB_CCR) &= ~(SCB_CCR_DC | SCB_CCR_IC);
	barrier_sync();
	barrier_instruction();
}

/* The core reads ahead on its own; a read of the QSPI window while the controller is not mapped would hang the bus. The
 * debug port's reads do not pass the MPU.
 */
static inline void core_close_window(void)
{
	REG32(MPU_CTRL) = 0;
	REG32(MPU_RNR) = 0;
	REG32(MPU_RBAR) = QSPI_WINDOW;
	REG32(MPU_RASR) = MPU_RASR_XN | ((QSPI_WINDOW_LOG2 - 1u) << MPU_RASR_SIZE_SHIFT) | MPU_RASR_ENABLE;
	REG32(MPU_CTRL) = MPU_CTRL_ENABLE | MPU_CTRL_PRIVDEFENA;
	barrier_sync();
	barrier_instruction();
}

/* Firmware that is started without a reset finds the MPU as after one. */
static inline void core_open_window(void)
{
	REG32(MPU_CTRL) = 0;
	REG32(MPU_RNR) = 0;
	REG32(MPU_RASR) = 0;
	barrier_sync();
	barrier_instruction();
}

#endif
