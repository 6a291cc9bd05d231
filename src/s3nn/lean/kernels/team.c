/* What every thread of an OpenMP team runs: its part of a job. */

#include <stdint.h>

typedef struct {
    void (*part)(const void *job, int32_t part, int32_t parts);
    const void *job;
    int (*number)(void), (*numbers)(void); /* OpenMP's number of a thread, and of threads */
} Team;

void s3nn_team(void *team) {
    const Team *ours = team;
    ours->part(ours->job, ours->number(), ours->numbers());
}
