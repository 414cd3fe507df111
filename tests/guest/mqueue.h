/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of message queues share. */
#ifndef TESTS_GUEST_MQUEUE_H
#define TESTS_GUEST_MQUEUE_H

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* RLIMIT_MSGQUEUE counts what a user has in all processes: natively tests that have queues would find each other's. The lock ends with
 * the process and its children. */
static void one_test_at_a_time(void)
{
	int fd = open("/tmp/sbx-mqueue.lock", O_RDONLY | O_CREAT, 0444), high;

	if (fd < 0) /* another user's */
		fd = open("/tmp/sbx-mqueue.lock", O_RDONLY);
	high = fcntl(fd, F_DUPFD, 500);
	close(fd);
	flock(high, LOCK_EX);
}

#endif
