/* The floor of the stiff comparisons: Rodas4 in plain C with the exact Jacobian, compiled for one problem at a time.
 *
 * Compiled with `-include <problem>.h`, which defines DIMENSION, PARAMETERS, RHS(t, y, p, dy) and
 * JACOBIAN(t, y, p, j), where j[column][row] is zero on entry. Autonomous problems only: the time derivative is left
 * out. The method, its coefficients for transformed stages (with gamma = 1/4) and the control of the step size are
 * those of E. Hairer, G. Wanner, "Solving Ordinary Differential Equations II", sections IV.7 and IV.10,
 * https://doi.org/10.1007/978-3-642-05221-7.
 */

#include <math.h>
#include <string.h>

#include "control.h"

#define STAGES 6
#define GAMMA 0.25
#define SAFETY 0.9
#define SMALLEST_FACTOR 0.2
#define LARGEST_FACTOR 6.0

/* Compilers leave the loops of the linear algebra alone; unrolling them by hand pays for about eight equations. */
#ifdef UNROLLED
#define UNROLL _Pragma("GCC unroll 8")
#else
#define UNROLL
#endif

/* The last stage's point is the fifth's plus the fifth stage, and the new state that plus the sixth, which is the
 * error estimate, too: both last rows of a are (a[4], 1) and (a[4], 1, 1). */
static const double a[STAGES - 1][STAGES - 2] = {
    {0.0},
    {1.544},
    {0.9466785280815826, 0.2557011698983284},
    {3.314825187068521, 2.896124015972201, 0.9986419139977817},
    {1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950},
};
static const double c[STAGES][STAGES - 1] = {
    {0.0},
    {-5.6688},
    {-2.430093356833875, -0.2063599157091915},
    {-0.1073529058151375, -9.594562251023355, -20.47028614809616},
    {7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160},
    {8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054},
};

/* For who checks the order conditions. */
void coefficients(double *a_out, double *c_out)
{
    memcpy(a_out, a, sizeof a);
    memcpy(c_out, c, sizeof c);
}

/* For who checks the Jacobians; columns lead. */
void jacobian_at(const double *y, const double *p, double (*out)[DIMENSION])
{
    memset(out, 0, sizeof(double) * DIMENSION * DIMENSION);
    (void)p;
    JACOBIAN(0.0, y, p, out);
}

/* LU by columns with partial pivoting; reciprocals of the pivots stand on the diagonal. 0, or 1 for a singular e. */
static inline int factorise(double (*restrict e)[DIMENSION], int *restrict pivots)
{
    UNROLL for (int k = 0; k < DIMENSION; k++) {
        int pivot = k;
        for (int i = k + 1; i < DIMENSION; i++)
            if (fabs(e[k][i]) > fabs(e[k][pivot])) pivot = i;
        pivots[k] = pivot;
        double largest = e[k][pivot];
        if (largest == 0.0) return 1;
        e[k][pivot] = e[k][k];
        double reciprocal = e[k][k] = 1.0 / largest;
        for (int i = k + 1; i < DIMENSION; i++) e[k][i] *= reciprocal;
        for (int j = k + 1; j < DIMENSION; j++) {
            double top = e[j][pivot];
            e[j][pivot] = e[j][k];
            e[j][k] = top;
            if (top != 0.0)
                for (int i = k + 1; i < DIMENSION; i++) e[j][i] -= e[k][i] * top;
        }
    }
    return 0;
}

static inline void solve_factorised(double (*restrict e)[DIMENSION], const int *restrict pivots, double *restrict b)
{
    UNROLL for (int k = 0; k < DIMENSION; k++) {
        double top = b[pivots[k]];
        b[pivots[k]] = b[k];
        b[k] = top;
        UNROLL for (int i = k + 1; i < DIMENSION; i++) b[i] -= e[k][i] * top;
    }
    UNROLL for (int k = DIMENSION - 1; k >= 0; k--) {
        double x = b[k] *= e[k][k];
        for (int i = 0; i < k; i++) b[i] -= e[k][i] * x;
    }
}

/* u[0] must hold f(t, y) on entry. On return y_new is the new state and u[5] the error. 1 for a singular matrix. */
static inline int step(double t, double h, const double *restrict y, double (*restrict jacobian)[DIMENSION],
                       double (*restrict u)[DIMENSION], double *restrict y_new, const double *restrict p)
{
    double e[DIMENSION][DIMENSION];
    int pivots[DIMENSION];
    for (int j = 0; j < DIMENSION; j++) {
        for (int i = 0; i < DIMENSION; i++) e[j][i] = -jacobian[j][i];
        e[j][j] += 1.0 / (h * GAMMA);
    }
    if (factorise(e, pivots)) return 1;
    solve_factorised(e, pivots, u[0]);
#pragma GCC unroll 6
    for (int stage = 1; stage < STAGES; stage++) {
        if (stage < STAGES - 1) {
            for (int i = 0; i < DIMENSION; i++) {
                double sum = y[i];
                for (int other = 0; other < stage; other++) sum += a[stage][other] * u[other][i];
                y_new[i] = sum;
            }
        } else {
            for (int i = 0; i < DIMENSION; i++) y_new[i] += u[STAGES - 2][i];
        }
        RHS(t, y_new, p, u[stage]);
        for (int i = 0; i < DIMENSION; i++) {
            double sum = 0.0;
            for (int other = 0; other < stage; other++) sum += c[stage][other] * u[other][i];
            u[stage][i] += sum / h;
        }
        solve_factorised(e, pivots, u[stage]);
    }
    for (int i = 0; i < DIMENSION; i++) y_new[i] += u[STAGES - 1][i];
    return 0;
}

/* Solve from t0 to t1 and write the state there. Returns 0, or 1 when `max_steps` was too few. */
int solve_to_end(const double *y0, const double *p, double t0, double t1, double rtol, double atol, long max_steps,
                 double *out, statistics *stats)
{
    double y[DIMENSION], y_new[DIMENSION], f[DIMENSION], u[STAGES][DIMENSION], jacobian[DIMENSION][DIMENSION];
    double t = t0;
    int rejected = 0;
    memset(stats, 0, sizeof *stats);
    memcpy(y, y0, sizeof y);
    RHS(t, y, p, f);
    double h = initial_step(4.0, t, y, f, p, t1 - t0, rtol, atol);
    stats->evaluations = 2;
    while (t < t1) {
        if (stats->accepted + stats->rejected >= max_steps) return 1;
        int last = t + h >= t1;
        if (last) h = t1 - t;
        if (!rejected) {
            memset(jacobian, 0, sizeof jacobian);
            JACOBIAN(t, y, p, jacobian);
        }
        memcpy(u[0], f, sizeof f);
        stats->evaluations += STAGES - 1;
        double norm = step(t, h, y, jacobian, u, y_new, p) ? NAN : scaled_norm(u[STAGES - 1], y, y_new, rtol, atol);
        double factor = SAFETY / sqrt(sqrt(fmax(norm, 1e-10)));
        factor = isfinite(norm) ? fmin(LARGEST_FACTOR, fmax(SMALLEST_FACTOR, factor)) : SMALLEST_FACTOR;
        if (!(norm <= 1.0)) {
            stats->rejected++;
            rejected = 1;
            h *= factor;
            continue;
        }
        t = last ? t1 : t + h;
        /* No growth right after a rejection: the step that was just refused would be tried again. */
        h *= rejected ? fmin(factor, 1.0) : factor;
        rejected = 0;
        stats->accepted++;
        memcpy(y, y_new, sizeof y);
        if (t < t1) {
            RHS(t, y, p, f);
            stats->evaluations++;
        }
    }
    memcpy(out, y, sizeof y);
    return 0;
}
