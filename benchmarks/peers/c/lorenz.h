/* Lorenz's equations; p = sigma, rho, beta. */
#define DIMENSION 3
#define PARAMETERS 3
#define LANES 16
#define RHS(t, y, p, dy)                                      \
    do {                                                      \
        (void)(t);                                            \
        (dy)[0] = (p)[0] * ((y)[1] - (y)[0]);                 \
        (dy)[1] = (y)[0] * ((p)[1] - (y)[2]) - (y)[1];        \
        (dy)[2] = (y)[0] * (y)[1] - (p)[2] * (y)[2];          \
    } while (0)
