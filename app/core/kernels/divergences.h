/* Divergences of rows (n, k) of two distributions P and Q. app/core/formulas/divergences.py has the sources of the
   formulas; sums over a row are those of rows.h. */

#define SMALL 0x1p-4      /* distance of p / q from 1 below which a series replaces logarithms */
#define SAME_SUM 0x1p-51  /* difference of the sums of two rows that is taken for rounding */
#define LN2 0x1.62e42fefa39efp-1

/* The series r^2 / 2 - r^3 / 6 + r^4 / 12 - ..., divided by r^2, by Horner's rule: terms (-1)^n / (n (n - 1)). */
INLINE lanes gap_series(lanes r) {
    lanes sum = {-1.0 / 210, -1.0 / 210, -1.0 / 210, -1.0 / 210};
    sum = sum * r + 1.0 / 182, sum = sum * r - 1.0 / 156, sum = sum * r + 1.0 / 132, sum = sum * r - 1.0 / 110;
    sum = sum * r + 1.0 / 90, sum = sum * r - 1.0 / 72, sum = sum * r + 1.0 / 56, sum = sum * r - 1.0 / 42;
    sum = sum * r + 1.0 / 30, sum = sum * r - 1.0 / 20, sum = sum * r + 1.0 / 12, sum = sum * r - 1.0 / 6;
    return sum * r + 1.0 / 2;
}

/* The term p log(p / q) - p + q, from p log(p / q) and p - q; where r = (p - q) / q is small, by the series of r. */
INLINE lanes second_order(lanes product, lanes difference, lanes q) {
    marks near = size_of(difference) < SMALL * q;
    lanes term = product - difference;
    if (!(near[0] | near[1] | near[2] | near[3])) return term;
    lanes r = difference / q;
    return choice(near, q * r * r * gap_series(r), term);
}

/* The sum of p_c log(p_c / q_c), made of the sum of p log(p / q) - p + q and that of p - q, which is 0 where it is no
   more than rounding. A row with a p_c of 1 is summed as it stands. 0 log 0 is 0. */
EVERY_PROCESSOR static void row_relative_entropy(const double *p, const double *log_p, const double *q,
                                                 const double *log_q, Py_ssize_t n, Py_ssize_t k, double *out) {
    for (Py_ssize_t i = 0; i < n; i++, p += k, log_p += k, q += k, log_q += k) {
        lanes products = {0.0}, terms = {0.0}, differences = {0.0};
        marks certain = {0};
#define STEP(c, READ)                                                                                                  \
    {                                                                                                                  \
        lanes own = READ(p + c), other = READ(q + c), difference = own - other;                                        \
        lanes product = own * (READ(log_p + c) - READ(log_q + c));                                                     \
        product = (lanes)((marks)product & (own != 0.0));                                                              \
        products += product, terms += second_order(product, difference, other), differences += difference;             \
        certain |= own == 1.0;                                                                                         \
    }
        OVER_ROW(k, STEP);
#undef STEP
        double surplus = folded(differences), sum = folded(terms) + (fabs(surplus) <= SAME_SUM ? 0.0 : surplus);
        out[i] = certain[0] | certain[1] | certain[2] | certain[3] ? folded(products) : sum;
    }
}

/* The gap (1 + d) log(1 + d) + (1 - d) log(1 - d) of a lean d in [0, 1]; where d is small, by a series in d^2 of terms
   1 / (n (2 n - 1)). */
INLINE double lean_gap(double d) {
    double rest = 1.0 - d, more = 1.0 + d, lost = d - (more - 1.0), z = d * d;
    double upper = more * (log_of_normal(more, 0.0) + lost / more), lower = rest * log_of_normal(rest, 0.0);
    double sum = 1.0 / 120 * z + 1.0 / 91;
    sum = sum * z + 1.0 / 66, sum = sum * z + 1.0 / 45, sum = sum * z + 1.0 / 28;
    sum = sum * z + 1.0 / 15, sum = sum * z + 1.0 / 6, sum = sum * z + 1.0;
    return d < SMALL ? z * sum : upper + (rest > 0.0 ? lower : 0.0);
}

/* The gaps of d = |p - q| / (p + q), times p + q. */
EVERY_PROCESSOR static void lean_gaps(const double *p, const double *q, Py_ssize_t n, double *out) {
    for (Py_ssize_t i = 0; i < n; i++) {
        double total = p[i] + q[i], ratio = fabs((p[i] - q[i]) / total);
        out[i] = total * lean_gap(total > 0.0 ? ratio : 0.0);
    }
}

/* The divergence (KL(P||M) + KL(Q||M)) / 2, M = (P + Q) / 2, as a quarter of the sum of the gaps, within [0, ln 2];
   made tile by tile. */
static void row_js(const double *p, const double *q, Py_ssize_t n, Py_ssize_t k, double *out, double *room) {
    Py_ssize_t step = k && k < TILE ? TILE / k : 1;
    for (Py_ssize_t i = 0; i < n; i += step) {
        Py_ssize_t rows = n - i < step ? n - i : step;
        lean_gaps(p + i * k, q + i * k, rows * k, room);
        row_sums(room, rows, k, out + i);
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        double value = 0.25 * out[i];
        value = value < 0.0 ? 0.0 : value;
        out[i] = value > LN2 ? LN2 : value;
    }
}
