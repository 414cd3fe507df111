/* SPDX-License-Identifier: Apache-2.0 */
/* One table makes parsing, --help and the manual page. */
#include "sandbox/options.h"

#include "base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct option_row {
	char letter;
	const char *name, *args;
	int arg_count;
	int (*handle)(struct options *o, char **args);
	const char *help;
};

#define OPTION(letter, name, args, count, handler, help) static int option_##handler(struct options *o, char **a);
#include "sandbox/options.def"
#undef OPTION

static const struct option_row rows[] = {
#define OPTION(letter, name, args, count, handler, help) { letter, name, args, count, option_##handler, help },
#include "sandbox/options.def"
#undef OPTION
};

static int add_grant(struct options *o, enum grant_kind kind, const char *src, const char *dst, uint64_t size)
{
	struct grant *g = realloc(o->grants, (o->grant_count + 1) * sizeof(*g));

	if (!g)
		return -ENOMEM;
	o->grants = g;
	g[o->grant_count++] = (struct grant){ .kind = kind, .src = src, .dst = dst, .size = size };
	if (dst[0] == '/')
		return 0;
	log_user("%s: the place in the sandbox must be an absolute path", dst);
	return -EINVAL;
}

static int parse_size(const char *s, uint64_t *out)
{
	char *end;
	unsigned shift = 0;

	errno = 0;
	*out = strtoull(s, &end, 10);
	if (errno || end == s || *s == '-')
		goto bad;
	switch (*end | 0x20) {
	case 'k':
		shift = 10;
		break;
	case 'm':
		shift = 20;
		break;
	case 'g':
		shift = 30;
		break;
	case 't':
		shift = 40;
		break;
	}
	if (shift)
		end++;
	if (shift && (*end | 0x20) == 'b')
		end++;
	if (*end || *out > UINT64_MAX >> shift || !*out)
		goto bad;
	*out <<= shift;
	return 0;
bad:
	log_user("%s: not a size", s);
	return -EINVAL;
}

static int option_volume(struct options *o, char **a)
{
	char *dst = strchr(a[0], ':'), *mode;
	enum grant_kind kind = GRANT_WRITE;

	if (!dst || dst == a[0]) {
		log_user("%s: expected SRC:DST or SRC:DST:ro", a[0]);
		return -EINVAL;
	}
	*dst++ = 0;
	mode = strchr(dst, ':');
	if (mode) {
		*mode++ = 0;
		if (!strcmp(mode, "ro")) {
			kind = GRANT_READ;
		} else if (strcmp(mode, "rw")) {
			log_user("%s: a volume is `ro` or `rw`", mode);
			return -EINVAL;
		}
	}
	return add_grant(o, kind, a[0], dst, 0);
}

static int option_bind(struct options *o, char **a)
{
	return add_grant(o, GRANT_WRITE, a[0], a[1], 0);
}

static int option_ro_bind(struct options *o, char **a)
{
	return add_grant(o, GRANT_READ, a[0], a[1], 0);
}

static int option_tmpfs(struct options *o, char **a)
{
	char *opt = strchr(a[0], ':');
	uint64_t size = 0;

	if (opt) {
		*opt++ = 0;
		if (strncmp(opt, "size=", 5)) {
			log_user("%s: the only option of a tmpfs is size=N", opt);
			return -EINVAL;
		}
		if (parse_size(opt + 5, &size))
			return -EINVAL;
	}
	return add_grant(o, GRANT_TMPFS, NULL, a[0], size);
}

static int option_hide(struct options *o, char **a)
{
	return add_grant(o, GRANT_HIDE, NULL, a[0], 0);
}

static int option_root(struct options *o, char **a)
{
	o->root = a[0];
	return 0;
}

static int option_read_only(struct options *o, char **a)
{
	(void)a;
	o->read_only = true;
	return 0;
}

static int option_workdir(struct options *o, char **a)
{
	o->workdir = a[0];
	return 0;
}

static int option_env(struct options *o, char **a)
{
	const char **e;

	if (!a[0][0] || a[0][0] == '=') {
		log_user("%s: not a variable", a[0]);
		return -EINVAL;
	}
	e = realloc(o->env, (o->env_count + 1) * sizeof(*e));
	if (!e)
		return -ENOMEM;
	o->env = e;
	e[o->env_count++] = a[0];
	return 0;
}

static int option_env_all(struct options *o, char **a)
{
	(void)a;
	o->env_all = true;
	return 0;
}

static int option_hostname(struct options *o, char **a)
{
	if (!a[0][0] || strlen(a[0]) > 64) {
		log_user("%s: a host name has 1 to 64 characters", a[0]);
		return -EINVAL;
	}
	o->hostname = a[0];
	return 0;
}

static int option_network(struct options *o, char **a)
{
	o->host_network = !strcmp(a[0], "host");
	if (o->host_network || !strcmp(a[0], "none"))
		return 0;
	log_user("%s: not a network; there are `none` and `host`", a[0]);
	return -EINVAL;
}

static int option_memory(struct options *o, char **a)
{
	return parse_size(a[0], &o->memory);
}

static int option_time(struct options *o, char **a)
{
	static const struct {
		const char *suffix;
		double ns;
	} units[] = { { "", 1e9 }, { "s", 1e9 }, { "ms", 1e6 }, { "m", 60e9 }, { "h", 3600e9 } };
	char *end;
	double v = strtod(a[0], &end);

	for (size_t i = 0; end != a[0] && i < ARRAY_SIZE(units); i++)
		if (!strcmp(end, units[i].suffix) && v > 0 && v * units[i].ns >= 1 && v * units[i].ns < 9e18) {
			o->time_ns = (int64_t)(v * units[i].ns);
			return 0;
		}
	log_user("%s: not a time", a[0]);
	return -EINVAL;
}

static int option_json(struct options *o, char **a)
{
	o->json = a[0];
	return 0;
}

static int option_json_fd(struct options *o, char **a)
{
	char *end;
	long n = strtol(a[0], &end, 10);

	if (end == a[0] || *end || n < 0 || n > 1 << 20) {
		log_user("%s: not a descriptor", a[0]);
		return -EINVAL;
	}
	o->json_fd = (int)n;
	return 0;
}

static int option_quiet(struct options *o, char **a)
{
	(void)a;
	o->quiet = true;
	return 0;
}

static int option_help(struct options *o, char **a)
{
	(void)a;
	o->help = true;
	return 0;
}

static const struct option_row *find_long(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strlen(rows[i].name) == len && !memcmp(rows[i].name, name, len))
			return &rows[i];
	return NULL;
}

static const struct option_row *find_letter(char letter)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].letter && rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

/* Handles the option that args[0] is; returns how many strings it used, or negative errno. */
static int parse_one(struct options *o, char **args)
{
	const struct option_row *row;
	char *values[2], *inlined = NULL, *word = args[0];
	int used = 1, n = 0, err;

	if (word[1] == '-') {
		char *eq = strchr(word, '=');

		row = find_long(word + 2, eq ? (size_t)(eq - word - 2) : strlen(word + 2));
		inlined = eq ? eq + 1 : NULL;
	} else {
		row = find_letter(word[1]);
		inlined = word[1] && word[2] ? word + 2 : NULL;
	}
	if (!row) {
		log_user("unknown option %s; see `sbx run --help`", word);
		return -EINVAL;
	}
	if (inlined && !row->arg_count) {
		log_user("--%s takes no argument", row->name);
		return -EINVAL;
	}
	if (inlined)
		values[n++] = inlined;
	for (; n < row->arg_count; n++, used++) {
		if (!args[used]) {
			log_user("--%s needs %s", row->name, row->args);
			return -EINVAL;
		}
		values[n] = args[used];
	}
	err = row->handle(o, values);
	return err ? err : used;
}

int options_parse(struct options *o, char **args)
{
	*o = (struct options){ .json_fd = -1, .hostname = "sbx" };
	while (*args && args[0][0] == '-' && args[0][1]) {
		int used;

		if (!strcmp(*args, "--")) {
			args++;
			break;
		}
		used = parse_one(o, args);
		if (used < 0)
			return used;
		args += used;
	}
	o->argv = args;
	if (o->help || *args)
		return 0;
	log_user("no program given; see `sbx run --help`");
	return -EINVAL;
}

bool options_writable(const struct options *o)
{
	for (size_t i = 0; i < o->grant_count; i++)
		if (o->grants[i].kind == GRANT_WRITE)
			return true;
	return false;
}

void options_help(FILE *f)
{
	fputs("usage: sbx run [options] [--] PROGRAM [ARGUMENTS]\n\n"
	      "Runs PROGRAM in a sandbox: it sees the host's files but changes only copies in memory, has a /tmp of its own,\n"
	      "no network unless it is given, and none of its system calls reaches the host kernel.\n\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char spelt[64];

		snprintf(spelt, sizeof(spelt), "%c%c%c --%s %s", rows[i].letter ? '-' : ' ',
			 rows[i].letter ? rows[i].letter : ' ', rows[i].letter ? ',' : ' ', rows[i].name, rows[i].args);
		fprintf(f, "  %-28s %s\n", spelt, rows[i].help);
	}
	fputs("\nExit status: the program's own; 128+n when signal n ended it; 124 time limit, 125 sbx failed, 126 cannot\n"
	      "execute, 127 not found.\n", f);
}

void options_man(FILE *f)
{
	fputs(".TH SBX 1 \"\" \"sbx " SBX_VERSION "\" \"User Commands\"\n.SH NAME\nsbx \\- run a program in a sandbox\n"
	      ".SH SYNOPSIS\n.B sbx run\n[\\fIoptions\\fR] [\\-\\-] \\fIprogram\\fR [\\fIarguments\\fR]\n.br\n"
	      ".B sbx doctor\n.br\n.B sbx syscalls\n[\\-\\-markdown]\n.br\n.B sbx version\n"
	      ".SH DESCRIPTION\nRuns an unmodified x86-64 Linux program that nobody trusts. The program sees the host's files but "
	      "changes only copies in memory; /tmp, /dev, /proc and /dev/shm are its own. It has the caller's user and group, no capability "
	      "and, unless \\fB\\-\\-network host\\fR is given, no network but a loopback. None of its system calls reaches the host kernel.\n.SH OPTIONS\n", f);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fputs(".TP\n", f);
		if (rows[i].letter)
			fprintf(f, "\\fB\\-%c\\fR, ", rows[i].letter);
		fputs("\\fB\\-\\-", f);
		for (const char *p = rows[i].name; *p; p++)
			fprintf(f, *p == '-' ? "\\-" : "%c", *p);
		fprintf(f, "\\fR \\fI%s\\fR\n%s\n", rows[i].args, rows[i].help);
	}
	fputs(".SH EXIT STATUS\nThe program's own, or 128+n when signal n ended it. 124: the time limit did. 125: sbx itself failed. "
	      "126: the program cannot be executed. 127: it was not found. The report tells these from a program that exits so "
	      "by itself.\n.SH ENVIRONMENT\n.TP\nSBX_DEBUG\nWhen set, every system call of the program is written to standard error.\n", f);
}
