/* STM32F74x/F75x: HSI and main PLL, core voltage scale 1, no over-drive (RM0385 chapters 3.3.2, 4 and 5). */
#include "board_data.h"
#include "clocks.h"

#define RCC_BASE    0x40023800u
#define RCC_CR      (RCC_BASE + 0x00u)
#define RCC_PLLCFGR (RCC_BASE + 0x04u)
#define RCC_CFGR    (RCC_BASE + 0x08u)
#define RCC_APB1ENR (RCC_BASE + 0x40u)
#define PWR_CR1     0x40007000u

#define RCC_CR_HSION  (1u << 0)
#define RCC_CR_HSIRDY (1u << 1)
#define RCC_CR_PLLON  (1u << 24)
#define RCC_CR_PLLRDY (1u << 25)

#define RCC_PLLCFGR_PLLN_SHIFT 6u
#define RCC_PLLCFGR_PLLP_SHIFT 16u
#define RCC_PLLCFGR_PLLQ_SHIFT 24u
#define RCC_PLLCFGR_PLLQ_USED  8u /* 48 MHz domain; nothing of ours runs from it, 2 to 15 is legal */

#define RCC_CFGR_SW_HSI      0u
#define RCC_CFGR_SW_PLL      2u
#define RCC_CFGR_SW_MASK     3u
#define RCC_CFGR_SWS_SHIFT   2u
#define RCC_CFGR_PPRE1_SHIFT 10u
#define RCC_CFGR_PPRE2_SHIFT 13u

#define RCC_APB1ENR_PWREN (1u << 28)
#define PWR_CR1_VOS_1     (3u << 14) /* all bits of the field: what a reset leaves, an application may have lowered */

#define FLASH_ACR              (FLASH_REGISTERS + 0x00u)
#define FLASH_ACR_LATENCY_MASK 0xFu

enum clock_step { CLOCK_DONE, CLOCK_HSI, CLOCK_PLL_OFF, CLOCK_LATENCY, CLOCK_PLL, CLOCK_SWITCH };

/* Divider 1, 2, 4, 8, 16 as the PPRE fields have it. */
static uint32_t apb_field(uint32_t divider)
{
	uint32_t field = 3;

	for (; divider > 1u; divider /= 2u) {
		field++;
	}
	return (field == 3u) ? 0 : field;
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
	REG32(RCC_CR) &= ~RCC_CR_PLLON;
	if (!clock_reads(RCC_CR, RCC_CR_PLLRDY, 0)) {
		return CLOCK_PLL_OFF;
	}
	REG32(RCC_APB1ENR) |= RCC_APB1ENR_PWREN;
	(void)REG32(RCC_APB1ENR); /* the block answers after that many clocks: RM0385 5.2.13 */
	REG32(PWR_CR1) |= PWR_CR1_VOS_1; /* takes only while the PLL is off */
	REG32(FLASH_ACR) = (REG32(FLASH_ACR) & ~FLASH_ACR_LATENCY_MASK) | CLOCK_WAIT_STATES;
	if (!clock_reads(FLASH_ACR, FLASH_ACR_LATENCY_MASK, CLOCK_WAIT_STATES)) {
		return CLOCK_LATENCY;
	}
	REG32(RCC_PLLCFGR) = CLOCK_PLL_M | (CLOCK_PLL_N << RCC_PLLCFGR_PLLN_SHIFT) |
	                     ((CLOCK_PLL_P / 2u - 1u) << RCC_PLLCFGR_PLLP_SHIFT) |
	                     (RCC_PLLCFGR_PLLQ_USED << RCC_PLLCFGR_PLLQ_SHIFT); /* PLLSRC 0 = HSI */
	REG32(RCC_CR) |= RCC_CR_PLLON;
	if (!clock_reads(RCC_CR, RCC_CR_PLLRDY, RCC_CR_PLLRDY)) {
		return CLOCK_PLL;
	}
	REG32(RCC_CFGR) = (apb_field(CLOCK_APB1_DIV) << RCC_CFGR_PPRE1_SHIFT) |
	                  (apb_field(CLOCK_APB2_DIV) << RCC_CFGR_PPRE2_SHIFT); /* HPRE 0 = AHB undivided */
	return switch_to(RCC_CFGR_SW_PLL) ? CLOCK_DONE : CLOCK_SWITCH;
}
