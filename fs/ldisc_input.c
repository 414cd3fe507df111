/* SPDX-License-Identifier: Apache-2.0 */
/* The line discipline's receiving half: signals, flow control, editing of the line being typed, echo. See ldisc.c. */
#include "fs/ldisc_internal.h"

#include "kernel/signal.h"

/* --- echo --- */

static void echo(struct ldisc *l, unsigned char c)
{
	if (!lflag(l, ECHOCTL) || !is_control(c) || c == '\t') {
		ldisc_put_processed(l, c);
		return;
	}
	ldisc_put(l, '^');
	ldisc_put(l, c ^ 0100);
	l->column += 2;
}

static void end_erasing(struct ldisc *l)
{
	if (l->erasing)
		ldisc_put_processed(l, '/');
	l->erasing = false;
}

static void echo_typed(struct ldisc *l, unsigned char c)
{
	if (!lflag(l, ECHO))
		return;
	end_erasing(l);
	if (l->line == l->head)
		l->line_column = l->column;
	echo(l, c);
}

/* --- the line being typed --- */

static void store(struct ldisc *l, unsigned char c)
{
	if (l->head - l->tail == LDISC_INPUT)
		return;
	mark_end(l, l->head, false);
	*at(l, l->head++) = c;
	if (!by_line(l))
		l->line = l->head;
}

static void store_typed(struct ldisc *l, unsigned char c)
{
	if (lflag(l, ICANON) && l->head - l->line >= LDISC_LINE)
		return;
	if (c == 0xff && iflag(l, PARMRK))
		store(l, c);
	store(l, c);
}

static void store_line_end(struct ldisc *l, unsigned char c)
{
	if (l->head - l->tail == LDISC_INPUT)
		l->head--;
	store(l, c);
	mark_end(l, l->head - 1, true);
	l->line = l->head;
}

/* --- erasing --- */

static void echo_erased(struct ldisc *l, unsigned columns)
{
	while (columns--) {
		ldisc_put_processed(l, '\b');
		ldisc_put_processed(l, ' ');
		ldisc_put_processed(l, '\b');
	}
}

/* Goes back over a tab: to where what precedes it in the line ends. */
static void echo_erased_tab(struct ldisc *l)
{
	uint32_t columns = 0, x = l->head;
	bool after_tab = false;

	while (x != l->line && !after_tab) {
		unsigned char c = *at(l, --x);

		if (c == '\t')
			after_tab = true;
		else if (is_control(c))
			columns += lflag(l, ECHOCTL) ? 2 : 0;
		else
			columns += !continues(l, c);
	}
	if (!after_tab)
		columns += l->line_column;
	for (columns = TAB - columns % TAB; columns; columns--)
		ldisc_put_processed(l, '\b');
}

/* The character at [l->head, l->head + n) has just been erased. */
static void echo_erase(struct ldisc *l, uint32_t n, bool one)
{
	unsigned char c = *at(l, l->head);

	if (lflag(l, ECHOPRT)) {
		if (!l->erasing)
			ldisc_put_processed(l, '\\');
		l->erasing = true;
		echo(l, c);
		for (uint32_t k = 1; k < n; k++)
			ldisc_put(l, *at(l, l->head + k));
	} else if (one && !lflag(l, ECHOE)) {
		echo(l, l->tio.c_cc[VERASE]);
	} else if (c == '\t') {
		echo_erased_tab(l);
	} else if (is_control(c)) {
		echo_erased(l, lflag(l, ECHOCTL) ? 2 : 0);
	} else {
		echo_erased(l, 1);
	}
}

/* The length in bytes of the last character typed; 0 if there is none, or just a part of one. */
static uint32_t last_character(const struct ldisc *l)
{
	uint32_t x = l->head;

	while (x != l->line && continues(l, *at(l, x - 1)))
		x--;
	return x == l->line ? 0 : l->head - x + 1;
}

static bool is_word(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0xc0;
}

static void kill_line(struct ldisc *l)
{
	if (!lflag(l, ECHO) || (lflag(l, ECHOK) && lflag(l, ECHOKE) && lflag(l, ECHOE))) {
		for (uint32_t n; (n = last_character(l));) {
			l->head -= n;
			if (lflag(l, ECHO))
				echo_erase(l, n, false);
		}
	} else {
		end_erasing(l);
		echo(l, l->tio.c_cc[VKILL]);
		if (lflag(l, ECHOK))
			ldisc_put_processed(l, '\n');
	}
	l->head = l->line;
}

static void erase_one(struct ldisc *l)
{
	uint32_t n = last_character(l);

	l->head -= n;
	if (n && lflag(l, ECHO))
		echo_erase(l, n, true);
}

static void erase_word(struct ldisc *l)
{
	bool seen = false;

	for (uint32_t n; (n = last_character(l));) {
		bool word = is_word(*at(l, l->head - n));

		if (seen && !word)
			break;
		seen |= word;
		l->head -= n;
		if (lflag(l, ECHO))
			echo_erase(l, n, false);
	}
}

/* True if c was a character that erases. */
static bool edit(struct ldisc *l, unsigned char c)
{
	bool word = is(l, VWERASE, c) && lflag(l, IEXTEN);

	if (!is(l, VERASE, c) && !is(l, VKILL, c) && !word)
		return false;
	if (l->head == l->line)
		return true;
	if (is(l, VERASE, c))
		erase_one(l);
	else if (word)
		erase_word(l);
	else
		kill_line(l);
	if (l->head == l->line && lflag(l, ECHO))
		end_erasing(l);
	return true;
}

/* --- receiving --- */

static void raise_signal(struct ldisc *l, unsigned char c, int sig)
{
	l->signals |= sig_bit(sig);
	if (!lflag(l, NOFLSH)) {
		ldisc_flush_output(l);
		/* Echoes of this very write have not gone out yet, nor any since output was stopped. */
		l->out.len = MIN(l->out.len, l->stopped ? l->held : l->echoed);
		l->echoed = l->out.len;
		ldisc_flush_input(l);
	}
	if (iflag(l, IXON))
		ldisc_start(l);
	if (lflag(l, ECHO))
		echo(l, c);
}

/* Signals and flow control. True if c was one of their characters. */
static bool control(struct ldisc *l, unsigned char c)
{
	if (iflag(l, IXON) && is(l, VSTART, c)) {
		ldisc_start(l);
		return true;
	}
	if (iflag(l, IXON) && is(l, VSTOP, c)) {
		if (!l->stopped) {
			ldisc_stop(l);
			l->held = MIN(l->held, l->echoed); /* as above: they wait, too */
		}
		return true;
	}
	if (!lflag(l, ISIG))
		return false;
	if (is(l, VINTR, c))
		raise_signal(l, c, SIGINT);
	else if (is(l, VQUIT, c))
		raise_signal(l, c, SIGQUIT);
	else if (is(l, VSUSP, c))
		raise_signal(l, c, SIGTSTP);
	else
		return false;
	return true;
}

static void quote_next(struct ldisc *l)
{
	l->literal = true;
	if (!lflag(l, ECHO))
		return;
	end_erasing(l);
	if (lflag(l, ECHOCTL)) {
		ldisc_put_processed(l, '^');
		ldisc_put_processed(l, '\b');
	}
}

static void reprint(struct ldisc *l, unsigned char c)
{
	end_erasing(l);
	echo(l, c);
	ldisc_put_processed(l, '\n');
	for (uint32_t x = l->line; x != l->head; x++)
		echo(l, *at(l, x));
}

/* What only canonical mode knows. True if that was all there is to do for c. */
static bool canonical(struct ldisc *l, unsigned char c)
{
	bool extended = lflag(l, IEXTEN);

	if (edit(l, c))
		return true;
	if (is(l, VLNEXT, c) && extended) {
		quote_next(l);
	} else if (is(l, VREPRINT, c) && extended && lflag(l, ECHO)) {
		reprint(l, c);
	} else if (c == '\n') {
		if (lflag(l, ECHO) || lflag(l, ECHONL))
			ldisc_put_processed(l, c);
		store_line_end(l, c);
	} else if (is(l, VEOF, c)) {
		store_line_end(l, 0);
	} else if (is(l, VEOL, c) || (is(l, VEOL2, c) && extended)) {
		echo_typed(l, c);
		store_line_end(l, c);
	} else {
		return false;
	}
	return true;
}

static void receive_one(struct ldisc *l, unsigned char c)
{
	if (iflag(l, ISTRIP))
		c &= 0x7f;
	if (l->literal) {
		l->literal = false;
		echo_typed(l, c);
		store_typed(l, c);
		return;
	}
	if (iflag(l, IUCLC) && lflag(l, IEXTEN) && c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	if (lflag(l, EXTPROC)) {
		store(l, c);
		return;
	}
	if (control(l, c))
		return;
	if (l->stopped && iflag(l, IXON) && iflag(l, IXANY))
		ldisc_start(l);
	if (c == '\r') {
		if (iflag(l, IGNCR))
			return;
		if (iflag(l, ICRNL))
			c = '\n';
	} else if (c == '\n' && iflag(l, INLCR)) {
		c = '\r';
	}
	if (lflag(l, ICANON) && canonical(l, c))
		return;
	if (c == '\n' && lflag(l, ECHO)) {
		end_erasing(l);
		ldisc_put_processed(l, c);
	} else {
		echo_typed(l, c);
	}
	store_typed(l, c);
}

/* Nothing has to be looked at: raw mode. */
static bool transparent(const struct ldisc *l)
{
	return !lflag(l, ICANON | ISIG | ECHO | EXTPROC) && !l->literal && !l->stopped &&
	       !iflag(l, ISTRIP | IUCLC | INLCR | IGNCR | ICRNL | IXON | PARMRK);
}

size_t ldisc_receive(struct ldisc *l, const unsigned char *bytes, size_t n)
{
	size_t done = 0;

	if (transparent(l)) {
		n = MIN(n, LDISC_INPUT - (l->head - l->tail));
		while (done < n)
			store(l, bytes[done++]);
		return n;
	}
	l->echoed = l->out.len;
	while (done < n && ldisc_has_room(l))
		receive_one(l, bytes[done++]);
	return done;
}
