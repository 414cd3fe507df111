/* SPDX-License-Identifier: Apache-2.0 */
/* Seeded random programs for the driver of the fuzzer, tests/fuzz/mm.c, with its oracles: what every build can play. */
#include "segset_model.h"
#include "tests/support/asserts.h"

#include <stdio.h>

enum { SEEDS = 40, BYTES = 3000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

Test(random, operations_leave_sets_stub_and_contents_in_agreement, .timeout = 120)
{
	static uint8_t program[BYTES];

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t random = seed;

		for (size_t i = 0; i < BYTES; i++)
			program[i] = (uint8_t)(model_random(&random) >> 16);
		printf("seed %lu\n", (unsigned long)seed);
		LLVMFuzzerTestOneInput(program, BYTES);
	}
}
