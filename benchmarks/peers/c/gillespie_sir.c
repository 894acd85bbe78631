/* Gillespie's direct method on the epidemic SIR model, by hand: xoshiro256+, one logarithm and one division an event.
   `paths` runs many, keeps the path of each in turn, and returns how many events there were in all. */
#include <math.h>
#include <stdint.h>

static inline uint64_t rotated(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

static inline uint64_t bits(uint64_t *s) {
    const uint64_t found = s[0] + s[3], shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotated(s[3], 45);
    return found;
}

static inline double uniform(uint64_t *s) { return ((bits(s) >> 11) + 0.5) * 0x1p-53; }

static long path(uint64_t *state, int64_t s, int64_t i, double beta, double gamma, double end, double *times,
                 int64_t *counts) {
    int64_t r = 0;
    double t = 0.0;
    long n = 0;
    for (;;) {
        const double infection = INFECTION(s, i, beta), both = infection + RECOVERY(i, gamma);
        if (both <= 0.0) break;
        t -= log(uniform(state)) / both;
        if (t > end) break;
        if (uniform(state) * both < infection) {
            s--;
            i++;
        } else {
            i--;
            r++;
        }
        times[n] = t;
        counts[3 * n] = s;
        counts[3 * n + 1] = i;
        counts[3 * n + 2] = r;
        n++;
    }
    return n;
}

long paths(uint64_t seed, long count, long s, long i, double beta, double gamma, double end, double *times,
           int64_t *counts) {
    uint64_t state[4] = {seed + 1, 0x9E3779B97F4A7C15, seed ^ 0xBF58476D1CE4E5B9, 0x94D049BB133111EB};
    long events = 0;
    for (int k = 0; k < 64; k++) bits(state);
    for (long k = 0; k < count; k++) events += path(state, s, i, beta, gamma, end, times, counts);
    return events;
}
