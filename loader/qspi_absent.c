/* The QSPI region of a board that has none. */
#include "region.h"

void qspi_start(void)
{
}

enum progress qspi_begin(struct job *job)
{
	return job_end(job, STATUS_BAD_COMMAND);
}

enum progress qspi_poll(struct job *job)
{
	return job_end(job, STATUS_BAD_COMMAND);
}
