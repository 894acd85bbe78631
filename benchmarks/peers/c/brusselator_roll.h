/* The Brusselator with diffusion on an N x N grid of the unit square, opposite sides joined; p = B, A, alpha. */
#define N 128
#define DIMENSION (2 * N * N)
#define PARAMETERS 3
#define RHS(t, y, p, dy) ((void)(t), brusselator((y), (p), (dy)))

static inline double laplacian(const double *w, long i, long j)
{
    long up = i == 0 ? N - 1 : i - 1, down = i == N - 1 ? 0 : i + 1;
    long left = j == 0 ? N - 1 : j - 1, right = j == N - 1 ? 0 : j + 1;
    return w[up * N + j] + w[down * N + j] + w[i * N + left] + w[i * N + right] - 4.0 * w[i * N + j];
}

static void brusselator(const double *restrict y, const double *restrict p, double *restrict dy)
{
    const double *u = y, *v = y + N * N;
    const double diffusion = p[2] * N * N;
    for (long i = 0; i < N; i++)
        for (long j = 0; j < N; j++) {
            long at = i * N + j;
            double reaction = u[at] * u[at] * v[at];
            dy[at] = p[0] + reaction - (p[1] + 1.0) * u[at] + diffusion * laplacian(u, i, j);
            dy[N * N + at] = p[1] * u[at] - reaction + diffusion * laplacian(v, i, j);
        }
}
