/*
 * The scan for one width of vectors. scan.c includes this once for each instruction set, after defining
 *
 *   NAME(x)           the name of x for this instruction set
 *   TARGET            the attribute that lets the compiler use it
 *   LANES             words in a vector
 *   ROTATE(x, n)      rotation of each word to the right
 *   XOR3(x, y, z)     x ^ y ^ z
 *   CHOOSE(e, f, g)   bit by bit f where e is 1, else g
 *   MAJORITY(a, b, c) bit by bit what at least two of the three are
 *   ZERO_LANES(x)     a number with a bit set for each word that is zero
 *
 * How it works is said in ../wasm.ts: this is the same kernel. Only, the whole state is kept in variables here: the C
 * compilers do well with it.
 */

typedef uint32_t NAME(vector) __attribute__((vector_size(4 * LANES)));
/* The same at any address that a word may have. */
typedef uint32_t NAME(loose) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
#define vector NAME(vector)
#define INLINE TARGET static inline __attribute__((always_inline))

INLINE vector NAME(splat)(uint32_t word) { return (vector){0} + word; }

/* Word i of a schedule, from the 16 words before. */
INLINE vector NAME(stretch)(const vector *w, int i) {
  vector x = w[i - 15], y = w[i - 2];
  vector s0 = XOR3(ROTATE(x, 7), ROTATE(x, 18), x >> 3);
  vector s1 = XOR3(ROTATE(y, 17), ROTATE(y, 19), y >> 10);
  return w[i - 16] + s0 + w[i - 7] + s1;
}

/* What the schedule, e, f, g and h add up to; s is the state as it was `age` rounds ago, each round written over it. */
INLINE vector NAME(addends)(const vector *s, int age, vector added) {
  vector e = s[(4 - age) & 7], f = s[(5 - age) & 7], g = s[(6 - age) & 7], h = s[(7 - age) & 7];
  return h + added + XOR3(ROTATE(e, 6), ROTATE(e, 11), ROTATE(e, 25)) + CHOOSE(e, f, g);
}

/* A round: the new e takes the place of d, the new a that of h. */
INLINE void NAME(round)(vector *s, int age, vector added) {
  vector a = s[-age & 7], b = s[(1 - age) & 7], c = s[(2 - age) & 7];
  vector sum = NAME(addends)(s, age, added);
  s[(3 - age) & 7] += sum;
  s[(7 - age) & 7] = sum + XOR3(ROTATE(a, 2), ROTATE(a, 13), ROTATE(a, 22)) + MAJORITY(a, b, c);
}

/* A round, but only e. */
INLINE void NAME(last_round)(vector *s, int age, vector added) {
  s[(3 - age) & 7] += NAME(addends)(s, age, added);
}

/* Renames the variables so that the state is `age` = 0 rounds old again. */
INLINE void NAME(rename)(vector *s, int age) {
  vector old[8];
  for (int i = 0; i < 8; i++) old[i] = s[i];
  for (int i = 0; i < 8; i++) s[i] = old[(i - age) & 7];
}

/*
 * Rounds p + 1 to 60 of all streams, and the test of the last word.
 *
 * state:    where each stream's midstate is
 * inner:    each stream's inner characters
 * schedule: each stream's schedule with the round constants added
 * zeros:    for each stream the lanes that hit
 */
INLINE bool NAME(work)(int p, vector mask, const uint32_t *const state[STREAMS], const vector *const inner[STREAMS],
                       const vector *const schedule[STREAMS], uint32_t zeros[STREAMS]) {
  vector s[STREAMS][8];
  EACH_STREAM {
    for (int i = 0; i < 8; i++) s[j][i] = NAME(splat)(state[j][i]);
    s[j][0] += *inner[j];
    s[j][4] += *inner[j];
  }
  int round = p + 1;
  for (; (LAST_FULL_ROUND + 1 - round) % 4 != 0; round++)
    EACH_STREAM {
      NAME(round)(s[j], 0, schedule[j][round]);
      NAME(rename)(s[j], 1);
    }
  for (; round <= LAST_FULL_ROUND; round += 4) {
    EACH_STREAM NAME(round)(s[j], 0, schedule[j][round]);
    EACH_STREAM NAME(round)(s[j], 1, schedule[j][round + 1]);
    EACH_STREAM NAME(round)(s[j], 2, schedule[j][round + 2]);
    EACH_STREAM NAME(round)(s[j], 3, schedule[j][round + 3]);
    EACH_STREAM NAME(rename)(s[j], 4);
  }
  EACH_STREAM NAME(last_round)(s[j], 0, schedule[j][LAST_FULL_ROUND + 1]);
  EACH_STREAM NAME(last_round)(s[j], 1, schedule[j][LAST_FULL_ROUND + 2]);
  EACH_STREAM NAME(last_round)(s[j], 2, schedule[j][LAST_FULL_ROUND + 3]);
  EACH_STREAM NAME(last_round)(s[j], 3, schedule[j][LAST_FULL_ROUND + 4]);
  uint32_t any = 0;
  EACH_STREAM {
    vector tested = (s[j][0] + state[j][8]) & mask;
    zeros[j] = ZERO_LANES(tested);
    any |= zeros[j];
  }
  return any != 0;
}

/* See scan.c. The streams work different midstates with one schedule, or (not `shared`) different words with one. */
INLINE void NAME(scan)(const struct job *job, bool shared) {
  const int schedules = shared ? 1 : STREAMS;
  const vector mask = NAME(splat)(job->mask);
  vector words[STREAMS][LAST_ROUND + 1], added[STREAMS][LAST_ROUND + 1], inner[STREAMS];
  const vector *inners[STREAMS], *addeds[STREAMS];
  EACH_STREAM {
    inners[j] = &inner[shared ? 0 : j];
    addeds[j] = added[shared ? 0 : j];
  }
  for (int j = 0; j < schedules; j++)
    for (int i = 0; i < 16; i++) {
      words[j][i] = NAME(splat)(job->block[i]);
      added[j][i] = words[j][i] + ROUND_CONSTANTS[i];
    }

  uint32_t next = job->from, count = 0;
  for (; next < job->to && count <= MAX_HITS - schedules * LANES * (job->midstates + STREAMS);
       next += schedules * LANES) {
    for (int j = 0; j < schedules; j++) {
      inner[j] = *(const NAME(loose) *)(job->table + next + j * LANES);
      words[j][job->word] = inner[j] + job->block[job->word];
    }
    for (int i = 16; i <= LAST_ROUND; i++)
      for (int j = 0; j < schedules; j++) {
        words[j][i] = NAME(stretch)(words[j], i);
        added[j][i] = words[j][i] + ROUND_CONSTANTS[i];
      }
    for (uint32_t group = 0; group < job->midstates; group += shared ? STREAMS : 1) {
      const uint32_t *state[STREAMS];
      uint32_t zeros[STREAMS];
      EACH_STREAM state[j] = job->states + (group + (shared ? j : 0)) * MIDSTATE_STRIDE;
      if (!NAME(work)(job->word, mask, state, inners, addeds, zeros)) continue;
      EACH_STREAM for (; zeros[j] != 0; zeros[j] &= zeros[j] - 1) {
        job->hits[2 * count] = next + (shared ? 0 : j * LANES) + __builtin_ctz(zeros[j]);
        job->hits[2 * count + 1] = group + (shared ? j : 0);
        count++;
      }
    }
  }
  *job->next = next;
  *job->count = count;
}

TARGET static void NAME(run)(const struct job *job) {
  if (job->midstates == 1)
    NAME(scan)(job, false);
  else
    NAME(scan)(job, true);
}

#undef vector
#undef INLINE
#undef NAME
#undef TARGET
#undef LANES
#undef ROTATE
#undef XOR3
#undef CHOOSE
#undef MAJORITY
#undef ZERO_LANES
