/* Eight reactants that explain how light changes plant tissue; no parameters. */
#define DIMENSION 8
#define PARAMETERS 1
#define RHS(t, y, p, dy) ((void)(t), (void)(p), hires((y), (dy)))
#define JACOBIAN(t, y, p, j) ((void)(t), (void)(p), hires_jacobian((y), (j)))

static inline void hires(const double *restrict y, double *restrict dy)
{
    double binding = 280.0 * y[5] * y[7];
    dy[0] = -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007;
    dy[1] = 1.71 * y[0] - 8.75 * y[1];
    dy[2] = -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4];
    dy[3] = 8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3];
    dy[4] = -1.745 * y[4] + 0.43 * (y[5] + y[6]);
    dy[5] = -binding + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6];
    dy[6] = binding - 1.81 * y[6];
    dy[7] = -dy[6];
}

static inline void hires_jacobian(const double *restrict y, double (*restrict j)[DIMENSION])
{
    j[0][0] = -1.71, j[0][1] = 1.71;
    j[1][0] = 0.43, j[1][1] = -8.75, j[1][3] = 8.32;
    j[2][0] = 8.32, j[2][2] = -10.03, j[2][3] = 1.71;
    j[3][2] = 0.43, j[3][3] = -1.12, j[3][5] = 0.69;
    j[4][2] = 0.035, j[4][4] = -1.745, j[4][5] = 1.71;
    j[5][4] = 0.43, j[5][5] = -280.0 * y[7] - 0.43, j[5][6] = 280.0 * y[7], j[5][7] = -280.0 * y[7];
    j[6][4] = 0.43, j[6][5] = 0.69, j[6][6] = -1.81, j[6][7] = 1.81;
    j[7][5] = -280.0 * y[5], j[7][6] = 280.0 * y[5], j[7][7] = -280.0 * y[5];
}
