#include "stream.h"

#define GROUP       32u /* bytes that one look at `ready` covers; no FIFO that we know is deeper */
#define READY_TRIES (1u << 20)

static const volatile uint32_t *advance(const volatile uint32_t *data, uint32_t bytes)
{
	return (const volatile uint32_t *)((uintptr_t)data + bytes);
}

void stream_from_memory(struct word_source *source, uint32_t address)
{
	source->data = (const volatile uint32_t *)(uintptr_t)address;
	source->step = sizeof(uint32_t);
	source->ready = &source->ready_mask; /* always */
	source->ready_mask = 1;
	source->failed = false;
}

static bool wait_ready(struct word_source *source)
{
	for (uint32_t tries = 0; tries < READY_TRIES; tries++) {
		if ((*source->ready & source->ready_mask) != 0) {
			return true;
		}
	}
	source->failed = true;
	return false;
}

bool stream_fetch(struct word_source *source, uint8_t *to, uint32_t length)
{
	while (length > 0) {
		uint32_t group = (length < GROUP) ? length : GROUP;
		const volatile uint32_t *data;

		if (!wait_ready(source)) {
			return false;
		}
		data = source->data;
		length -= group;
		for (; group >= sizeof(uint32_t); group -= sizeof(uint32_t)) {
			store32(to, *data);
			to += sizeof(uint32_t);
			data = advance(data, source->step);
		}
		for (; group > 0; group--) {
			*to++ = *(const volatile uint8_t *)data;
			data = advance(data, (source->step != 0) ? 1u : 0u);
		}
		source->data = data;
	}
	return true;
}
