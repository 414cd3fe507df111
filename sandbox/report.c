/* SPDX-License-Identifier: Apache-2.0 */
/* The report. Fields that could not be known are left out rather than written as zero. */
#include "sandbox/report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static json_t *seconds(int64_t ns)
{
	return json_real((double)ns / 1e9);
}

/* Arguments are bytes; JSON is Unicode: what is not UTF-8 is left out of the report. */
static json_t *arguments(char **argv)
{
	json_t *list = json_array();

	for (; *argv; argv++) {
		json_t *s = json_string(*argv);

		json_array_append_new(list, s ? s : json_null());
	}
	return list;
}

static void add_end(json_t *report, const struct outcome *o)
{
	json_object_set_new(report, "verdict", json_string(verdict_name(o->verdict)));
	json_object_set_new(report, "exit_status", json_integer(verdict_exit_status(o)));
	if (o->verdict == VERDICT_EXITED)
		json_object_set_new(report, "status", json_integer(WEXITSTATUS(o->status)));
	if (o->verdict == VERDICT_SIGNALLED || o->verdict == VERDICT_MEMORY_LIMIT) {
		const char *name = sigabbrev_np(WTERMSIG(o->status));

		json_object_set_new(report, "signal", json_integer(WTERMSIG(o->status)));
		json_object_set_new(report, "signal_name", json_sprintf("SIG%s", name ? name : "?"));
		if (o->fault_address)
			json_object_set_new(report, "fault_address", json_sprintf("0x%" PRIx64, o->fault_address));
	}
	if (o->verdict == VERDICT_NOT_STARTED)
		json_object_set_new(report, "error", json_string(strerror(o->error & 0xfff)));
}

static void add_usage(json_t *report, const struct outcome *o)
{
	if (!atomic_load(&o->complete))
		return;
	json_object_set_new(report, "wall_time", seconds(o->wall_ns));
	json_object_set_new(report, "user_time", seconds(o->user_ns));
	json_object_set_new(report, "system_time", seconds(o->system_ns));
	json_object_set_new(report, "peak_resident_bytes", json_integer((json_int_t)o->peak_resident));
	json_object_set_new(report, "processes", json_integer((json_int_t)o->processes));
	json_object_set_new(report, "threads", json_integer((json_int_t)o->threads));
	json_object_set_new(report, "stops", json_integer((json_int_t)o->platform.stops));
}

static void add_calls(json_t *report, const struct outcome *o)
{
	json_t *calls = json_object(), *unknown = json_object();

	for (uint64_t nr = 0; nr <= SYSCALL_MAX; nr++) {
		const struct syscall_entry *e = syscall_entry(nr);
		const struct syscall_count *c = &o->counts[nr];

		if (!c->calls)
			continue;
		if (!e || !e->fn)
			json_object_set_new(unknown, e ? e->name : "no such number", json_integer((json_int_t)c->calls));
		else
			json_object_set_new(calls, e->name,
					    json_pack("{s:I, s:I, s:f}", "count", (json_int_t)c->calls, "errors",
						      (json_int_t)c->errors, "time", (double)c->ns / 1e9));
	}
	json_object_set_new(report, "calls", calls);
	json_object_set_new(report, "unknown_calls", unknown);
}

static void add_layers(json_t *report, const struct outcome *o)
{
	json_t *active = json_array(), *refused = json_object();

	for (int i = 0; i < LAYER_COUNT; i++) {
		const char *name = layer_name((enum layer)i);

		if (o->layers.layer[i].state == LAYER_ACTIVE)
			json_array_append_new(active, json_string(name));
		else if (o->layers.layer[i].state == LAYER_REFUSED)
			json_object_set_new(refused, name, json_string(strerror(o->layers.layer[i].error & 0xfff)));
	}
	json_object_set_new(report, "layers", active);
	json_object_set_new(report, "layers_refused", refused);
}

static int write_all(int fd, const char *s, size_t len)
{
	while (len) {
		ssize_t n = write(fd, s, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		s += n;
		len -= (size_t)n;
	}
	return 0;
}

int report_write(int fd, const struct options *options, const struct outcome *o)
{
	json_t *report = json_object();
	struct utsname uts;
	char *text;
	int err = -ENOMEM;

	if (!report)
		return err;
	add_end(report, o);
	json_object_set_new(report, "arguments", arguments(options->argv));
	json_object_set_new(report, "network", json_string(options->host_network ? "host" : "none"));
	add_usage(report, o);
	add_calls(report, o);
	add_layers(report, o);
	if (!uname(&uts))
		json_object_set_new(report, "host_kernel", json_string(uts.release));
	json_object_set_new(report, "version", json_string(SBX_VERSION));
	text = json_dumps(report, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	if (text) {
		err = write_all(fd, text, strlen(text));
		if (!err)
			err = write_all(fd, "\n", 1);
		free(text);
	}
	json_decref(report);
	return err;
}
