/* A run of flash bytes on its way into the core: from memory, or out of a controller's FIFO. */
#ifndef BOARDFLASH_STREAM_H
#define BOARDFLASH_STREAM_H

#include "blake2s.h"

void stream_from_memory(struct word_source *source, uint32_t address);
/* `length` bytes, by words as long as they last. False: the source gave up. */
bool stream_fetch(struct word_source *source, uint8_t *to, uint32_t length);

#endif
