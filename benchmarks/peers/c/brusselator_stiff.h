/* The Brusselator with fast diffusion on an N x N torus, fed in a disc from t = 1.1 on; p = A, B, alpha. */
#include <math.h>

#define N 32
#define DIMENSION (2 * N * N)
#define PARAMETERS 3
#define RHS(t, y, p, dy) brusselator((t), (y), (p), (dy))
#define SPECTRAL_RADIUS(t, y, p) brusselator_spectral_radius((y), (p))

/* Sums over the four neighbours need no test for the sides: row and column before and after are looked up. */
static void brusselator(double t, const double *restrict y, const double *restrict p, double *restrict dy)
{
    const double *u = y, *v = y + N * N;
    const double diffusion = p[2] * (N - 1) * (N - 1);
    for (long i = 0; i < N; i++) {
        const long here = i * N, up = (i == 0 ? N - 1 : i - 1) * N, down = (i == N - 1 ? 0 : i + 1) * N;
        double left_and_right[2][N];
        for (long part = 0; part < 2; part++) {
            const double *w = y + part * N * N + here;
            for (long j = 1; j < N - 1; j++) left_and_right[part][j] = w[j - 1] + w[j + 1];
            left_and_right[part][0] = w[N - 1] + w[1];
            left_and_right[part][N - 1] = w[N - 2] + w[0];
        }
        for (long j = 0; j < N; j++) {
            const double a = u[here + j], b = v[here + j], reaction = a * a * b;
            dy[here + j] = p[1] + reaction - (p[0] + 1.0) * a +
                           diffusion * (u[up + j] + u[down + j] + left_and_right[0][j] - 4.0 * a);
            dy[N * N + here + j] =
                p[0] * a - reaction + diffusion * (v[up + j] + v[down + j] + left_and_right[1][j] - 4.0 * b);
        }
    }
    if (t < 1.1) return;
    for (long i = 0; i < N; i++)
        for (long j = 0; j < N; j++) {
            const double x = (double)i / (N - 1) - 0.3, z = (double)j / (N - 1) - 0.6;
            if (x * x + z * z <= 0.1 * 0.1) dy[i * N + j] += 5.0;
        }
}

/* Diffusion's eigenvalues end at 8 alpha / dx^2; the reaction's part is bounded by its rows' sums. */
static double brusselator_spectral_radius(const double *restrict y, const double *restrict p)
{
    double reaction = 0.0;
    for (long at = 0; at < N * N; at++) {
        const double u = y[at], v = y[N * N + at];
        reaction = fmax(reaction, fmax(fabs(2.0 * u * v - p[0] - 1.0) + u * u, fabs(p[0] - 2.0 * u * v) + u * u));
    }
    return 8.0 * p[2] * (N - 1) * (N - 1) + reaction;
}
