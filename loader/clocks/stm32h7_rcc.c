/* STM32H742/H743/H750/H753: HSI and PLL1 in the reset state's VOS3 (RM0433 chapters 4.3.8 and 8).
 *
 * Compiled for every H7 board, tried on none: the programmer refuses MCUs that are not simulated.
 */
#include "board_data.h"
#include "clocks.h"

#define RCC_BASE       0x58024400u
#define RCC_CR         (RCC_BASE + 0x00u)
#define RCC_CFGR       (RCC_BASE + 0x10u)
#define RCC_D1CFGR     (RCC_BASE + 0x18u)
#define RCC_D2CFGR     (RCC_BASE + 0x1Cu)
#define RCC_D3CFGR     (RCC_BASE + 0x20u)
#define RCC_PLLCKSELR  (RCC_BASE + 0x28u)
#define RCC_PLLCFGR    (RCC_BASE + 0x2Cu)
#define RCC_PLL1DIVR   (RCC_BASE + 0x30u)

#define RCC_CR_HSION   (1u << 0)
#define RCC_CR_HSIRDY  (1u << 2)
#define RCC_CR_PLL1ON  (1u << 24)
#define RCC_CR_PLL1RDY (1u << 25)

#define RCC_CFGR_SW_HSI    0u
#define RCC_CFGR_SW_PLL1   3u
#define RCC_CFGR_SW_MASK   7u
#define RCC_CFGR_SWS_SHIFT 3u

#define RCC_D1CFGR_HPRE_SHIFT     0u
#define RCC_D1CFGR_D1PPRE_SHIFT   4u
#define RCC_D2CFGR_D2PPRE1_SHIFT  4u
#define RCC_D2CFGR_D2PPRE2_SHIFT  8u
#define RCC_D3CFGR_D3PPRE_SHIFT   4u
#define PPRE_DIVIDED              3u /* 1xx: divided by 2 and on */
#define HPRE_DIVIDED              7u /* 1xxx */

#define RCC_PLLCKSELR_PLLSRC_HSI  0u
#define RCC_PLLCKSELR_DIVM1_SHIFT 4u
#define RCC_PLLCFGR_PLL1RGE_8_16  (3u << 2) /* reference of 8 to 16 MHz */
#define RCC_PLLCFGR_DIVP1EN       (1u << 16)
#define RCC_PLL1DIVR_N_SHIFT      0u
#define RCC_PLL1DIVR_P_SHIFT      9u
#define RCC_PLL1DIVR_Q_SHIFT      16u
#define RCC_PLL1DIVR_R_SHIFT      24u

#define FLASH_ACR                 (FLASH_REGISTERS + 0x00u)
#define FLASH_ACR_LATENCY_MASK    0xFu
#define FLASH_ACR_MASK            0x3Fu /* with WRHIGHFREQ */
#define FLASH_ACR_WRHIGHFREQ      (3u << 4)

enum clock_step { CLOCK_DONE, CLOCK_HSI, CLOCK_PLL_OFF, CLOCK_LATENCY, CLOCK_PLL, CLOCK_SWITCH };

/* Divider 1, 2, 4, 8, 16 as the prescaler fields have it. */
static uint32_t divider_field(uint32_t divider, uint32_t undivided)
{
	uint32_t field = undivided;

	for (; divider > 1u; divider /= 2u) {
		field++;
	}
	return (field == undivided) ? 0 : field;
}

static bool switch_to(uint32_t source)
{
	REG32(RCC_CFGR) = (REG32(RCC_CFGR) & ~RCC_CFGR_SW_MASK) | source;
	return clock_reads(RCC_CFGR, RCC_CFGR_SW_MASK << RCC_CFGR_SWS_SHIFT, source << RCC_CFGR_SWS_SHIFT);
}

uint32_t clocks_start(void)
{
	REG32(RCC_CR) |= RCC_CR_HSION;
	if (!clock_reads(RCC_CR, RCC_CR_HSIRDY, RCC_CR_HSIRDY) || !switch_to(RCC_CFGR_SW_HSI)) {
		return CLOCK_HSI;
	}
	REG32(RCC_CR) &= ~RCC_CR_PLL1ON;
	if (!clock_reads(RCC_CR, RCC_CR_PLL1RDY, 0)) {
		return CLOCK_PLL_OFF;
	}
	REG32(FLASH_ACR) = (REG32(FLASH_ACR) & ~FLASH_ACR_MASK) | FLASH_ACR_WRHIGHFREQ | CLOCK_WAIT_STATES;
	if (!clock_reads(FLASH_ACR, FLASH_ACR_LATENCY_MASK, CLOCK_WAIT_STATES)) {
		return CLOCK_LATENCY;
	}
	REG32(RCC_PLLCKSELR) = RCC_PLLCKSELR_PLLSRC_HSI | (CLOCK_PLL_M << RCC_PLLCKSELR_DIVM1_SHIFT);
	REG32(RCC_PLLCFGR) = RCC_PLLCFGR_PLL1RGE_8_16 | RCC_PLLCFGR_DIVP1EN;
	REG32(RCC_PLL1DIVR) = ((CLOCK_PLL_N - 1u) << RCC_PLL1DIVR_N_SHIFT) |
	                      ((CLOCK_PLL_P - 1u) << RCC_PLL1DIVR_P_SHIFT) |
	                      ((CLOCK_PLL_P - 1u) << RCC_PLL1DIVR_Q_SHIFT) |
	                      ((CLOCK_PLL_P - 1u) << RCC_PLL1DIVR_R_SHIFT);
	REG32(RCC_CR) |= RCC_CR_PLL1ON;
	if (!clock_reads(RCC_CR, RCC_CR_PLL1RDY, RCC_CR_PLL1RDY)) {
		return CLOCK_PLL;
	}
	REG32(RCC_D1CFGR) = (divider_field(CLOCK_AHB_DIV, HPRE_DIVIDED) << RCC_D1CFGR_HPRE_SHIFT) |
	                    (divider_field(CLOCK_APB3_DIV, PPRE_DIVIDED) << RCC_D1CFGR_D1PPRE_SHIFT);
	REG32(RCC_D2CFGR) = (divider_field(CLOCK_APB1_DIV, PPRE_DIVIDED) << RCC_D2CFGR_D2PPRE1_SHIFT) |
	                    (divider_field(CLOCK_APB2_DIV, PPRE_DIVIDED) << RCC_D2CFGR_D2PPRE2_SHIFT);
	REG32(RCC_D3CFGR) = divider_field(CLOCK_APB4_DIV, PPRE_DIVIDED) << RCC_D3CFGR_D3PPRE_SHIFT;
	return switch_to(RCC_CFGR_SW_PLL1) ? CLOCK_DONE : CLOCK_SWITCH;
}
