/* Rows (n, k) of doubles, one behind the other. A sum over a row is made in four lanes, class c in lane c mod 4, which
   are added (0 + 1) + (2 + 3): the same bits for every processor, and for a row alone or among others. */

typedef double lanes __attribute__((vector_size(32)));
typedef int64_t marks __attribute__((vector_size(32)));

#define N_LANES 4

INLINE lanes load(const double *x) { lanes v; memcpy(&v, x, sizeof v); return v; }
INLINE double folded(lanes v) { return (v[0] + v[1]) + (v[2] + v[3]); }

/* Loads the last n numbers of a row, 1 to 3, and a filler after them. */
INLINE lanes load_some(const double *x, Py_ssize_t n, double filler) {
    lanes v = {x[0], n > 1 ? x[1] : filler, n > 2 ? x[2] : filler, filler};
    return v;
}

/* Calls STEP(first class, numbers of four classes of `x`, of `y`) over a row; zeros stand behind the last class. */
#define OVER_ROW(k, STEP)                                                                                              \
    do {                                                                                                               \
        Py_ssize_t c = 0;                                                                                              \
        for (; c + N_LANES <= (k); c += N_LANES) STEP(c, load);                                                        \
        if (c < (k)) STEP(c, TAIL);                                                                                    \
    } while (0)
#define TAIL(x) load_some(x, k - c, 0.0)

/* The sums of x_c. */
EVERY_PROCESSOR static void row_sums(const double *x, Py_ssize_t n, Py_ssize_t k, double *out) {
    for (Py_ssize_t i = 0; i < n; i++, x += k) {
        lanes sum = {0.0};
#define STEP(c, READ) sum += READ(x + c)
        OVER_ROW(k, STEP);
#undef STEP
        out[i] = folded(sum);
    }
}

/* The sums of w_c x_c, where 0 times anything is 0. */
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

/* The sums of (x_c - [c is the label])^2. */
EVERY_PROCESSOR static void
row_errors(const double *x, const int64_t *labels, Py_ssize_t n, Py_ssize_t k, double *out) {
    const lanes one = {1.0, 1.0, 1.0, 1.0};
    const marks order = {0, 1, 2, 3};
    for (Py_ssize_t i = 0; i < n; i++, x += k) {
        lanes sum = {0.0};
#define STEP(c, READ)                                                                                                  \
    {                                                                                                                  \
        lanes miss = READ(x + c) - (lanes)((order + c == labels[i]) & (marks)one);                                     \
        sum += miss * miss;                                                                                            \
    }
        OVER_ROW(k, STEP);
#undef STEP
        out[i] = folded(sum);
    }
}

/* Keeps from `other` the numbers that are larger, or as large and of an earlier class. No branch could be predicted. */
INLINE void take_larger(lanes *top, marks *where, lanes other, marks place) {
    marks better = (other > *top) | ((other == *top) & (place < *where));
    *top = (lanes)((better & (marks)other) | (~better & (marks)*top));
    *where = (better & place) | (~better & *where);
}

/* The largest number of each row, and the first class that has it. */
EVERY_PROCESSOR static void row_maxima(const double *x, Py_ssize_t n, Py_ssize_t k, double *best, int64_t *place) {
    for (Py_ssize_t i = 0; i < n; i++, x += k) {
        lanes top = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
        marks now = {0, 1, 2, 3}, where = now;
        Py_ssize_t c = 0;
        for (; c + N_LANES <= k; c += N_LANES, now += N_LANES) take_larger(&top, &where, load(x + c), now);
        if (c < k) take_larger(&top, &where, load_some(x + c, k - c, -INFINITY), now);
        lanes t = {top[2], top[3], top[0], top[1]};
        take_larger(&top, &where, t, (marks){where[2], where[3], where[0], where[1]});
        t = (lanes){top[1], top[0], top[3], top[2]};
        take_larger(&top, &where, t, (marks){where[1], where[0], where[3], where[2]});
        best[i] = top[0], place[i] = where[0];
    }
}

/* The sums of rows of exponentials, leaving out the largest, which is exactly 1. */
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

/* Picks the number of each label; returns 0 where a label is no class. */
static int row_picks(const double *x, const int64_t *labels, Py_ssize_t n, Py_ssize_t k, double *out) {
    for (Py_ssize_t i = 0; i < n; i++, x += k) {
        if ((uint64_t)labels[i] >= (uint64_t)k) return 0;
        out[i] = x[labels[i]];
    }
    return 1;
}

EVERY_PROCESSOR static void row_quotients(const double *x, const double *by, Py_ssize_t n, Py_ssize_t k, double *out) {
    for (Py_ssize_t i = 0; i < n; i++, x += k, out += k)
        for (Py_ssize_t c = 0; c < k; c++) out[c] = x[c] / by[i];
}

EVERY_PROCESSOR static void
row_differences(const double *x, const double *less, Py_ssize_t n, Py_ssize_t k, double *out) {
    for (Py_ssize_t i = 0; i < n; i++, x += k, out += k)
        for (Py_ssize_t c = 0; c < k; c++) out[c] = x[c] - less[i];
}

#define TILE 1024 /* numbers that stay in the first-level cache with their logarithms */

/* The logarithms of numbers; where all are normal, by a shorter way to the same bits. */
EVERY_PROCESSOR static void logs(const double *x, Py_ssize_t n, double *out) {
    for (; n > 0; n -= TILE, x += TILE, out += TILE) {
        Py_ssize_t now = n < TILE ? n : TILE;
        int64_t other = 0;
        for (Py_ssize_t i = 0; i < now; i++) other |= -(int64_t)(x[i] < 0x1p-1022) | -(int64_t)!(x[i] < INFINITY);
        if (other)
            for (Py_ssize_t i = 0; i < now; i++) out[i] = log_of(x[i]);
        else
            for (Py_ssize_t i = 0; i < now; i++) out[i] = log_of_normal(x[i], 0.0);
    }
}

EVERY_PROCESSOR static void log1ps(const double *x, Py_ssize_t n, double *out) {
    for (Py_ssize_t i = 0; i < n; i++) out[i] = log1p_of(x[i]);
}

EVERY_PROCESSOR static void exps(const double *x, Py_ssize_t n, double *out) {
    for (Py_ssize_t i = 0; i < n; i++) out[i] = exp_of(x[i]);
}

/* The exponentials e^(x - largest of the row). */
static void row_exponentials(const double *x, const double *best, Py_ssize_t n, Py_ssize_t k, double *out) {
    row_differences(x, best, n, k, out);
    exps(out, n * k, out);
}

/* The sums of x_c log x_c, with 0 log 0 = 0: the row_products of numbers and their logarithms, tile by tile. */
static void row_negentropies(const double *x, Py_ssize_t n, Py_ssize_t k, double *out, double *room) {
    Py_ssize_t step = k && k < TILE ? TILE / k : 1;
    for (Py_ssize_t i = 0; i < n; i += step) {
        Py_ssize_t rows = n - i < step ? n - i : step;
        logs(x + i * k, rows * k, room);
        row_products(x + i * k, room, rows, k, out + i);
    }
}

/* The bin of each number in [0, 1]: of those that begin at `lower` (n_bins, rising) the last one below it, or at it
   where bins hold their lower end. A product that is a little too large is never below its bin; the edge tells. */
static void bins(const double *x, Py_ssize_t n, const double *lower, Py_ssize_t n_bins, int holds_lower, int64_t *out) {
    const double scale = (double)n_bins * (1.0 + 0x1p-50);
    for (Py_ssize_t i = 0; i < n; i++) {
        double inside = x[i] > 0.0 ? (x[i] < 1.0 ? x[i] : 1.0) : 0.0;
        int64_t bin = (int64_t)(inside * scale);
        bin = bin < n_bins - 1 ? bin : n_bins - 1;
        out[i] = bin - (bin > 0 && (holds_lower ? x[i] < lower[bin] : x[i] <= lower[bin]));
    }
}
