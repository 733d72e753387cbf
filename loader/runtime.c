/* The two functions that a compiler may call for an assignment or an initialiser. There is no libc. */
#include "hardware.h"

void *memset(void *to, int value, size_t length);
void *memcpy(void *to, const void *from, size_t length);

__attribute__((used)) void *memset(void *to, int value, size_t length)
{
	volatile uint8_t *bytes = to;

	while (length-- > 0) {
		*bytes++ = (uint8_t)value;
	}
	return to;
}

__attribute__((used)) void *memcpy(void *to, const void *from, size_t length)
{
	volatile uint8_t *bytes = to;
	const uint8_t *source = from;

	while (length-- > 0) {
		*bytes++ = *source++;
	}
	return to;
}
