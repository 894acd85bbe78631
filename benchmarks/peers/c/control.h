/* What every program here measures its steps with; DIMENSION and RHS come from the problem's header. */

#include <math.h>

typedef struct {
    long accepted, rejected, evaluations;
} statistics;

/* Root mean square of x, each component relative to what the tolerances grant it. */
static double scaled_norm(const double *x, const double *y, const double *z, double rtol, double atol)
{
    double sum = 0.0;
    for (long i = 0; i < DIMENSION; i++) {
        double ratio = x[i] / (atol + rtol * fmax(fabs(y[i]), fabs(z[i])));
        sum += ratio * ratio;
    }
    return sqrt(sum / DIMENSION);
}

/* Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", section II.4. */
static double initial_step(double order, double t, const double *y, const double *f, const double *p, double span,
                           double rtol, double atol)
{
    double probe[DIMENSION], change[DIMENSION];
    double size = scaled_norm(y, y, y, rtol, atol), slope = scaled_norm(f, y, y, rtol, atol);
    double guess = size < 1e-5 || slope < 1e-5 ? 1e-6 : 0.01 * size / slope;
    guess = fmin(guess, span);
    for (long i = 0; i < DIMENSION; i++) probe[i] = y[i] + guess * f[i];
    RHS(t + guess, probe, p, change);
    for (long i = 0; i < DIMENSION; i++) change[i] = (change[i] - f[i]) / guess;
    double largest = fmax(slope, scaled_norm(change, y, y, rtol, atol));
    double refined = largest <= 1e-15 ? fmax(1e-6, guess * 1e-3) : pow(0.01 / largest, 1.0 / order);
    return fmin(fmin(100.0 * guess, refined), span);
}
