/* Rows (n, k) of doubles, one behind the other. A sum over a row is made in four lanes, class c in lane c mod 4, which
   are added (0 + 1) + (2 + 3): the same bits for every processor, and for a row alone or among others. */

typedef double lanes __attribute__((vector_size(32)));
typedef int64_t marks __attribute__((vector_size(32)));

#define N_LANES 4

INLINE lanes load(const double *x) { lanes v; memcpy(&v, x, sizeof v); return v; }
INLINE double folded(lanes v) { return (v[0] + v[1]) + (v[2] + v[3]); }
INLINE lanes choice(marks where, lanes yes, lanes no) { return (lanes)((where & (marks)yes) | (~where & (marks)no)); }
INLINE lanes size_of(lanes x) { return (lanes)((marks)x & INT64_MAX); }

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

/* Rows are taken four at a time, so that no sum waits for the one before it and four are folded as one. The last of n
   rows stands in for those that are missing. ROWS_AT(x) has the rows i to i + 3. */
#define FOUR 4
#define ROWS_AT(x) {x + AT(0) * k, x + AT(1) * k, x + AT(2) * k, x + AT(3) * k}
#define AT(r) (i + (r) < n ? i + (r) : n - 1)

/* Calls STEP(r, READ) for each row r of the four, class by class: READ(x + c) loads four classes. Behind the last class
   stand zeros, over what follows in memory where there are rows behind. */
#define OVER_FOUR(STEP) OVER_FOUR_BEFORE(0.0, STEP)
#define OVER_FOUR_BEFORE(filler, STEP)                                                                                 \
    do {                                                                                                               \
        const lanes fill = {filler, filler, filler, filler};                                                           \
        Py_ssize_t c = 0;                                                                                              \
        for (; c + N_LANES <= k; c += N_LANES) EACH(STEP, load);                                                       \
        const marks kept = (marks){0, 1, 2, 3} < k - c;                                                                \
        if (c < k && (n - i - FOUR) * k >= N_LANES) EACH(STEP, KEPT);                                                  \
        else if (c < k) EACH(STEP, LAST);                                                                              \
    } while (0)
#define EACH(STEP, READ) do { STEP(0, READ); STEP(1, READ); STEP(2, READ); STEP(3, READ); } while (0)
#define KEPT(x) choice(kept, load(x), fill)
#define LAST(x) load_some(x, k - c, fill[0])

/* The same, one row after the other: memory gives long rows faster so. */
#define ONE_BY_ONE(filler, STEP)                                                                                       \
    do { ONE(0, filler, STEP); ONE(1, filler, STEP); ONE(2, filler, STEP); ONE(3, filler, STEP); } while (0)
#define ONE(r, filler, STEP)                                                                                           \
    do {                                                                                                               \
        const lanes fill = {filler, filler, filler, filler};                                                           \
        Py_ssize_t c = 0;                                                                                              \
        for (; c + N_LANES <= k; c += N_LANES) STEP(r, load);                                                          \
        if (c < k) STEP(r, LAST);                                                                                      \
    } while (0)
#define LONG 256 /* classes of a row that is read so */

/* Turns vectors of one row each into vectors of one lane of each row. */
INLINE void turn(lanes *v) {
    lanes a = {v[0][0], v[1][0], v[0][2], v[1][2]}, b = {v[0][1], v[1][1], v[0][3], v[1][3]};
    lanes c = {v[2][0], v[3][0], v[2][2], v[3][2]}, d = {v[2][1], v[3][1], v[2][3], v[3][3]};
    v[0] = (lanes){a[0], a[1], c[0], c[1]}, v[1] = (lanes){b[0], b[1], d[0], d[1]};
    v[2] = (lanes){a[2], a[3], c[2], c[3]}, v[3] = (lanes){b[2], b[3], d[2], d[3]};
}

/* Lane r is the fold of v[r]. */
INLINE lanes folded_four(const lanes *v) {
    lanes a = (lanes){v[0][0], v[1][0], v[0][2], v[1][2]} + (lanes){v[0][1], v[1][1], v[0][3], v[1][3]};
    lanes b = (lanes){v[2][0], v[3][0], v[2][2], v[3][2]} + (lanes){v[2][1], v[3][1], v[2][3], v[3][3]};
    return (lanes){a[0], a[1], b[0], b[1]} + (lanes){a[2], a[3], b[2], b[3]};
}

/* Writes the numbers of n rows, of which four are at hand. */
INLINE void put_four(lanes v, Py_ssize_t n, double *out) {
    if (n >= FOUR) memcpy(out, &v, sizeof v);
    else for (Py_ssize_t r = 0; r < n; r++) out[r] = v[r];
}

/* The sums of x_c. */
EVERY_PROCESSOR static void row_sums(const double *x, Py_ssize_t n, Py_ssize_t k, double *out) {
    for (Py_ssize_t i = 0; i < n; i += FOUR) {
        const double *row[] = ROWS_AT(x);
        lanes sums[FOUR] = {{0.0}};
#define STEP(r, READ) sums[r] += READ(row[r] + c)
        OVER_FOUR(STEP);
#undef STEP
        put_four(folded_four(sums), n - i, out + i);
    }
}

/* The sums of w_c x_c, where 0 times anything is 0. */
EVERY_PROCESSOR static void row_products(const double *w, const double *x, Py_ssize_t n, Py_ssize_t k, double *out) {
    for (Py_ssize_t i = 0; i < n; i += FOUR) {
        const double *weights[] = ROWS_AT(w), *row[] = ROWS_AT(x);
        lanes sums[FOUR] = {{0.0}};
#define STEP(r, READ)                                                                                                  \
    do {                                                                                                               \
        lanes weight = READ(weights[r] + c), product = weight * READ(row[r] + c);                                      \
        sums[r] += (lanes)((marks)product & (weight != 0.0));                                                          \
    } while (0)
        OVER_FOUR(STEP);
#undef STEP
        put_four(folded_four(sums), n - i, out + i);
    }
}

/* The sums of (x_c - [c is the label])^2. */
EVERY_PROCESSOR static void
row_errors(const double *x, const int64_t *labels, Py_ssize_t n, Py_ssize_t k, double *out) {
    const lanes one = {1.0, 1.0, 1.0, 1.0};
    const marks order = {0, 1, 2, 3};
    for (Py_ssize_t i = 0; i < n; i += FOUR) {
        const double *row[] = ROWS_AT(x);
        lanes sums[FOUR] = {{0.0}};
#define STEP(r, READ)                                                                                                  \
    do {                                                                                                               \
        lanes miss = READ(row[r] + c) - (lanes)((order + c == labels[AT(r)]) & (marks)one);                            \
        sums[r] += miss * miss;                                                                                        \
    } while (0)
        OVER_FOUR(STEP);
#undef STEP
        put_four(folded_four(sums), n - i, out + i);
    }
}

/* Of two numbers of each row keeps the larger one; of equal ones that of the first class. No branch is predictable. */
INLINE void keep_larger(lanes *top, marks *where, lanes other, marks place) {
    marks better = (other > *top) | ((other == *top) & (place < *where));
    *top = choice(better, other, *top), *where = (marks)choice(better, (lanes)place, (lanes)*where);
}

/* The largest number of each row, and the first class that has it. */
EVERY_PROCESSOR static void row_maxima(const double *x, Py_ssize_t n, Py_ssize_t k, double *best, int64_t *place) {
    const marks order = {0, 1, 2, 3};
    for (Py_ssize_t i = 0; i < n; i += FOUR) {
        const double *row[] = ROWS_AT(x);
        const lanes least = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
        lanes top[] = {least, least, least, least}, where[] = {(lanes)order, (lanes)order, (lanes)order, (lanes)order};
#define STEP(r, READ)                                                                                                  \
    do {                                                                                                               \
        lanes v = READ(row[r] + c);                                                                                    \
        marks better = v > top[r]; /* a later class that is as large is not the first */                               \
        top[r] = choice(better, v, top[r]), where[r] = choice(better, (lanes)(order + c), where[r]);                   \
    } while (0)
        if (k < LONG) OVER_FOUR_BEFORE(-INFINITY, STEP);
        else ONE_BY_ONE(-INFINITY, STEP);
#undef STEP
        turn(top), turn(where);
        marks first = (marks)where[0];
        for (int lane = 1; lane < N_LANES; lane++) keep_larger(top, &first, top[lane], (marks)where[lane]);
        put_four(top[0], n - i, best + i);
        for (int r = 0; r < FOUR && i + r < n; r++) place[i + r] = first[r];
    }
}

/* The sums of rows of exponentials, leaving out the largest, which is exactly 1. */
EVERY_PROCESSOR static void row_others(const double *e, Py_ssize_t n, Py_ssize_t k, double *out) {
    const lanes one = {1.0, 1.0, 1.0, 1.0};
    for (Py_ssize_t i = 0; i < n; i += FOUR) {
        const double *row[] = ROWS_AT(e);
        lanes sums[FOUR] = {{0.0}}, ones[FOUR] = {{0.0}};
#define STEP(r, READ)                                                                                                  \
    do {                                                                                                               \
        lanes v = READ(row[r] + c);                                                                                    \
        marks largest = v == one;                                                                                      \
        ones[r] += (lanes)(largest & (marks)one);                                                                      \
        sums[r] += (lanes)(~largest & (marks)v);                                                                       \
    } while (0)
        OVER_FOUR(STEP);
#undef STEP
        put_four(folded_four(sums) + (folded_four(ones) - 1.0), n - i, out + i);
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

/* The exponentials of numbers; where all are usual, by a shorter way to the same bits. */
EVERY_PROCESSOR static void exps(const double *x, Py_ssize_t n, double *out) {
    for (; n > 0; n -= TILE, x += TILE, out += TILE) {
        Py_ssize_t now = n < TILE ? n : TILE;
        int64_t other = 0;
        for (Py_ssize_t i = 0; i < now; i++) other |= -(int64_t)!(fabs(x[i]) < 708.0);
        if (other)
            for (Py_ssize_t i = 0; i < now; i++) out[i] = exp_of(x[i]);
        else
            for (Py_ssize_t i = 0; i < now; i++) out[i] = exp_of_usual(x[i]);
    }
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
   where bins hold their lower end. The product rounded to a whole number is that bin or the next; the edge tells. */
EVERY_PROCESSOR static void
bins(const double *x, Py_ssize_t n, const double *lower, Py_ssize_t n_bins, int holds_lower, int64_t *out) {
    const double scale = (double)n_bins;
    for (Py_ssize_t i = 0; i < n; i++) {
        double inside = x[i] > 0.0 ? (x[i] < 1.0 ? x[i] : 1.0) : 0.0;
        int64_t bin = bits_of(inside * scale + 0x1p52) - bits_of(0x1p52);
        bin = bin < n_bins - 1 ? bin : n_bins - 1;
        int below = holds_lower ? x[i] < lower[bin] : x[i] <= lower[bin];
        out[i] = bin - ((bin > 0) & below);
    }
}
