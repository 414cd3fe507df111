/* SPDX-License-Identifier: Apache-2.0 */
/* The line discipline.
 *
 * Theory of operation. Input is a ring of bytes between `tail` (the next to be read) and `head`. In canonical mode `line` is the end
 * of the last complete line and ends[] marks the byte that ends each; bytes from `line` to `head` are being typed and can still be
 * erased. An end-of-file character is stored as a marked NUL that is never copied. Outside canonical mode everything up to
 * `head` can be read and `line` follows it.
 *
 * Echoes and what the slave writes end up in one ring, `out`, through the same output processing. Writers wait when it is
 * half full; echoes have the other half, and are lost when that is full too: a terminal that nobody reads must not stop who types.
 * While output is stopped nobody writes, and what the master types is echoed behind `held`, where the master does not read before it starts
 * again.
 *
 * Invariants: tail <= line <= head (as running numbers), head - tail <= LDISC_INPUT, head - line <= LDISC_LINE in canonical mode.
 */
#include "fs/ldisc_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 512 };

int ldisc_init(struct ldisc *l)
{
	static const uint8_t chars[KERNEL_NCCS] = {
		[VINTR] = 'C' & 037, [VQUIT] = '\\' & 037, [VERASE] = DELETE, [VKILL] = 'U' & 037, [VEOF] = 'D' & 037,
		[VMIN] = 1, [VSTART] = 'Q' & 037, [VSTOP] = 'S' & 037, [VSUSP] = 'Z' & 037, [VREPRINT] = 'R' & 037,
		[VDISCARD] = 'O' & 037, [VWERASE] = 'W' & 037, [VLNEXT] = 'V' & 037,
	};

	memset(l, 0, sizeof(*l));
	l->in = malloc(LDISC_INPUT);
	if (!l->in)
		return -ENOMEM;
	l->tio.c_iflag = ICRNL | IXON;
	l->tio.c_oflag = OPOST | ONLCR;
	l->tio.c_cflag = B38400 | CS8 | CREAD;
	l->tio.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	l->tio.c_ispeed = l->tio.c_ospeed = 38400;
	memcpy(l->tio.c_cc, chars, sizeof(chars));
	return 0;
}

void ldisc_fini(struct ldisc *l)
{
	free(l->in);
	ring_free(&l->out);
}

/* --- output --- */

void ldisc_put(struct ldisc *l, unsigned char c)
{
	struct ring_piece p;

	if (l->out.len >= LDISC_ECHO || ring_reserve(&l->out, 1, LDISC_ECHO))
		return;
	p = ring_room(&l->out, 1);
	*p.data = c;
	l->out.len++;
}

static void put_tab(struct ldisc *l)
{
	uint32_t n = TAB - l->column % TAB;

	l->column += n;
	if ((l->tio.c_oflag & TABDLY) != XTABS) {
		ldisc_put(l, '\t');
		return;
	}
	while (n--)
		ldisc_put(l, ' ');
}

static void put_return(struct ldisc *l)
{
	if ((l->tio.c_oflag & ONOCR) && !l->column)
		return;
	if (l->tio.c_oflag & OCRNL) {
		ldisc_put(l, '\n');
		if (!(l->tio.c_oflag & ONLRET))
			return;
	} else {
		ldisc_put(l, '\r');
	}
	l->column = l->line_column = 0;
}

static void put_newline(struct ldisc *l)
{
	if (l->tio.c_oflag & ONLCR)
		ldisc_put(l, '\r');
	if (l->tio.c_oflag & (ONLCR | ONLRET))
		l->column = l->line_column = 0;
	ldisc_put(l, '\n');
}

void ldisc_put_processed(struct ldisc *l, unsigned char c)
{
	if (!(l->tio.c_oflag & OPOST)) {
		ldisc_put(l, c);
		return;
	}
	switch (c) {
	case '\n':
		put_newline(l);
		return;
	case '\r':
		put_return(l);
		return;
	case '\t':
		put_tab(l);
		return;
	case '\b':
		if (l->column)
			l->column--;
		break;
	default:
		if (is_control(c))
			break;
		if ((l->tio.c_oflag & OLCUC) && c >= 'a' && c <= 'z')
			c -= 'a' - 'A';
		if (!continues(l, c))
			l->column++;
	}
	ldisc_put(l, c);
}

bool ldisc_writable(const struct ldisc *l)
{
	return !l->stopped && l->out.len < LDISC_OUTPUT;
}

/* Everything up to a full buffer in one go when nothing has to be looked at. */
static ssize_t write_plain(struct ldisc *l, struct io *io)
{
	return ring_copy_in(&l->out, io, MIN(io->left, LDISC_OUTPUT - l->out.len), LDISC_ECHO);
}

static ssize_t write_processed(struct ldisc *l, struct io *io)
{
	unsigned char chunk[CHUNK];
	ssize_t total = 0, r = 0;

	while (io->left && l->out.len < LDISC_OUTPUT) {
		struct io start = *io;
		size_t done = 0;

		r = io_take(io, chunk, MIN(io->left, sizeof(chunk)));
		if (r <= 0 || ring_reserve(&l->out, (size_t)r * TAB, LDISC_ECHO)) {
			r = r <= 0 ? r : -ENOMEM;
			*io = start;
			break;
		}
		while (done < (size_t)r && l->out.len < LDISC_OUTPUT)
			ldisc_put_processed(l, chunk[done++]);
		total += (ssize_t)done;
		if (done < (size_t)r) {
			*io = start;
			io_advance(io, done);
		}
	}
	return total ? total : r;
}

ssize_t ldisc_write(struct ldisc *l, struct io *io)
{
	if (!io->left)
		return 0;
	if (!ldisc_writable(l))
		return -EAGAIN;
	return l->tio.c_oflag & OPOST ? write_processed(l, io) : write_plain(l, io);
}

void ldisc_stop(struct ldisc *l)
{
	if (l->stopped)
		return;
	l->stopped = true;
	l->held = l->out.len;
	l->status = (uint8_t)((l->status & ~TIOCPKT_START) | TIOCPKT_STOP);
}

void ldisc_start(struct ldisc *l)
{
	if (!l->stopped || l->stopped_by_call)
		return;
	l->stopped = false;
	l->status = (uint8_t)((l->status & ~TIOCPKT_STOP) | TIOCPKT_START);
}

/* What the master could have read already is not taken back: on Linux that has left the slave's side at once. */
void ldisc_flush_output(struct ldisc *l)
{
	l->out.len = MIN(l->out.len, LDISC_LINE);
	l->held = MIN(l->held, l->out.len);
	l->status |= TIOCPKT_FLUSHWRITE;
}

size_t ldisc_output(const struct ldisc *l)
{
	return l->stopped ? l->held : l->out.len;
}

static void consume_output(struct ldisc *l, size_t n)
{
	ring_consume(&l->out, n);
	l->held -= MIN(l->held, (uint32_t)n);
}

ssize_t ldisc_take_output(struct ldisc *l, struct io *io)
{
	size_t n = MIN(io->left, ldisc_output(l));
	ssize_t r = n ? ring_copy_out(&l->out, io, 0, n) : -EAGAIN;

	if (r > 0)
		consume_output(l, (size_t)r);
	return r;
}

void ldisc_drop_output(struct ldisc *l)
{
	consume_output(l, ldisc_output(l));
}

/* --- the input buffer --- */

bool ldisc_has_room(const struct ldisc *l)
{
	/* Two: PARMRK may double or triple a character. A line that is too long is taken and lost. */
	return LDISC_INPUT - (l->head - l->tail) > 2 || (by_line(l) && l->line == l->tail);
}

bool ldisc_readable(const struct ldisc *l, size_t least)
{
	if (by_line(l))
		return l->line != l->tail;
	return l->head - l->tail >= MAX(least, (size_t)1);
}

size_t ldisc_count(const struct ldisc *l)
{
	size_t n = 0;

	if (!by_line(l))
		return l->head - l->tail;
	for (uint32_t x = l->tail; x != l->line; x++)
		n += !(ends_line(l, x) && !*at(l, x));
	return n;
}

void ldisc_flush_input(struct ldisc *l)
{
	l->tail = l->line = l->head;
	l->literal = l->erasing = false;
	l->status |= TIOCPKT_FLUSHREAD;
}

void ldisc_set(struct ldisc *l, const struct termios2 *tio)
{
	const uint32_t modes = ICANON | EXTPROC, old = l->tio.c_lflag;
	bool had_xon = iflag(l, IXON);

	l->tio = *tio;
	if ((old ^ tio->c_lflag) & modes) {
		l->literal = l->erasing = false;
		memset(l->ends, 0, sizeof(l->ends));
		/* What is there becomes one line, or bytes. */
		l->line = l->head;
		if (by_line(l) && l->head != l->tail && *at(l, l->head - 1))
			mark_end(l, l->head - 1, true);
	}
	if (had_xon && !iflag(l, IXON))
		ldisc_start(l);
}

/* --- reading --- */

static ssize_t copy_out(struct ldisc *l, struct io *io, uint32_t n)
{
	uint32_t first = MIN(n, LDISC_INPUT - l->tail % LDISC_INPUT);
	ssize_t r = io_put(io, at(l, l->tail), first);

	if (r <= 0)
		return r;
	l->tail += (uint32_t)r;
	if (r == (ssize_t)first && first < n) {
		ssize_t more = io_put(io, l->in, n - first);

		if (more > 0) {
			l->tail += (uint32_t)more;
			r += more;
		}
	}
	return r;
}

ssize_t ldisc_read(struct ldisc *l, struct io *io)
{
	uint32_t n = 0, most;
	bool eof = false;
	ssize_t r = 0;

	if (!by_line(l))
		return copy_out(l, io, (uint32_t)MIN(io->left, l->head - l->tail));
	most = (uint32_t)MIN(io->left, l->line - l->tail);
	while (n < most && !ends_line(l, l->tail + n))
		n++;
	/* An end of file right after what fits is taken along. */
	if (l->tail + n != l->line && ends_line(l, l->tail + n)) {
		eof = !*at(l, l->tail + n);
		n += !eof && n < most;
	}
	if (n)
		r = copy_out(l, io, n);
	if (eof && r == (ssize_t)n)
		l->tail++;
	return r;
}
