/* Exact sums by group: an integer of 128 bits a group, which spans a window of exponents; numbers below the window wait
   for another pass, of which there is seldom one. */

#define WINDOW 48 /* exponents a sum spans: 53 bits of a number, 48, 20 for 2^20 numbers, and a sign fit in 128 */

/* Counts rows by group, only those of positive weight if there are weights; returns 0 if a group is out of range. */
static int count_groups(const int64_t *groups, Py_ssize_t n, const double *weight, int64_t *counts,
                        Py_ssize_t n_groups) {
    memset(counts, 0, sizeof(int64_t) * (size_t)n_groups);
    for (Py_ssize_t i = 0; i < n; i++) {
        if ((uint64_t)groups[i] >= (uint64_t)n_groups) return 0;
        counts[groups[i]] += !weight || weight[i] > 0.0;
    }
    return 1;
}

/* Adds up by group, in units of 2^(base - BIAS), the numbers whose exponents lie between `base` and `top`; `low` is the
   least exponent of all. Returns the largest exponent below `base`, or 0. */
static int window_sums(const double *x, const int64_t *groups, Py_ssize_t n, int low, int base, int top, wide *sums) {
    int next = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        int64_t bits = bits_of(x[i]);
        int e = low + bin_of(bits, low);
        if (e > top) continue;
        if (e >= base) sums[groups[i]] += (wide)((unsigned_wide)mantissa(bits) << (e - base));
        else if (e > next) next = e;
    }
    return next;
}
