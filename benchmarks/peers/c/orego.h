/* The Oregonator, a model of the Belousov-Zhabotinskii reaction; no parameters. */
#define DIMENSION 3
#define PARAMETERS 1
#define RHS(t, y, p, dy) ((void)(t), (void)(p), orego((y), (dy)))
#define JACOBIAN(t, y, p, j) ((void)(t), (void)(p), orego_jacobian((y), (j)))

static inline void orego(const double *restrict y, double *restrict dy)
{
    dy[0] = 77.27 * (y[1] + y[0] * (1.0 - 8.375e-6 * y[0] - y[1]));
    dy[1] = (y[2] - (1.0 + y[0]) * y[1]) * (1.0 / 77.27);
    dy[2] = 0.161 * (y[0] - y[2]);
}

static inline void orego_jacobian(const double *restrict y, double (*restrict j)[DIMENSION])
{
    j[0][0] = 77.27 * (1.0 - 2.0 * 8.375e-6 * y[0] - y[1]);
    j[0][1] = -y[1] * (1.0 / 77.27);
    j[0][2] = 0.161;
    j[1][0] = 77.27 * (1.0 - y[0]);
    j[1][1] = -(1.0 + y[0]) * (1.0 / 77.27);
    j[2][1] = 1.0 / 77.27;
    j[2][2] = -0.161;
}
