/* Reset, vector table and memory set-up of the example applications (ARMv7-M ARM, B1.5). */
#include <stdint.h>

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[], stack_top[];
extern int main(void);

void reset_handler(void) __attribute__((noreturn, used));
static void stop(void) __attribute__((noreturn));

__attribute__((section(".vectors"), used)) const uintptr_t vectors[16] = {
    (uintptr_t)stack_top, (uintptr_t)reset_handler,
    (uintptr_t)stop,      (uintptr_t)stop, /* NMI, HardFault */
    (uintptr_t)stop,      (uintptr_t)stop, /* MemManage, BusFault */
    (uintptr_t)stop,      0,               /* UsageFault */
    0,                    0,
    0,                    (uintptr_t)stop, /* SVCall */
    (uintptr_t)stop,      0,               /* DebugMonitor */
    (uintptr_t)stop,      (uintptr_t)stop, /* PendSV, SysTick */
};

void reset_handler(void)
{
    /* volatile: without a C library the compiler must not turn these loops into memcpy and memset. */
    volatile uint32_t *to = data_start;
    for (const uint32_t *from = data_load; to != data_end; from++, to++) {
        *to = *from;
    }
    for (volatile uint32_t *zero = bss_start; zero != bss_end; zero++) {
        *zero = 0;
    }
    main();
    stop();
}

static void stop(void)
{
    for (;;) {
        __asm__ volatile("wfi");
    }
}
