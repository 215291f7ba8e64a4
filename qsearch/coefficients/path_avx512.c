/* The path for x86-64 processors with AVX-512. */
#include "common.h"

#ifdef QSEARCH_X86_PATHS
#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

#ifdef __clang__
#pragma clang attribute push( \
    __attribute__((target("avx2,bmi,bmi2,lzcnt,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#else
#pragma GCC target("avx2,bmi,bmi2,lzcnt,avx512f,avx512bw,avx512dq,avx512vl")
#endif

#define WIDE
#include "x86.h"

#include "evaluate.h"

#include "statistics.h"

#include "forward.h"

#ifdef __clang__
#pragma clang attribute pop
#endif

static int available(void)
{
    unsigned a = 0, b = 0, extended = 0, d = 0;
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
           __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __get_cpuid(0x80000001u, &a, &b, &extended, &d) && (extended & bit_LZCNT);
}

const struct path path_avx512 = {"avx512", available, forward_image, size_of_image, encode_image, statistics_of_image};
#endif
