/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the command. Each takes what follows the verb, NULL-terminated, and returns the exit status. */
#ifndef SANDBOX_RUN_H
#define SANDBOX_RUN_H

int verb_run(char **args);
int verb_doctor(char **args);
int verb_syscalls(char **args);

#endif
