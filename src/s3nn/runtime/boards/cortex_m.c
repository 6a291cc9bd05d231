/* A Cortex-M: where it starts, and what it counts with.
 *
 * The emulator runs one instruction a nanosecond of its clock.  The boards of Arm's MPS2 have 25 MHz,
 * so SysTick counts down once in 40 instructions. */

#include "board.h"

#define INSTRUCTIONS_A_TICK 40u
#define FULL 0xffffffu

typedef struct {
    volatile uint32_t control, reload, value;
} board_systick;
#define SYSTICK ((board_systick *)0xe000e010)
#define CPACR (*(volatile uint32_t *)0xe000ed88)

extern char stack_high[];
void board_start(void);

static void reset(void)
{
    CPACR |= 0xfu << 20; /* the floating-point unit */
    SYSTICK->reload = FULL;
    SYSTICK->value = 0;
    SYSTICK->control = 5; /* on, by the processor's clock */
    board_start();
}

static void fault(void)
{
    board_host(0x04, "board: fault\n");
    const intptr_t reason[2] = {0x20023, 1};
    board_host(0x20, reason);
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    stack_high, reset, fault, fault, fault, fault, fault,
};

uint64_t board_clock(void)
{
    static uint64_t ticks;
    static uint32_t last = FULL;
    const uint32_t now = SYSTICK->value;
    ticks += (last - now) & FULL;
    last = now;
    return ticks * INSTRUCTIONS_A_TICK;
}

intptr_t board_host(intptr_t operation, const void *argument)
{
    register intptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}
