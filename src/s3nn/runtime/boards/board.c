/* The same on every board: memory before main, output and exit by semihosting, measurements. */

#include "board.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WRITE_TEXT = 0x04, EXIT_EXTENDED = 0x20 };
#define APPLICATION_EXIT 0x20026
#define PAINT 0x5ca1ab1eu
#define SPARED 256 /* bytes below this frame that painting leaves alone */

extern char data_begin[], data_end[], data_load[], bss_begin[], bss_end[];
extern uint32_t stack_low[], stack_high[];

int main(void);

void board_start(void)
{
    memcpy(data_begin, data_load, (size_t)(data_end - data_begin));
    memset(bss_begin, 0, (size_t)(bss_end - bss_begin));
    const intptr_t reason[2] = {APPLICATION_EXIT, main()};
    board_host(EXIT_EXTENDED, reason);
    for (;;) {
    }
}

static uint64_t started, instructions;
static uint32_t deepest;

void board_begin(void)
{
    uint32_t *const end = (uint32_t *)__builtin_frame_address(0) - SPARED / 4;
    for (volatile uint32_t *word = stack_low; word < end; ++word)
        *word = PAINT;
    started = board_clock();
}

void board_end(void)
{
    instructions += board_clock() - started;
    const uint32_t *word = stack_low;
    while (word < stack_high && *word == PAINT)
        ++word;
    const uint32_t bytes = (uint32_t)((const char *)stack_high - (const char *)word);
    deepest = bytes > deepest ? bytes : deepest;
}

uint64_t board_instructions(void) { return instructions; }

uint32_t board_stack_bytes(void) { return deepest; }

static void put(char letter)
{
    const char text[2] = {letter, 0};
    board_host(WRITE_TEXT, text);
}

static void put_number(unsigned long number)
{
    if (number >= 10)
        put_number(number / 10);
    put((char)('0' + number % 10));
}

/* Of printf what a report needs: %s, %ld and %lu. */
int printf(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    for (; *format; ++format) {
        if (*format != '%') {
            put(*format);
        } else if (*++format == 's') {
            board_host(WRITE_TEXT, va_arg(values, const char *));
        } else if (*++format == 'd') {
            const long number = va_arg(values, long);
            if (number < 0)
                put('-');
            put_number(number < 0 ? 0ul - (unsigned long)number : (unsigned long)number);
        } else {
            put_number(va_arg(values, unsigned long));
        }
    }
    va_end(values);
    return 0;
}
