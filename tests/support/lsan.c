/* SPDX-License-Identifier: Apache-2.0 */
/* The test framework's own leaks are not ours to find. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libcriterion\nleak:libboxfort\nleak:libnanomsg\n";
}
