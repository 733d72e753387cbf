/* Verify of a CMSIS-Pack flash algorithm. Its symbol alone makes pyOCD write everything each time (reference
 * flash-engines section 1.3), so it is not in every file.
 */
#include "flm.h"
#include "storage.h"

unsigned long Verify(unsigned long address, unsigned long size, unsigned char *data)
{
	return address + storage_matches(address, data, size);
}
