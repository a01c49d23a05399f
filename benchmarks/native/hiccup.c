/* Watches one core: sleeps a moment at a time above all other priorities where it may, and notes every wake-up that came late.

   hiccup CORE SLEEP_NS GAP_NS PRIORITY

   It prints `fifo` or `normal` at once, and on SIGTERM its gaps: a line of two moments each, seconds of CLOCK_MONOTONIC. It touches a
   page or two at a wake-up, so that what it watches keeps its caches. It dies with who started it. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define MOST_GAPS 100000

static struct {
    int64_t start, end;
} gaps[MOST_GAPS];
static volatile sig_atomic_t over;

static void end(int number)
{
    (void)number;
    over = 1;
}

static int64_t now(void)
{
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return moment.tv_sec * SECOND + moment.tv_nsec;
}

int main(int count, char **words)
{
    if (count != 5) {
        fprintf(stderr, "hiccup: %d words; needed: CORE SLEEP_NS GAP_NS PRIORITY\n", count - 1);
        return 2;
    }
    int64_t sleep_ns = atoll(words[2]), gap_ns = atoll(words[3]);
    struct sched_param priority = {.sched_priority = atoi(words[4])};
    struct sigaction action = {.sa_handler = end};
    cpu_set_t cores;
    CPU_ZERO(&cores);
    CPU_SET((size_t)atoi(words[1]), &cores);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (sched_setaffinity(0, sizeof cores, &cores)) {
        fprintf(stderr, "hiccup: core %s cannot be watched: %s\n", words[1], strerror(errno));
        return 2;
    }
    sigaction(SIGTERM, &action, NULL);
    mlockall(MCL_CURRENT | MCL_FUTURE);
    puts(sched_setscheduler(0, SCHED_FIFO, &priority) ? "normal" : "fifo");
    fflush(stdout);
    size_t found = 0;
    while (!over && found < MOST_GAPS) {
        int64_t due = now() + sleep_ns;
        struct timespec until = {due / SECOND, due % SECOND};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        int64_t woken = now();
        if (woken - due > gap_ns) {
            gaps[found].start = due;
            gaps[found++].end = woken;
        }
    }
    for (size_t i = 0; i < found; i++)
        printf("%.6f %.6f\n", (double)gaps[i].start / SECOND, (double)gaps[i].end / SECOND);
    return 0;
}
