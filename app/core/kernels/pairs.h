/* Losses of two candidates on the same rows: the columns behind their paired difference and their correlation. */

#define LAST_BITS (4 * DBL_EPSILON)

/* The rows that go into exact sums, of n numbers each: weighted differences, both weighted losses, the weighted
   differences that rounding alone can make, and, where that is not 1, what the rows count for. */
enum { DIFFERENCE, OURS, THEIRS, ROUNDING, COUNTS };

typedef struct { const double *ours, *theirs, *weight, *counts; Py_ssize_t n; } Pairs;

/* A probability near 1 is known to 1e-16 and no better, so a loss below 1 is as uncertain as a loss of 1. */
INLINE double rounding_of(double ours, double theirs) {
    double larger = ours > theirs ? ours : theirs;
    return LAST_BITS * (larger > 1.0 ? larger : 1.0);
}

INLINE double times_weight(const double *weight, Py_ssize_t i, double x) {
    return !weight ? x : weight[i] == 0.0 ? 0.0 : weight[i] * x;
}

/* Writes difference_i = ours_i - theirs_i, 0 where only last bits differ; counts the rows that ours wins and loses. */
static void pair_rows(const Pairs *pairs, double *out, Py_ssize_t *n_wins, Py_ssize_t *n_losses) {
    const double *ours = pairs->ours, *theirs = pairs->theirs, *weight = pairs->weight, *counts = pairs->counts;
    Py_ssize_t n = pairs->n, wins = 0, losses = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        double difference = ours[i] - theirs[i], rounding = rounding_of(ours[i], theirs[i]);
        if (fabs(difference) <= rounding && isfinite(difference)) difference = 0.0;
        int counted = (!weight || weight[i] > 0.0) & (!counts || counts[i] > 0.0);
        wins += counted & (difference < 0.0), losses += counted & (difference > 0.0);
        out[DIFFERENCE * n + i] = times_weight(weight, i, difference);
        out[OURS * n + i] = times_weight(weight, i, ours[i]);
        out[THEIRS * n + i] = times_weight(weight, i, theirs[i]);
        out[ROUNDING * n + i] = times_weight(weight, i, 2.0 * rounding);
    }
    if (counts) memcpy(out + COUNTS * n, counts, (size_t)n * sizeof(double));
    *n_wins = wins, *n_losses = losses;
}

typedef struct { const double *rows, *counts; double mean[3]; Py_ssize_t n; } PairMeans;

/* Writes residual_i = z_i - mean counts_i of both losses, 0 where rounding of z makes it; returns 0 if not finite. */
static int pair_residuals(const PairMeans *of, double *out, int *varies) {
    Py_ssize_t n = of->n;
    int finite = 1;
    *varies = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        double counts = of->counts ? of->counts[i] : 1.0;
        double departure = of->rows[DIFFERENCE * n + i] - of->mean[DIFFERENCE] * counts;
        *varies |= !(fabs(departure) <= of->rows[ROUNDING * n + i]);
        for (int who = OURS; who <= THEIRS; who++) {
            double z = of->rows[who * n + i], residual = z - of->mean[who] * counts;
            finite &= isfinite(residual) != 0;
            out[(who - OURS) * n + i] = fabs(residual) > LAST_BITS * fabs(z) ? residual : 0.0;
        }
    }
    return finite;
}
