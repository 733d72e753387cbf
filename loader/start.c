/* From the host's `go` to main: a core that nothing of the application can disturb, and fault handlers that report.
 *
 * The host halts the MCU at its reset vector, writes the vector table (SP = bf_stack_top, every fault = bf_fault), and sets
 * VTOR to it, SP to bf_stack_top and PC to bf_entry: from the first instruction on a fault is reported.
 */
#include "core.h"
#include "hardware.h"
#include "mailbox.h"
#include "region.h"
#include "systick.h"

#define SCB_CFSR  0xE000ED28u
#define SCB_HFSR  0xE000ED2Cu
#define SCB_MMFAR 0xE000ED34u
#define SCB_BFAR  0xE000ED38u

#define SCB_CFSR_MSTKERR   (1u << 4)
#define SCB_CFSR_MMARVALID (1u << 7)
#define SCB_CFSR_STKERR    (1u << 12)

/* Exception frame, ARMv7-M B1.5.6 */
#define FRAME_LR 5u
#define FRAME_PC 6u

extern struct mailbox bf_mailbox;
extern uint32_t bf_bss_start[];
extern uint32_t bf_bss_end[];

void fault_report(const uint32_t *frame, uint32_t cause);
void bf_fault(void);
void bf_entry(void);

/* Every vector of a fault. The stack may be what has failed: from here on it is a fresh one, that of vector 0 (0xE000ED08
 * is SCB_VTOR).
 */
__attribute__((naked, used, section(".text.bf_fault"))) void bf_fault(void)
{
	__asm__ volatile("mrs r0, msp\n"
	                 "mrs r1, ipsr\n"
	                 "movw r2, #0xED08\n"
	                 "movt r2, #0xE000\n"
	                 "ldr r2, [r2]\n"
	                 "ldr r2, [r2]\n"
	                 "msr msp, r2\n"
	                 "b fault_report\n");
}

__attribute__((used, noreturn)) void fault_report(const uint32_t *frame, uint32_t cause)
{
	volatile struct fault_record *record = &bf_mailbox.fault;
	volatile struct mailbox_head *head = &bf_mailbox.head;

	record->cause = cause;
	record->cfsr = REG32(SCB_CFSR);
	if ((record->cfsr & (SCB_CFSR_MSTKERR | SCB_CFSR_STKERR)) == 0) { /* else there is no frame */
		record->pc = frame[FRAME_PC];
		record->lr = frame[FRAME_LR];
	}
	record->hfsr = REG32(SCB_HFSR);
	record->address = ((record->cfsr & SCB_CFSR_MMARVALID) != 0) ? REG32(SCB_MMFAR) : REG32(SCB_BFAR);
	barrier_data();
	head->magic = MAILBOX_MAGIC;
	head->state = LOADER_FAULT;
	for (;;) {
		REG32(IWDG_KR) = IWDG_KR_REFRESH; /* the watchdog must not wipe the record */
	}
}

static void clear_bss(void)
{
	for (volatile uint32_t *word = bf_bss_start; word < bf_bss_end; word++) {
		*word = 0;
	}
}

__attribute__((noreturn, used, section(".text.bf_entry"))) void bf_entry(void)
{
	interrupts_mask();
	clear_bss();
	core_caches_off();
	core_close_window();
	loader_main();
	for (;;) {
	}
}
