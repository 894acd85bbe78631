/* The epidemic of Kermack and McKendrick: rates of its two reactions. */
#define INFECTION(s, i, beta) ((beta) * (s) * (i))
#define RECOVERY(i, gamma) ((gamma) * (i))
