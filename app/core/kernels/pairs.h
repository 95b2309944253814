/* Losses of two candidates on the same rows: the columns behind their paired difference. */

#define LAST_BITS (4 * DBL_EPSILON)

/* A probability near 1 is known to 1e-16 and no better, so a loss below 1 is as uncertain as a loss of 1. */
INLINE double rounding_of(double ours, double theirs) {
    double larger = ours > theirs ? ours : theirs;
    return LAST_BITS * (larger > 1.0 ? larger : 1.0);
}

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
