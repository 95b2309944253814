/* Rows (n, k) of doubles, one behind the other. A sum over a row is made in four lanes, class c in lane c mod 4, which
   are added (0 + 1) + (2 + 3): the same bits for every processor, and for a row alone or among others. */

typedef double lanes __attribute__((vector_size(32)));
typedef int64_t marks __attribute__((vector_size(32)));

#define N_LANES 4

INLINE lanes load(const double *x) { lanes v; memcpy(&v, x, sizeof v); return v; }
INLINE double folded(lanes v) { return (v[0] + v[1]) + (v[2] + v[3]); }

/* The last n < 4 numbers, and zeros. */
INLINE lanes load_some(const double *x, Py_ssize_t n) {
    lanes v = {n > 0 ? x[0] : 0.0, n > 1 ? x[1] : 0.0, n > 2 ? x[2] : 0.0, 0.0};
    return v;
}

/* Calls STEP(first class, numbers of four classes of `x`, of `y`) over a row; zeros stand behind the last class. */
#define OVER_ROW(k, STEP)                                                                                              \
    do {                                                                                                               \
        Py_ssize_t c = 0;                                                                                              \
        for (; c + N_LANES <= (k); c += N_LANES) STEP(c, load);                                                        \
        if (c < (k)) STEP(c, TAIL);                                                                                    \
    } while (0)
#define TAIL(x) load_some(x, k - c)

/* sum_c x_c */
EVERY_PROCESSOR static void row_sums(const double *x, Py_ssize_t n, Py_ssize_t k, double *out) {
    for (Py_ssize_t i = 0; i < n; i++, x += k) {
        lanes sum = {0.0};
#define STEP(c, READ) sum += READ(x + c)
        OVER_ROW(k, STEP);
#undef STEP
        out[i] = folded(sum);
    }
}

/* sum_c w_c x_c, where 0 times anything is 0 */
EVERY_PROCESSOR static void row_products(const double *w, const double *x, Py_ssize_t n, Py_ssize_t k, double *out) {
    for (Py_ssize_t i = 0; i < n; i++, w += k, x += k) {
        lanes sum = {0.0};
#define STEP(c, READ)                                                                                                  \
    {                                                                                                                  \
        lanes weight = READ(w + c), product = weight * READ(x + c);                                                    \
        sum += (lanes)((marks)product & (weight != 0.0));                                                              \
    }
        OVER_ROW(k, STEP);
#undef STEP
        out[i] = folded(sum);
    }
}

/* sum_c (x_c - [c is the label])^2 */
EVERY_PROCESSOR static void row_errors(const double *x, const int64_t *labels, Py_ssize_t n, Py_ssize_t k, double *out) {
    const lanes one = {1.0, 1.0, 1.0, 1.0};
    const marks order = {0, 1, 2, 3};
    for (Py_ssize_t i = 0; i < n; i++, x += k) {
        lanes sum = {0.0};
#define STEP(c, READ)                                                                                                  \
    {                                                                                                                  \
        lanes miss = READ(x + c) - (lanes)((order == labels[i] - c) & (marks)one);                                     \
        sum += miss * miss;                                                                                            \
    }
        OVER_ROW(k, STEP);
#undef STEP
        out[i] = folded(sum);
    }
}

/* The largest number of each row, and the first class that has it. */
EVERY_PROCESSOR static void row_maxima(const double *x, Py_ssize_t n, Py_ssize_t k, double *best, int64_t *place) {
    for (Py_ssize_t i = 0; i < n; i++, x += k) {
        lanes top = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
        marks where = {0, 0, 0, 0}, now = {0, 1, 2, 3};
        Py_ssize_t c = 0;
        for (; c + N_LANES <= k; c += N_LANES, now += N_LANES) {
            lanes v = load(x + c);
            marks higher = v > top;
            top = (lanes)((higher & (marks)v) | (~higher & (marks)top));
            where = (higher & now) | (~higher & where);
        }
        double largest = top[0];
        int64_t first = where[0];
        for (int lane = 1; lane < N_LANES; lane++) {
            int better = top[lane] > largest || (top[lane] == largest && where[lane] < first);
            largest = better ? top[lane] : largest;
            first = better ? where[lane] : first;
        }
        for (; c < k; c++) {
            int better = x[c] > largest;
            largest = better ? x[c] : largest;
            first = better ? c : first;
        }
        best[i] = largest, place[i] = first;
    }
}

/* Of exponentials of which the largest of each row is 1: their sum less one that is 1. */
EVERY_PROCESSOR static void row_others(const double *e, Py_ssize_t n, Py_ssize_t k, double *out) {
    const lanes one = {1.0, 1.0, 1.0, 1.0};
    for (Py_ssize_t i = 0; i < n; i++, e += k) {
        lanes sum = {0.0}, ones = {0.0};
#define STEP(c, READ)                                                                                                  \
    {                                                                                                                  \
        lanes v = READ(e + c);                                                                                         \
        marks largest = v == one;                                                                                      \
        ones += (lanes)(largest & (marks)one);                                                                         \
        sum += (lanes)(~largest & (marks)v);                                                                           \
    }
        OVER_ROW(k, STEP);
#undef STEP
        out[i] = folded(sum) + (folded(ones) - 1.0);
    }
}

EVERY_PROCESSOR static void logs(const double *x, Py_ssize_t n, double *out) {
    for (Py_ssize_t i = 0; i < n; i++) out[i] = log_of(x[i]);
}

EVERY_PROCESSOR static void log1ps(const double *x, Py_ssize_t n, double *out) {
    for (Py_ssize_t i = 0; i < n; i++) out[i] = log1p_of(x[i]);
}

EVERY_PROCESSOR static void exps(const double *x, Py_ssize_t n, double *out) {
    for (Py_ssize_t i = 0; i < n; i++) out[i] = exp_of(x[i]);
}

/* e^(x - largest of the row) */
EVERY_PROCESSOR static void row_exponentials(const double *x, const double *best, Py_ssize_t n, Py_ssize_t k, double *out) {
    for (Py_ssize_t i = 0; i < n; i++, x += k)
        for (Py_ssize_t c = 0; c < k; c++) out[i * k + c] = x[c] - best[i];
    exps(out, n * k, out);
}

/* The first row that breaks the rule: numbers in [0, 1] whose sum is 1 within the tolerance. n where none does. */
EVERY_PROCESSOR static Py_ssize_t first_unsound(const double *x, Py_ssize_t n, Py_ssize_t k, double tolerance) {
    for (Py_ssize_t i = 0; i < n; i++, x += k) {
        lanes sum = {0.0};
        marks out = {0};
#define STEP(c, READ)                                                                                                  \
    {                                                                                                                  \
        lanes v = READ(x + c);                                                                                         \
        out |= ~((v >= 0.0) & (v <= 1.0));                                                                             \
        sum += v;                                                                                                      \
    }
        OVER_ROW(k, STEP);
#undef STEP
        if (out[0] | out[1] | out[2] | out[3] || !(fabs(folded(sum) - 1.0) <= tolerance)) return i;
    }
    return n;
}
