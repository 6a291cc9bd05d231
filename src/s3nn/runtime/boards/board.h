/* What a program on an emulated board has beside its own code; printf comes with it. */

#ifndef S3NN_BOARD_H
#define S3NN_BOARD_H

#include <stdint.h>

/* Around what is measured: instructions add up, and the deepest stack is kept. */
void board_begin(void);
void board_end(void);

uint64_t board_instructions(void);
uint32_t board_stack_bytes(void);

/* Instructions so far, from each board's own file; their lowest digits may be cut off. */
uint64_t board_clock(void);

/* Semihosting: operation and argument, as Arm's specification numbers them. */
intptr_t board_host(intptr_t operation, const void *argument);

#endif
