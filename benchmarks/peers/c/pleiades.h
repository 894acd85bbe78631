/* Seven stars of masses 1 to 7 in a plane: positions x and y, and their velocities, seven each; no parameters. */
#include <math.h>

#define STARS 7
#define DIMENSION (4 * STARS)
#define PARAMETERS 1
#define RHS(t, y, p, dy) ((void)(t), (void)(p), pleiades((y), (dy)))

static void pleiades(const double *restrict y, double *restrict dy)
{
    for (int i = 0; i < 2 * STARS; i++) {
        dy[i] = y[2 * STARS + i];
        dy[2 * STARS + i] = 0.0;
    }
    for (int i = 0; i < STARS; i++)
        for (int j = i + 1; j < STARS; j++) {
            double x = y[j] - y[i], z = y[STARS + j] - y[STARS + i];
            double square = x * x + z * z;
            double cube = 1.0 / (square * sqrt(square));
            dy[2 * STARS + i] += (j + 1) * cube * x;
            dy[3 * STARS + i] += (j + 1) * cube * z;
            dy[2 * STARS + j] -= (i + 1) * cube * x;
            dy[3 * STARS + j] -= (i + 1) * cube * z;
        }
}
