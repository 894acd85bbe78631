/* Lotka and Volterra's predator and prey; p = a, b, c, d. */
#define DIMENSION 2
#define PARAMETERS 4
#define RHS(t, y, p, dy)                                                \
    do {                                                                \
        (void)(t);                                                      \
        (dy)[0] = (p)[0] * (y)[0] - (p)[1] * (y)[0] * (y)[1];           \
        (dy)[1] = (p)[3] * (y)[0] * (y)[1] - (p)[2] * (y)[1];           \
    } while (0)
