/* The floor of diffusion problems: the stabilised method RKC of order two in plain C, compiled for one problem.
 *
 * Compiled with `-include <problem>.h`, which defines DIMENSION, PARAMETERS, RHS(t, y, p, dy) and an upper bound
 * SPECTRAL_RADIUS(t, y, p) of the Jacobian's eigenvalues, all of which must lie near the negative real axis. The
 * recursion, the number of stages, the error estimate and the control of the step size are those of B. P. Sommeijer,
 * L. F. Shampine, J. G. Verwer, "RKC: An explicit solver for parabolic PDEs", Journal of Computational and Applied
 * Mathematics 88 (1998), 315-326, https://doi.org/10.1016/S0377-0427(97)00219-7.
 */

#include <math.h>
#include <string.h>

#include "control.h"

#define DAMPING (2.0 / 13.0)

/* Chebyshev polynomial of the first kind and its first two derivatives, by their common recursion. */
typedef struct {
    double t, dt, ddt;
} chebyshev;

static chebyshev next(double x, chebyshev now, chebyshev before)
{
    return (chebyshev){
        2.0 * x * now.t - before.t,
        2.0 * now.t + 2.0 * x * now.dt - before.dt,
        4.0 * now.dt + 2.0 * x * now.ddt - before.ddt,
    };
}

/* One step of `stages` stages, at least two; f holds f(t, y). */
static void step(double t, double h, long stages, const double *restrict y, const double *restrict f,
                 const double *restrict p, double *restrict y_new)
{
    static _Thread_local double space[3][DIMENSION], slope[DIMENSION];
    const double w0 = 1.0 + DAMPING / (double)(stages * stages);
    chebyshev before = {1.0, 0.0, 0.0}, now = {w0, 1.0, 0.0};
    for (long j = 2; j <= stages; j++) {
        chebyshev after = next(w0, now, before);
        before = now, now = after;
    }
    const double w1 = now.dt / now.ddt;
    before = (chebyshev){1.0, 0.0, 0.0}, now = (chebyshev){w0, 1.0, 0.0};
    const double b_2 = 4.0 / (16.0 * w0 * w0);
    /* b of the stages j - 2, j - 1 and j, a of j - 1, and the stages' times as fractions of the step. */
    double b_before = b_2, b_now = b_2, a_now = 1.0 - b_2 * w0, c_before = 0.0, c_now = b_2 * w1;
    double *y_before = space[0], *y_now = space[1], *y_after = space[2];
    memcpy(y_before, y, DIMENSION * sizeof *y);
    for (long i = 0; i < DIMENSION; i++) y_now[i] = y[i] + b_2 * w1 * h * f[i];
    for (long j = 2; j <= stages; j++) {
        const chebyshev after = next(w0, now, before);
        const double b_after = after.ddt / (after.dt * after.dt);
        const double mu = 2.0 * b_after * w0 / b_now, nu = -b_after / b_before;
        const double mu_slope = 2.0 * b_after * w1 / b_now, gamma_slope = -a_now * mu_slope;
        RHS(t + c_now * h, y_now, p, slope);
        for (long i = 0; i < DIMENSION; i++)
            y_after[i] = (1.0 - mu - nu) * y[i] + mu * y_now[i] + nu * y_before[i] + h * mu_slope * slope[i] +
                         h * gamma_slope * f[i];
        double *spare = y_before;
        y_before = y_now, y_now = y_after, y_after = spare;
        const double c_after = mu * c_now + nu * c_before + mu_slope + gamma_slope;
        c_before = c_now, c_now = c_after;
        b_before = b_now, b_now = b_after, a_now = 1.0 - b_after * after.t;
        before = now, now = after;
    }
    memcpy(y_new, y_now, DIMENSION * sizeof *y);
}

/* Solve from t0 to t1 and write the state there. Returns 0, or 1 when `max_steps` was too few. */
int solve_to_end(const double *y0, const double *p, double t0, double t1, double rtol, double atol, long max_steps,
                 double *out, statistics *stats)
{
    static _Thread_local double y[DIMENSION], y_new[DIMENSION], f[DIMENSION], f_new[DIMENSION], error[DIMENSION];
    double t = t0, previous_norm = 0.0, previous_h = 0.0;
    int rejected = 0;
    memset(stats, 0, sizeof *stats);
    memcpy(y, y0, sizeof y);
    RHS(t, y, p, f);
    stats->evaluations = 2;
    double radius = SPECTRAL_RADIUS(t, y, p);
    double h = fmin(initial_step(2.0, t, y, f, p, t1 - t0, rtol, atol), 1.0 / radius);
    const long most_stages = (long)fmax(2.0, round(sqrt(rtol / 10.0 / 2.2e-16)));
    while (t < t1) {
        if (stats->accepted + stats->rejected >= max_steps) return 1;
        int last = t + 1.1 * h >= t1;
        if (last) h = t1 - t;
        long stages = 1 + (long)sqrt(1.54 * h * radius + 1.0);
        if (stages > most_stages) {
            stages = most_stages;
            h = (double)(stages * stages - 1) / (1.54 * radius);
            last = 0;
        }
        if (stages < 2) stages = 2;
        step(t, h, stages, y, f, p, y_new);
        double t_new = last ? t1 : t + h;
        RHS(t_new, y_new, p, f_new);
        stats->evaluations += stages;
        for (long i = 0; i < DIMENSION; i++) error[i] = 0.8 * (y[i] - y_new[i]) + 0.4 * h * (f[i] + f_new[i]);
        double norm = scaled_norm(error, y, y_new, rtol, atol);
        if (!(norm <= 1.0)) {
            stats->rejected++;
            rejected = 1;
            h *= isfinite(norm) ? fmax(0.1, 0.8 / cbrt(norm)) : 0.1;
            continue;
        }
        /* The prediction from two steps, where there are two. */
        double factor = 0.8 / cbrt(fmax(norm, 1e-10));
        if (previous_h > 0.0) factor *= (h / previous_h) * cbrt(previous_norm / fmax(norm, 1e-10));
        factor = fmin(rejected ? 1.0 : 10.0, fmax(0.1, factor));
        previous_norm = fmax(norm, 1e-10), previous_h = h;
        rejected = 0;
        stats->accepted++;
        t = t_new;
        h *= factor;
        memcpy(y, y_new, sizeof y);
        memcpy(f, f_new, sizeof f);
        if (stats->accepted % 25 == 0) radius = SPECTRAL_RADIUS(t, y, p);
    }
    memcpy(out, y, sizeof y);
    return 0;
}
