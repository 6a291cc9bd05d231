/* A RISC-V core of 32 bits: where it starts, and the instructions that it counts itself. */

#include "board.h"

__asm__(".section .vectors, \"ax\"\n"
        ".globl _start\n"
        "_start:\n"
        ".option push\n"
        ".option norelax\n"
        "la gp, __global_pointer$\n"
        ".option pop\n"
        "la sp, stack_high\n"
        "la t0, fault\n"
        "csrw mtvec, t0\n"
        "j board_start\n");

__attribute__((used, aligned(4))) static void fault(void)
{
    board_host(0x04, "board: fault\n");
    const intptr_t reason[2] = {0x20023, 1};
    board_host(0x20, reason);
    for (;;) {
    }
}

uint64_t board_clock(void)
{
    uint32_t high, low, again;
    do {
        __asm__ volatile("csrr %0, minstreth" : "=r"(high));
        __asm__ volatile("csrr %0, minstret" : "=r"(low));
        __asm__ volatile("csrr %0, minstreth" : "=r"(again));
    } while (high != again);
    return (uint64_t)high << 32 | low;
}

intptr_t board_host(intptr_t operation, const void *argument)
{
    register intptr_t a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    __asm__ volatile(".option push\n"
                     ".option norvc\n"
                     ".balign 16\n"
                     "slli x0, x0, 0x1f\n"
                     "ebreak\n"
                     "srai x0, x0, 7\n"
                     ".option pop\n"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}
