# SPDX-License-Identifier: Apache-2.0
# sbx without shared libraries, for two reasons: it starts a tenth sooner, and it runs where its libraries are not installed.
# Sanitizers need the dynamic C library; so do the tests, since Criterion is a shared library.
include(CheckLinkerFlag)
check_linker_flag(C -static-pie SBX_HAS_STATIC_PIE)
# libcap-ng holds functions that ask the user database, which warns when linked statically; sbx calls none of them.
check_linker_flag(C -Wl,--no-warnings SBX_HAS_NO_WARNINGS)
if(SBX_HAS_STATIC_PIE AND NOT SBX_SANITIZE AND NOT SBX_FUZZ)
	option(SBX_STATIC "Link sbx without shared libraries" ON)
else()
	set(SBX_STATIC OFF)
endif()
# What sbx itself is linked with, and where its libraries are looked for.
add_library(sbx_link INTERFACE)
if(SBX_STATIC)
	set(SBX_LIBRARY_SUFFIXES .a)
	target_link_options(sbx_link INTERFACE -static-pie)
	if(SBX_HAS_NO_WARNINGS)
		target_link_options(sbx_link INTERFACE -Wl,--no-warnings)
	endif()
else()
	set(SBX_LIBRARY_SUFFIXES .so .a)
	target_link_options(sbx_link INTERFACE -pie)
endif()
