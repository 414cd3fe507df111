/* SPDX-License-Identifier: Apache-2.0 */
/* Classic BPF, the filter language of seccomp(2): checking a program and running it. Knows no task; the data is the caller's.
 * See Linux's Documentation/networking/filter.rst for the machine: an accumulator A, an index X, sixteen words of memory. */
#ifndef KERNEL_BPF_H
#define KERNEL_BPF_H

#include "base/compiler.h"

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

/* 0, or -EINVAL for a program that Linux would refuse as a seccomp filter whose data is data_size bytes: it is empty or too long; it has
 * an instruction that filters of calls may not use, a load that is unaligned or outside the data, a constant division by zero
 * or a shift out of range; a jump leaves it; it can end otherwise than by a return; or it reads a word of memory that some way there
 * has not written. */
int bpf_check(const struct sock_filter *prog, size_t len, size_t data_size) MUST_CHECK;

/* Runs a program that bpf_check() accepted over as many bytes of data. It ends: jumps lead forward only. */
uint32_t bpf_run(const struct sock_filter *prog, const void *data, size_t data_size) MUST_CHECK;

#endif
