/* The floor of every comparison: Tsit5 in plain C, compiled for one problem at a time.
 *
 * Compiled with `-include <problem>.h`, which defines DIMENSION, PARAMETERS and RHS(t, y, p, dy), so that the compiler
 * sees the right side and the size of the state, as it would in a program written by hand for that problem. A problem
 * that defines LANES as well can be written without branches: its RHS then runs on vectors, one trajectory per lane.
 * All right sides here are autonomous, so the times of the stages are not formed.
 */

#include <math.h>
#include <string.h>

#include "control.h"

#define REAL double
#define SCALAR double
#define STEP step
#include "step.h"
#undef REAL
#undef SCALAR
#undef STEP

#define SAFETY 0.9
#define SMALLEST_FACTOR 0.2
#define LARGEST_FACTOR 10.0
/* Proportional-integral control, factor = SAFETY * error^-ALPHA * previous_error^BETA, as evolvent's default has it:
 * E. Hairer, G. Wanner, "Solving Ordinary Differential Equations II", section IV.2. */
#define ALPHA (0.85 / 5)
#define BETA (0.20 / 5)

static const double error_weights[7] = {
    0.0017800110522257714,  0.0008164344596567463, -0.007880878010261995, 0.1447110071732629,
    -0.5823571654525552,    0.45808210592918697,   -1.0 / 66.0,
};

/* Tsitouras's free interpolant of order 4, at the fraction x of the step. */
static void interpolate(double x, double h, const double *y, double (*k)[DIMENSION], double *out)
{
    const double b[7] = {
        -1.0530884977290216 * x * (x - 1.329989018975141) * (x * x - 1.436402854171635 * x + 0.713981691707421),
        0.1017 * x * x * (x * x - 2.1966568338249752 * x + 1.2949852507374631),
        2.4906272856512526 * x * x * (x * x - 2.3853564547206166 * x + 1.578034682080925),
        -16.548102889244902 * (x - 1.2171292729553324) * (x - 0.616204060378001) * x * x,
        47.37952196281928 * (x - 1.2030712083723626) * (x - 0.6580472926535474) * x * x,
        -34.87065786149661 * (x - 1.2) * (x - 2.0 / 3.0) * x * x,
        2.5 * (x - 1.0) * (x - 0.6) * x * x,
    };
    for (long i = 0; i < DIMENSION; i++) {
        double sum = 0.0;
        for (int stage = 0; stage < 7; stage++) sum += b[stage] * k[stage][i];
        out[i] = y[i] + h * sum;
    }
}

/* Solve from t0 to t1 and write the state at each of the increasing `saves`.
 * Returns 0, or 1 when `max_steps` was too few. */
int solve(const double *y0, const double *p, double t0, double t1, double rtol, double atol, long max_steps,
          const double *saves, long count, double *out, statistics *stats)
{
    double y[DIMENSION], y_new[DIMENSION], error[DIMENSION], k[7][DIMENSION];
    double t = t0, previous = 1.0;
    int rejected = 0;
    long saved = 0;
    memcpy(y, y0, sizeof y);
    RHS(t, y, p, k[0]);
    double h = initial_step(5.0, t, y, k[0], p, t1 - t0, rtol, atol);
    for (; saved < count && saves[saved] <= t; saved++) memcpy(out + saved * DIMENSION, y, sizeof y);
    memset(stats, 0, sizeof *stats);
    while (t < t1) {
        if (stats->accepted + stats->rejected >= max_steps) return 1;
        int last = t + h >= t1;
        if (last) h = t1 - t;
        step(t, h, y, k, y_new, p);
        for (long i = 0; i < DIMENSION; i++) {
            double sum = 0.0;
            for (int stage = 0; stage < 7; stage++) sum += error_weights[stage] * k[stage][i];
            error[i] = h * sum;
        }
        double norm = scaled_norm(error, y, y_new, rtol, atol);
        if (!(norm <= 1.0)) {
            stats->rejected++;
            rejected = 1;
            h *= isfinite(norm) ? fmax(SMALLEST_FACTOR, SAFETY * pow(norm, -ALPHA)) : SMALLEST_FACTOR;
            continue;
        }
        double t_new = last ? t1 : t + h;
        for (; saved < count && saves[saved] <= t_new; saved++) {
            if (saves[saved] == t_new)
                memcpy(out + saved * DIMENSION, y_new, sizeof y);
            else
                interpolate((saves[saved] - t) / h, h, y, k, out + saved * DIMENSION);
        }
        /* No growth right after a rejection: the step that was just refused would be tried again. */
        double factor = SAFETY * pow(fmax(norm, 1e-10), -ALPHA) * pow(previous, BETA);
        factor = fmin(rejected ? 1.0 : LARGEST_FACTOR, fmax(SMALLEST_FACTOR, factor));
        h *= factor;
        t = t_new;
        previous = fmax(norm, 1e-4);
        rejected = 0;
        memcpy(y, y_new, sizeof y);
        memcpy(k[0], k[6], sizeof k[0]);
        stats->accepted++;
    }
    stats->evaluations = 2 + 6 * (stats->accepted + stats->rejected);
    return 0;
}

/* The same problem from one start for `trajectories` rows of parameters: the states at t1, and how many failed. */
int solve_ensemble(const double *y0, const double *p, long trajectories, double t0, double t1, double rtol, double atol,
                   long max_steps, double *out, int threads)
{
    int failures = 0;
    (void)threads;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(+ : failures)
    for (long j = 0; j < trajectories; j++) {
        statistics stats;
        failures += solve(y0, p + j * PARAMETERS, t0, t1, rtol, atol, max_steps, &t1, 1, out + j * DIMENSION, &stats);
    }
    return failures;
}

#ifdef LANES
typedef float lanes __attribute__((vector_size(4 * LANES)));

#define REAL lanes
#define SCALAR float
#define STEP step_lanes
#include "step.h"

/* `steps` equal steps in float32, LANES trajectories at a time; `trajectories` must be a multiple of LANES. */
void solve_fixed_ensemble(const float *y0, const float *p, long trajectories, float t0, float t1, long steps,
                          float *out, int threads)
{
    (void)threads;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long first = 0; first < trajectories; first += LANES) {
        lanes y[DIMENSION], y_new[DIMENSION], k[7][DIMENSION], q[PARAMETERS];
        for (int lane = 0; lane < LANES; lane++) {
            for (int i = 0; i < PARAMETERS; i++) q[i][lane] = p[(first + lane) * PARAMETERS + i];
            for (int i = 0; i < DIMENSION; i++) y[i][lane] = y0[i];
        }
        float dt = (t1 - t0) / (float)steps;
        lanes h = dt - (lanes){0};
        RHS(t0, y, q, k[0]);
        for (long n = 0; n < steps; n++) {
            step_lanes(t0 + (float)n * dt, h, y, k, y_new, q);
            for (int i = 0; i < DIMENSION; i++) y[i] = y_new[i], k[0][i] = k[6][i];
        }
        for (int lane = 0; lane < LANES; lane++)
            for (int i = 0; i < DIMENSION; i++) out[(first + lane) * DIMENSION + i] = y[i][lane];
    }
}
#endif
