/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/caller.h"

#include "base/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's struct sigaction: asked of the kernel, since the C library hides the signals that it uses itself, which are inherited too. */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static void read_signals(struct caller *c)
{
	struct kernel_sigaction sa;

	c->ignored = c->blocked = 0;
	syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &c->blocked, sizeof(c->blocked));
	for (int sig = 1; sig <= SIGNAL_COUNT; sig++)
		if (!syscall(SYS_rt_sigaction, sig, NULL, &sa, sizeof(sa.mask)) && sa.handler == SIG_IGN)
			c->ignored |= sig_bit(sig);
}

void caller_read(struct caller *c)
{
	int n = getgroups(0, NULL);

	c->uid = getuid();
	c->gid = getgid();
	c->groups = xcalloc((size_t)(n > 0 ? n : 0) + 1, sizeof(*c->groups));
	n = n > 0 ? getgroups(n, c->groups) : 0;
	c->group_count = n > 0 ? (size_t)n : 0;
	c->umask = umask(077);
	umask(c->umask);
	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (getrlimit((__rlimit_resource_t)i, &c->rlimits[i]))
			c->rlimits[i] = (struct rlimit){ RLIM_INFINITY, RLIM_INFINITY };
	c->cwd = getcwd(NULL, 0);
	if (!c->cwd || c->cwd[0] != '/') {
		free(c->cwd);
		c->cwd = xstrdup("/");
	}
	for (int fd = 0; fd < 3; fd++)
		c->open[fd] = fcntl(fd, F_GETFD) >= 0;
	read_signals(c);
}

static bool handed_through(const char *variable)
{
	static const char *const names[] = { "PATH", "HOME", "TERM", "LANG", "TZ", "USER" };
	const char *eq = strchr(variable, '=');
	size_t len = eq ? (size_t)(eq - variable) : strlen(variable);

	if (!strncmp(variable, "LC_", 3))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len && !memcmp(names[i], variable, len))
			return true;
	return false;
}

/* Appends, or replaces a variable of the same name. */
static void set_variable(struct strings *env, char *variable)
{
	const char *eq = strchr(variable, '=');
	size_t len = (size_t)(eq - variable) + 1;

	for (size_t i = 0; i < env->count; i++)
		if (!strncmp(env->v[i], variable, len)) {
			env->v[i] = variable;
			return;
		}
	env->v[env->count++] = variable;
}

struct strings caller_environment(const struct options *o)
{
	struct strings env = { 0 };
	size_t count = 0;

	while (environ[count])
		count++;
	env.v = xcalloc(count + o->env_count + 1, sizeof(*env.v));
	for (size_t i = 0; i < count; i++)
		if ((o->env_all || handed_through(environ[i])) && strchr(environ[i], '='))
			env.v[env.count++] = environ[i];
	for (size_t i = 0; i < o->env_count; i++) {
		const char *value = getenv(o->env[i]);

		if (strchr(o->env[i], '=')) {
			set_variable(&env, xstrdup(o->env[i]));
		} else if (value) {
			char *s = xmalloc(strlen(o->env[i]) + strlen(value) + 2);

			strcpy(stpcpy(stpcpy(s, o->env[i]), "="), value);
			set_variable(&env, s);
		}
	}
	for (size_t i = 0; i < env.count; i++)
		env.bytes += strlen(env.v[i]) + 1;
	return env;
}

const char *strings_find_env(const struct strings *env, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < env->count; i++)
		if (!strncmp(env->v[i], name, len) && env->v[i][len] == '=')
			return env->v[i] + len + 1;
	return NULL;
}
