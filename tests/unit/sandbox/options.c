/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/options.h"
#include "tests/support/asserts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Parses a copy of the words: options are cut up in place. */
static int parse(struct options *o, const char *const *words)
{
	static char copies[16][64];
	static char *args[17];
	int n = 0;

	for (; words[n]; n++)
		args[n] = strcpy(copies[n], words[n]);
	args[n] = NULL;
	return options_parse(o, args);
}

#define PARSE(o, ...) parse(o, (const char *const[]){ __VA_ARGS__, NULL })

static void quiet(void)
{
	close(2);
}

TestSuite(options, .init = quiet);

Test(options, the_program_ends_them)
{
	struct options o;

	cr_assert_eq(PARSE(&o, "prog", "-m", "1"), 0);
	cr_assert_str_eq(o.argv[0], "prog");
	cr_assert_str_eq(o.argv[1], "-m");
	cr_assert_eq(o.memory, 0);
	cr_assert_eq(PARSE(&o, "--", "-v"), 0);
	cr_assert_str_eq(o.argv[0], "-v");
}

Test(options, spellings_of_an_argument)
{
	struct options o;

	cr_assert_eq(PARSE(&o, "-m", "2k", "p"), 0);
	cr_assert_eq(o.memory, 2048);
	cr_assert_eq(PARSE(&o, "-m3M", "p"), 0);
	cr_assert_eq(o.memory, 3 << 20);
	cr_assert_eq(PARSE(&o, "--memory=4g", "p"), 0);
	cr_assert_eq(o.memory, 4ULL << 30);
	cr_assert_eq(PARSE(&o, "--memory", "5", "p"), 0);
	cr_assert_eq(o.memory, 5);
}

Test(options, the_last_network_counts)
{
	struct options o;

	cr_assert_eq(PARSE(&o, "p"), 0);
	cr_assert(!o.host_network);
	cr_assert_eq(PARSE(&o, "--network", "host", "p"), 0);
	cr_assert(o.host_network);
	cr_assert_eq(PARSE(&o, "--network=host", "--network=none", "p"), 0);
	cr_assert(!o.host_network);
	cr_assert_neq(PARSE(&o, "--network", "bridge", "p"), 0);
}

Test(options, grants_keep_their_order)
{
	struct options o;

	cr_assert_eq(PARSE(&o, "-v", "a:/b:ro", "--bind", "c", "/d", "--tmpfs", "/e:size=1m", "--hide", "/f", "p"), 0);
	cr_assert_eq(o.grant_count, 4);
	cr_assert_eq(o.grants[0].kind, GRANT_READ);
	cr_assert_str_eq(o.grants[0].src, "a");
	cr_assert_str_eq(o.grants[0].dst, "/b");
	cr_assert_eq(o.grants[1].kind, GRANT_WRITE);
	cr_assert_str_eq(o.grants[1].dst, "/d");
	cr_assert_eq(o.grants[2].size, 1 << 20);
	cr_assert_eq(o.grants[3].kind, GRANT_HIDE);
	cr_assert(options_writable(&o));
}

Test(options, times)
{
	struct options o;

	cr_assert_eq(PARSE(&o, "--time", "1.5", "p"), 0);
	cr_assert_eq(o.time_ns, 1500000000);
	cr_assert_eq(PARSE(&o, "--time=20ms", "p"), 0);
	cr_assert_eq(o.time_ns, 20000000);
	cr_assert_eq(PARSE(&o, "--time", "2m", "p"), 0);
	cr_assert_eq(o.time_ns, 120000000000);
}

Test(options, nonsense_is_refused)
{
	struct options o;

	cr_assert_neq(PARSE(&o, "--nonsense", "p"), 0);
	cr_assert_neq(PARSE(&o, "-m"), 0);
	cr_assert_neq(PARSE(&o, "--bind", "a"), 0);
	cr_assert_neq(PARSE(&o, "-m", "99999999999999999999", "p"), 0);
	cr_assert_neq(PARSE(&o, "-m", "20000000t", "p"), 0);
	cr_assert_neq(PARSE(&o, "--time", "nan", "p"), 0);
	cr_assert_neq(PARSE(&o, "--time", "inf", "p"), 0);
	cr_assert_neq(PARSE(&o, "--read-only=yes", "p"), 0);
	cr_assert_neq(PARSE(&o, "-v", ":/x", "p"), 0);
	cr_assert_neq(PARSE(&o, "-v", "/x:relative", "p"), 0);
	cr_assert_neq(PARSE(&o, "-v", "/x:/y:rx", "p"), 0);
	cr_assert_neq(PARSE(&o, "-e", "", "p"), 0);
	cr_assert_neq(options_parse(&o, (char *[]){ NULL }), 0);
}
