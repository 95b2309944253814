/* Losses of two candidates on the same rows: the columns behind their paired difference. */

#define LAST_BITS (4 * DBL_EPSILON)

/* A probability near 1 is known to 1e-16 and no better, so a loss below 1 is as uncertain as a loss of 1. */
INLINE double rounding_of(double ours, double theirs) {
    double larger = ours > theirs ? ours : theirs;
    return LAST_BITS * (larger > 1.0 ? larger : 1.0);
}

/* The rows of a matrix of paired losses: those of the baseline, the same with 0 in place of infinite ones, and then three
   for each other candidate: its losses, the differences and what rounding can make of them. */
enum { BASELINE_ROW, FINITE_ROW, PAIR_ROWS };
enum { OUR_LOSS, DIFFERENCE, ROUNDING, ROWS_OF_PAIR };

#define PAIRED_ROWS(n_candidates) (PAIR_ROWS + ROWS_OF_PAIR * ((n_candidates) - 1))

/* Writes difference_i = ours_i - theirs_i, 0 where only last bits differ, and, where it is not 0, the amount that
   rounding alone can make. */
static void pair_rows(const double *ours, const double *theirs, Py_ssize_t n, double *difference, double *rounding) {
    for (Py_ssize_t i = 0; i < n; i++) {
        double d = ours[i] - theirs[i], least = rounding_of(ours[i], theirs[i]);
        if (fabs(d) <= least && isfinite(d)) d = 0.0;
        difference[i] = d;
        rounding[i] = d != 0.0 && isfinite(d) ? 2.0 * least : 0.0;
    }
}

/* Writes the matrix of some rows of candidates, whose losses lie `stride` numbers behind each other. */
static void paired_rows(const double *losses, Py_ssize_t stride, Py_ssize_t n_candidates, Py_ssize_t n, double *out) {
    double *theirs = out + BASELINE_ROW * n, *finite = out + FINITE_ROW * n, *pair = out + PAIR_ROWS * n;
    memcpy(theirs, losses, sizeof(double) * (size_t)n);
    for (Py_ssize_t i = 0; i < n; i++) finite[i] = isinf(theirs[i]) ? 0.0 : theirs[i];
    for (Py_ssize_t other = 1; other < n_candidates; other++, pair += ROWS_OF_PAIR * n) {
        memcpy(pair, losses + other * stride, sizeof(double) * (size_t)n);
        pair_rows(pair, theirs, n, pair + DIFFERENCE * n, pair + ROUNDING * n);
    }
}

/* Counts the rows in which a difference is below and above 0. */
static void count_outcomes(const double *difference, Py_ssize_t n, Py_ssize_t *wins, Py_ssize_t *losses) {
    *wins = *losses = 0;
    for (Py_ssize_t i = 0; i < n; i++) *wins += difference[i] < 0.0, *losses += difference[i] > 0.0;
}
