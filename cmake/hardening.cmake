# SPDX-License-Identifier: Apache-2.0
# Warnings, hardening and sanitizers, as an interface target that every module links.
include(CheckCCompilerFlag)
add_library(sbx_flags INTERFACE)
target_compile_options(sbx_flags INTERFACE
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -Wvla -Wwrite-strings
	-fno-strict-aliasing -fno-common)
if(CMAKE_C_COMPILER_ID MATCHES Clang)
	target_compile_options(sbx_flags INTERFACE -Wthread-safety)
endif()
foreach(flag -ftrivial-auto-var-init=zero -fstack-protector-strong -fstack-clash-protection -fcf-protection=full)
	string(MAKE_C_IDENTIFIER "HAVE${flag}" have)
	check_c_compiler_flag(${flag} ${have})
	if(${have})
		target_compile_options(sbx_flags INTERFACE ${flag})
	endif()
endforeach()
target_link_options(sbx_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)
if(CMAKE_BUILD_TYPE STREQUAL Release AND NOT SBX_SANITIZE)
	target_compile_definitions(sbx_flags INTERFACE _FORTIFY_SOURCE=2)
endif()
if(SBX_SANITIZE)
	target_compile_options(sbx_flags INTERFACE -fsanitize=${SBX_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
	target_link_options(sbx_flags INTERFACE -fsanitize=${SBX_SANITIZE})
endif()
if(SBX_FUZZ) # coverage for libFuzzer, whose main() only the targets in tests/fuzz link
	target_compile_options(sbx_flags INTERFACE -fsanitize=fuzzer-no-link)
	target_link_options(sbx_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
