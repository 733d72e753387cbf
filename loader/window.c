/* Digests of a window that a vendor's loader has mapped. The host calls this like a function of that loader, wherever it
 * has put this code and data; it is built in where the board file names no chips, so that no driver of ours can read them.
 */
#include "scan.h"
#include "stream.h"
#include "systick.h"

__attribute__((used, section(".text.bf_digest"))) void bf_digest(uint32_t address, uint32_t length, uint32_t granule,
                                                                 uint8_t *digests);

void bf_digest(uint32_t address, uint32_t length, uint32_t granule, uint8_t *digests)
{
	struct scan scan;
	struct job job;

	job.operation = OP_DIGEST;
	job.address = address;
	job.length = length;
	job.argument = granule;
	job.buffer = digests;
	scan_begin(&scan, &job);
	scan_take_turns(false);
	stream_from_memory(&scan.source, address);
	do {
		REG32(IWDG_KR) = IWDG_KR_REFRESH; /* it may have been started by option bytes */
	} while (scan_step(&scan, &job) == PROGRESS_RUNNING);
}
