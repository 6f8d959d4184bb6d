/*
 * The native kernel: the scan of ../scan.ts in C, for each instruction set from one template (lanes.h), behind raw
 * Node-API. Built by build.ts with any gcc or clang; nothing but this folder is needed.
 *
 * The module exports a function `scan(memory, from, to)` for each instruction set that the processor has, by the
 * instruction set's name: avx512, avx2, generic. Each checks all that it is given before it reads or writes memory,
 * and throws a TypeError or RangeError; what the memory holds besides the parameters are just numbers to it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "node-api.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* The layout of memory; ../scan.ts says what these are. Places and sizes count words. */
enum {
  PARAMETER_WORD = 0,
  PARAMETER_MASK = 1,
  PARAMETER_MIDSTATES = 2,
  PARAMETER_WORDS = 3,
  PARAMETER_NEXT = 4,
  PARAMETER_HITS = 5,
  BLOCK = 16,
  MIDSTATES = 32,
  MIDSTATE_STRIDE = 16,
  MAX_MIDSTATES = 66,
  MAX_STREAMS = 6,
  HITS = MIDSTATES + (MAX_MIDSTATES + MAX_STREAMS) * MIDSTATE_STRIDE,
  MAX_HITS = 4096,
  WORDS = HITS + 2 * MAX_HITS,
  MAX_WORDS = 64 * 64 * 64,
  MAX_STEP = 96,
  MEMORY_WORDS = WORDS + MAX_WORDS + MAX_STEP,
};

/* The last word of the block that may vary: after it stand the length's two. */
#define LAST_WORD 13
/* The last round but three and the last of which a is needed; and the one whose e is the h of the hash. */
#define LAST_FULL_ROUND 56
#define LAST_ROUND 60

/* Streams hide the latency of each other's instructions. */
#define STREAMS 3
#define EACH_STREAM for (int j = 0; j < STREAMS; j++)

_Static_assert(STREAMS <= MAX_STREAMS, "the last group of midstates must fit into memory");
_Static_assert(STREAMS * 16 <= MAX_STEP, "the last step of words must fit into memory");
_Static_assert(16 * (MAX_MIDSTATES + STREAMS) <= MAX_HITS, "the hits of one step must fit into memory");

/* FIPS 180-4, section 4.2.2; the last three rounds are never worked. */
static const uint32_t ROUND_CONSTANTS[LAST_ROUND + 1] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
    0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
    0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
    0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa,
};

/* A scan whose parameters are checked. */
struct job {
  uint32_t word, mask, midstates, from, to;
  const uint32_t *block, *states, *table;
  uint32_t *hits, *next, *count;
};

#define ROTATE_BY_SHIFTS(x, n) ((x) >> (n) | (x) << (32 - (n)))
#define CHOOSE_BY_LOGIC(e, f, g) ((((f) ^ (g)) & (e)) ^ (g))
/* b where a and b agree, else c; b ^ c is left from the round before. */
#define MAJORITY_BY_LOGIC(a, b, c) ((((a) ^ (b)) & ((b) ^ (c))) ^ (b))

#if defined(__x86_64__)

#define NAME(x) avx512_##x
#define TARGET __attribute__((target("avx512f")))
#define LANES 16
#define TERNARY(x, y, z, table) ((vector)_mm512_ternarylogic_epi32((__m512i)(x), (__m512i)(y), (__m512i)(z), table))
#define ROTATE(x, n) ((vector)_mm512_ror_epi32((__m512i)(x), n))
#define XOR3(x, y, z) TERNARY(x, y, z, 0x96)
#define CHOOSE(e, f, g) TERNARY(e, f, g, 0xca)
#define MAJORITY(a, b, c) TERNARY(a, b, c, 0xe8)
#define ZERO_LANES(x) _mm512_testn_epi32_mask((__m512i)(x), (__m512i)(x))
#include "lanes.h"

#define NAME(x) avx2_##x
#define TARGET __attribute__((target("avx2")))
#define LANES 8
#define ROTATE ROTATE_BY_SHIFTS
#define XOR3(x, y, z) ((x) ^ (y) ^ (z))
#define CHOOSE CHOOSE_BY_LOGIC
#define MAJORITY MAJORITY_BY_LOGIC
#define ZERO_LANES(x) ((uint32_t)_mm256_movemask_ps((__m256)((x) == 0)))
#include "lanes.h"

#endif

#define NAME(x) generic_##x
#define TARGET
#define LANES 4
#define ROTATE ROTATE_BY_SHIFTS
#define XOR3(x, y, z) ((x) ^ (y) ^ (z))
#define CHOOSE CHOOSE_BY_LOGIC
#define MAJORITY MAJORITY_BY_LOGIC
#define ZERO_LANES(x) (((x)[0] == 0) | ((x)[1] == 0) << 1 | ((x)[2] == 0) << 2 | ((x)[3] == 0) << 3)
#include "lanes.h"

/* Reads an argument that must be an integer from 0 to `limit`; throws if it is not. */
static bool read_integer(napi_env env, napi_value value, uint32_t limit, uint32_t *result) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) {
    napi_throw_type_error(env, NULL, "scan: from and to are numbers");
    return false;
  }
  /* Written so that NaN fails as well. */
  if (!(number >= 0 && number <= limit) || number != (double)(uint32_t)number) {
    napi_throw_range_error(env, NULL, "scan: from and to are integers between 0 and the number of words");
    return false;
  }
  *result = (uint32_t)number;
  return true;
}

/* scan(memory: Uint32Array, from: number, to: number): undefined. The function's data is the kernel to run. */
static napi_value scan(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3];
  void *data;
  bool is_typedarray;
  napi_typedarray_type type;
  size_t length;
  void *start;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, &data) != napi_ok) return NULL;
  /* Arguments that are not given are undefined, which none of the checks lets pass. */
  if (napi_is_typedarray(env, arguments[0], &is_typedarray) != napi_ok || !is_typedarray ||
      napi_get_typedarray_info(env, arguments[0], &type, &length, &start, NULL, NULL) != napi_ok ||
      type != napi_uint32_array) {
    napi_throw_type_error(env, NULL, "scan: memory is a Uint32Array");
    return NULL;
  }
  if (length < MEMORY_WORDS) {
    napi_throw_range_error(env, NULL, "scan: memory is too short");
    return NULL;
  }
  uint32_t *memory = start;
  /* Each parameter is read once: shared memory might change between its check and its use. */
  const volatile uint32_t *parameters = memory;
  uint32_t words = parameters[PARAMETER_WORDS];
  struct job job = {
      .word = parameters[PARAMETER_WORD],
      .mask = parameters[PARAMETER_MASK],
      .midstates = parameters[PARAMETER_MIDSTATES],
      .block = memory + BLOCK,
      .states = memory + MIDSTATES,
      .table = memory + WORDS,
      .hits = memory + HITS,
      .next = memory + PARAMETER_NEXT,
      .count = memory + PARAMETER_HITS,
  };
  if (job.word > LAST_WORD || job.midstates < 1 || job.midstates > MAX_MIDSTATES || words > MAX_WORDS) {
    napi_throw_range_error(env, NULL, "scan: a parameter in memory is out of range");
    return NULL;
  }
  if (!read_integer(env, arguments[2], words, &job.to) || !read_integer(env, arguments[1], job.to, &job.from))
    return NULL;
  ((void (*)(const struct job *))data)(&job);
  return NULL;
}

/* Exports the scan for one instruction set. */
static void export_scan(napi_env env, napi_value exports, const char *name, void (*run)(const struct job *)) {
  napi_value function;
  if (napi_create_function(env, name, (size_t)-1, scan, (void *)run, &function) == napi_ok)
    napi_set_named_property(env, exports, name, function);
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) export_scan(env, exports, "avx512", avx512_run);
  if (__builtin_cpu_supports("avx2")) export_scan(env, exports, "avx2", avx2_run);
#endif
  export_scan(env, exports, "generic", generic_run);
  return exports;
}

/* Version 8 of Node-API has all of the above; so has every Node from 12.22. */
__attribute__((visibility("default"))) int32_t node_api_module_get_api_version_v1(void) { return 8; }
