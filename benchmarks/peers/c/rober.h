/* Robertson's three reactions; no parameters. */
#define DIMENSION 3
#define PARAMETERS 1
#define RHS(t, y, p, dy) ((void)(t), (void)(p), rober((y), (dy)))
#define JACOBIAN(t, y, p, j) ((void)(t), (void)(p), rober_jacobian((y), (j)))

static inline void rober(const double *restrict y, double *restrict dy)
{
    double slow = 0.04 * y[0], middle = 1e4 * y[1] * y[2], fast = 3e7 * y[1] * y[1];
    dy[0] = middle - slow;
    dy[1] = slow - middle - fast;
    dy[2] = fast;
}

static inline void rober_jacobian(const double *restrict y, double (*restrict j)[DIMENSION])
{
    double by_1 = 1e4 * y[2], by_2 = 1e4 * y[1], fast = 6e7 * y[1];
    j[0][0] = -0.04;
    j[0][1] = 0.04;
    j[1][0] = by_1;
    j[1][1] = -by_1 - fast;
    j[1][2] = fast;
    j[2][0] = by_2;
    j[2][1] = -by_2;
}
