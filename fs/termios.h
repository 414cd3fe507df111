/* SPDX-License-Identifier: Apache-2.0 */
/* Terminal settings as ioctl(2) passes them: the C library's struct termios is another one. Layouts: ioctl_tty(2). */
#ifndef FS_TERMIOS_H
#define FS_TERMIOS_H

#include <asm/ioctls.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <termios.h>

enum { KERNEL_NCCS = 19, TERMIO_NCC = 8 };

/* TCGETS2; TCGETS passes all before the speeds. */
struct termios2 {
	uint32_t c_iflag, c_oflag, c_cflag, c_lflag;
	uint8_t c_line, c_cc[KERNEL_NCCS];
	uint32_t c_ispeed, c_ospeed;
};

/* TCGETA */
struct termio_guest {
	uint16_t c_iflag, c_oflag, c_cflag, c_lflag;
	uint8_t c_line, c_cc[TERMIO_NCC];
	uint8_t pad;
};

enum { TERMIOS_SIZE = 36, TERMIOS2_SIZE = 44, TERMIO_SIZE = 18, WINSIZE_SIZE = 8 };

_Static_assert(sizeof(struct termios2) == TERMIOS2_SIZE, "layout of struct termios2");
_Static_assert(sizeof(struct termio_guest) == TERMIO_SIZE, "layout of struct termio");

#endif
