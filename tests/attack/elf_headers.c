/* SPDX-License-Identifier: Apache-2.0 */
/* Executes its own image again and again, each time with some field of the ELF header or a program header changed, or
 * cut short. A child may be refused, die of a signal or run; the sentry lives on and goes on loading what is right. */
#include "attack.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

enum { ROUNDS = 400, IMAGE_MAX = 1 << 20 };

static char image[IMAGE_MAX], changed[IMAGE_MAX];
static const char path[] = "/tmp/image";

static uint64_t hostile_number(uint64_t *state)
{
	uint64_t r = next_random(state);

	switch (r % 8) {
	case 0:
		return 0;
	case 1:
		return 1ull << (r >> 8) % 64;
	case 2:
		return (1ull << (r >> 8) % 64) - 1;
	case 3:
		return 0x7ffffffff000 - ((r >> 8) % 32) * 4096;
	case 4:
		return 0x8000000000000000 - ((r >> 8) % 4) * 4096;
	case 5:
		return -((r >> 8) % 8192);
	case 6:
		return ((r >> 8) % 64) * 4096;
	default:
		return r >> 8;
	}
}

static size_t change(size_t size, uint64_t *state)
{
	Elf64_Ehdr *e = (Elf64_Ehdr *)changed;
	uint64_t *ph = (uint64_t *)(changed + sizeof(*e)), n = e->e_phnum;

	memcpy(changed, image, size);
	switch (next_random(state) % 6) {
	case 0:
		changed[next_random(state) % sizeof(*e)] = (char)next_random(state);
		break;
	case 1:
		e->e_entry = hostile_number(state);
		break;
	case 2:
		e->e_phoff = hostile_number(state);
		break;
	case 3:
		return next_random(state) % size;
	default:
		for (int i = 0; i < 2; i++)
			ph[next_random(state) % (n * sizeof(Elf64_Phdr) / sizeof(*ph))] = hostile_number(state);
	}
	return size;
}

static void put_image(const char *bytes, size_t size)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0755);
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || close(fd))
		abort();
}

static void execute(long arg)
{
	const struct itimerval limit = {.it_value = {.tv_usec = 500000}};
	int null = open("/dev/null", O_RDWR);

	(void)arg;
	setitimer(ITIMER_REAL, &limit, NULL);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	execl(path, path, "again", NULL);
	_exit(1);
}

int main(int argc, char **argv)
{
	uint64_t state = 88172645463325252;
	int fd, status;
	ssize_t size;

	if (argc > 1)
		return 42;
	fd = open(argv[0], O_RDONLY);
	size = read(fd, image, sizeof(image));
	if (size < (ssize_t)sizeof(Elf64_Ehdr) || ((Elf64_Ehdr *)image)->e_phoff != sizeof(Elf64_Ehdr))
		abort();
	for (int i = 0; i < ROUNDS; i++) {
		put_image(changed, change((size_t)size, &state));
		attempt(execute, 0);
	}
	put_image(image, (size_t)size);
	status = attempt(execute, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 42)
		hole("the right image does not run any more", status);
	return verdict();
}
