/* From the host's `go` to main: a core that nothing of the application can disturb, and fault handlers that report.
 *
 * The host halts the MCU at its reset vector, sets SP to bf_stack_top and PC to bf_entry.
 */
#include "core.h"
#include "hardware.h"
#include "mailbox.h"
#include "region.h"
#include "time.h"

#define SCB_VTOR  0xE000ED08u
#define SCB_CFSR  0xE000ED28u
#define SCB_HFSR  0xE000ED2Cu
#define SCB_MMFAR 0xE000ED34u
#define SCB_BFAR  0xE000ED38u

#define SCB_CFSR_MMARVALID (1u << 7)

#define VECTORS          16u
#define VECTOR_NMI       2u
#define VECTOR_USAGE     6u
#define VECTOR_ALIGNMENT 128u /* ARMv7-M B3.2.5: a power of two that holds the table, at least 128 */

/* Exception frame, ARMv7-M B1.5.6 */
#define FRAME_LR 5u
#define FRAME_PC 6u

extern struct mailbox bf_mailbox;
extern uint32_t bf_bss_start[];
extern uint32_t bf_bss_end[];
extern uint32_t bf_stack_top[];

void fault_report(const uint32_t *frame, uint32_t cause);
void bf_entry(void);

/* Filled here and not by the linker: the image holds no absolute address. */
__attribute__((aligned(VECTOR_ALIGNMENT), used)) uint32_t bf_vectors[VECTORS];

__attribute__((naked)) static void fault_entry(void)
{
	__asm__ volatile("mrs r0, msp\n"
	                 "mrs r1, ipsr\n"
	                 "b fault_report\n");
}

__attribute__((used, noreturn)) void fault_report(const uint32_t *frame, uint32_t cause)
{
	volatile struct fault_record *record = &bf_mailbox.fault;
	volatile struct mailbox_head *head = &bf_mailbox.head;

	record->cause = cause;
	record->pc = frame[FRAME_PC];
	record->lr = frame[FRAME_LR];
	record->cfsr = REG32(SCB_CFSR);
	record->hfsr = REG32(SCB_HFSR);
	record->address = ((record->cfsr & SCB_CFSR_MMARVALID) != 0) ? REG32(SCB_MMFAR) : REG32(SCB_BFAR);
	barrier_data();
	head->magic = MAILBOX_MAGIC;
	head->state = LOADER_FAULT;
	for (;;) {
		(void)time_ms(); /* the watchdog must not wipe the record */
	}
}

static void clear_bss(void)
{
	for (volatile uint32_t *word = bf_bss_start; word < bf_bss_end; word++) {
		*word = 0;
	}
}

static void set_vectors(void)
{
	bf_vectors[0] = (uint32_t)(uintptr_t)bf_stack_top;
	for (uint32_t i = VECTOR_NMI; i <= VECTOR_USAGE; i++) {
		bf_vectors[i] = (uint32_t)(uintptr_t)&fault_entry;
	}
	barrier_data();
	REG32(SCB_VTOR) = (uint32_t)(uintptr_t)bf_vectors;
}

__attribute__((noreturn, used, section(".text.bf_entry"))) void bf_entry(void)
{
	interrupts_mask();
	clear_bss();
	set_vectors();
	core_caches_off();
	core_close_window();
	loader_main();
	for (;;) {
	}
}
