/* One Tsit5 step, for whatever REAL is: a double, a float, or a vector of floats that holds one trajectory per lane.
 *
 * Included once per REAL, with STEP naming the function and SCALAR the type of one lane. The coefficients are those of
 * Ch. Tsitouras, "Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying assumption",
 * Computers & Mathematics with Applications 62 (2011), 770-775, https://doi.org/10.1016/j.camwa.2011.06.002.
 */

#define COMBINE(target, sum) \
    for (long i = 0; i < DIMENSION; i++) target[i] = y[i] + h * (sum)
#define K(stage, coefficient) ((SCALAR)(coefficient)*k[stage][i])

/* k[0] must hold f(t, y) on entry; k[6] holds f(t + h, y_new) on return, and is the next step's k[0]. */
static inline void STEP(SCALAR t, REAL h, const REAL *restrict y, REAL (*restrict k)[DIMENSION],
                        REAL *restrict y_new, const REAL *restrict p)
{
    COMBINE(y_new, K(0, 0.161));
    RHS(t, y_new, p, k[1]);
    COMBINE(y_new, K(0, -0.008480655492356989) + K(1, 0.335480655492357));
    RHS(t, y_new, p, k[2]);
    COMBINE(y_new, K(0, 2.8971530571054935) + K(1, -6.359448489975075) + K(2, 4.3622954328695815));
    RHS(t, y_new, p, k[3]);
    COMBINE(y_new, K(0, 5.325864828439257) + K(1, -11.748883564062828) + K(2, 7.4955393428898365) +
                       K(3, -0.09249506636175525));
    RHS(t, y_new, p, k[4]);
    COMBINE(y_new, K(0, 5.86145544294642) + K(1, -12.92096931784711) + K(2, 8.159367898576159) +
                       K(3, -0.071584973281401) + K(4, -0.028269050394068383));
    RHS(t, y_new, p, k[5]);
    COMBINE(y_new, K(0, 0.09646076681806523) + K(1, 0.01) + K(2, 0.4798896504144996) + K(3, 1.379008574103742) +
                       K(4, -3.2900695154360807) + K(5, 2.324710524099774));
    RHS(t, y_new, p, k[6]);
}

#undef COMBINE
#undef K
