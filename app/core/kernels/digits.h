/* Exact sums of numbers whose exponents are not far apart. A number is a whole number of units, which are the lowest bit
   of the least of all. To base 2^22 it has a few digits, each rounded to nearest, so below 2^21, but below 2^22 if it is
   the first. Sums of so few digits or of their products are whole numbers below 2^53, which doubles add exactly. */

#define DIGIT 22      /* bits */
#define SUMMED_DIGITS 5 /* 110 bits: the exponents of numbers of 53 bits span 57 */
#define ADDENDS 256   /* in a lane: sums of products up to 2^44, 2^43, 2^42 stay below 2^53 */

INLINE double power_of_two(int exponent) { return double_of((int64_t)(exponent + 1023) << 52); }

/* Adds up the lanes, which hold whole numbers of 2^exponent. */
INLINE wide whole_sum(lanes v, int exponent) {
    wide sum = 0;
    v *= power_of_two(-exponent);
    for (int i = 0; i < N_LANES; i++) sum += (int64_t)v[i];
    return sum;
}

/* Adds the sums by digit of up to ADDENDS numbers a lane to `sums`, and the sums of their squares to `squares`: of the
   products of digits a and b to square a + b. */
INLINE void add_digits(const double *x, Py_ssize_t n, double scale, const int n_digits, Bin *sums, Bin *squares) {
    lanes own[SUMMED_DIGITS] = {{0.0}}, products[2 * SUMMED_DIGITS - 1] = {{0.0}};
    for (Py_ssize_t i = 0; i < n; i += N_LANES) {
        lanes rest = (i + N_LANES <= n ? load(x + i) : load_some(x + i, n - i, 0.0)) * scale, digit[SUMMED_DIGITS];
        for (int d = n_digits - 1; d > 0; d--) {
            const double rounder = ROUNDER * power_of_two(DIGIT * d);
            digit[d] = (rest + rounder) - rounder, rest -= digit[d];
        }
        digit[0] = rest;
        for (int a = 0; a < n_digits; a++) {
            own[a] += digit[a], products[2 * a] += digit[a] * digit[a];
            for (int b = 0; b < a; b++) products[a + b] += (digit[a] + digit[a]) * digit[b];
        }
    }
    for (int d = 0; d < n_digits; d++) sums[d][0] += whole_sum(own[d], DIGIT * d);
    for (int d = 0; d < 2 * n_digits - 1; d++) squares[d][0] += whole_sum(products[d], DIGIT * d);
}

INLINE void digit_sums(const double *x, Py_ssize_t n, int low, const int n_digits, Total *sum, Total *squares) {
    Bin sums[SUMMED_DIGITS] = {{0}}, products[2 * SUMMED_DIGITS - 1] = {{0}};
    const Py_ssize_t step = ADDENDS * N_LANES;
    for (; n > 0; n -= step, x += step)
        add_digits(x, n < step ? n : step, power_of_two(BIAS - low), n_digits, sums, products);
    put_together(sum, sums, n_digits, DIGIT, low - BIAS);
    put_together(squares, products, 2 * n_digits - 1, DIGIT, 2 * (low - BIAS));
}

#define LEAST_LOW 53 /* the exponent of a lowest bit above which 2^(BIAS - low) is a double */

/* The `power_sums` of numbers; returns 0 where they are too far apart, or too small. */
FUSED EVERY_PROCESSOR static int
near_sums(const double *x, Py_ssize_t n, int low, int high, Total *sum, Total *squares) {
    int n_bits = high - low + 53;
    if (low < LEAST_LOW || n_bits > SUMMED_DIGITS * DIGIT) return 0;
    if (n_bits <= 3 * DIGIT) digit_sums(x, n, low, 3, sum, squares);
    else if (n_bits <= 4 * DIGIT) digit_sums(x, n, low, 4, sum, squares);
    else digit_sums(x, n, low, SUMMED_DIGITS, sum, squares);
    return 1;
}
