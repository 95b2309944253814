/* Verdicts on whole batches: whether scores and labels keep the rules, and what else is asked of logits. A fault is the
   number of a row, no more: app/core/batch explains it.

   Rules of scores: probabilities lie in [0, 1], logits below infinity, and none is NaN. Those of a row over k classes:
   probabilities add up to 1 within the tolerance, and some logit is above minus infinity. Labels lie in [0, k), those
   of elements in [0, 2). */

/* Of the numbers that losses are made of; of none they are infinity, minus infinity and 0. */
typedef struct { double least, largest; int has_fractions; } Spread;

typedef struct {
    Py_ssize_t row;   /* the first at fault, n where none is */
    Spread spread;    /* of sound logits */
    int is_lookalike; /* of sound logits: they could all be probabilities, but for the tolerance */
} Verdict;

INLINE lanes larger(lanes x, lanes y) { return choice(x > y, x, y); }
INLINE lanes smaller(lanes x, lanes y) { return choice(x < y, x, y); }
INLINE int is_any(marks v) { return (v[0] | v[1] | v[2] | v[3]) != 0; }

/* Whether all numbers lie within [low, high], NaN does not. */
EVERY_PROCESSOR static int are_within(const double *x, Py_ssize_t n, double low, double high) {
    marks out = {0};
    Py_ssize_t i = 0;
    for (; i + N_LANES <= n; i += N_LANES) {
        lanes v = load(x + i);
        out |= ~((v >= low) & (v <= high));
    }
    for (; i < n; i++) out[0] |= -(int64_t)!(x[i] >= low && x[i] <= high);
    return !is_any(out);
}

/* Whether the numbers of all rows lie within [low, high], in which 0 lies, and add up to 1 within the tolerance. */
EVERY_PROCESSOR static int
are_distributions(const double *x, Py_ssize_t n, Py_ssize_t k, double low, double high, double tolerance) {
    marks out = {0};
    int good = 1;
    for (Py_ssize_t i = 0; i < n; i++, x += k) {
        lanes sum = {0.0};
#define STEP(c, READ)                                                                                                  \
    {                                                                                                                  \
        lanes v = READ(x + c);                                                                                         \
        out |= ~((v >= low) & (v <= high));                                                                            \
        sum += v;                                                                                                      \
    }
        OVER_ROW(k, STEP);
#undef STEP
        good &= fabs(folded(sum) - 1.0) <= tolerance;
    }
    return good && !is_any(out);
}

/* Whether logits are below infinity, and some of each row is above minus infinity. */
static int are_bounded(const double *x, Py_ssize_t n, Py_ssize_t k) {
    if (are_within(x, n * k, -DBL_MAX, DBL_MAX)) return 1;
    for (Py_ssize_t i = 0; i < n; i++, x += k) {
        int some = 0;
        for (Py_ssize_t c = 0; c < k; c++) {
            if (!(x[c] < INFINITY)) return 0;
            some |= x[c] > -INFINITY;
        }
        if (!some) return 0;
    }
    return 1;
}

static int are_sound(int form, const double *x, Py_ssize_t n, Py_ssize_t k, double tolerance) {
    return form == LOGITS ? are_bounded(x, n, k) : are_distributions(x, n, k, 0.0, 1.0, tolerance);
}

static Py_ssize_t first_beyond(const int64_t *labels, Py_ssize_t n, Py_ssize_t k) {
    int64_t beyond = 0;
    for (Py_ssize_t i = 0; i < n; i++) beyond |= -(int64_t)((uint64_t)labels[i] >= (uint64_t)k);
    for (Py_ssize_t i = 0; beyond && i < n; i++)
        if ((uint64_t)labels[i] >= (uint64_t)k) return i;
    return n;
}

/* Below 2^52 a sum with 2^52 is rounded to a whole number; from there on all are whole. */
INLINE marks are_fractions(lanes x) {
    const lanes whole = {0x1p52, 0x1p52, 0x1p52, 0x1p52};
    lanes size = (lanes)((marks)x & INT64_MAX);
    return (size < whole) & ((size + whole) - whole != size);
}

EVERY_PROCESSOR static void add_spread(const double *x, Py_ssize_t n, Spread *spread) {
    lanes least = {x[0], x[0], x[0], x[0]}, largest = least;
    marks fractions = {0};
    for (Py_ssize_t i = 0; i < n; i += N_LANES) {
        lanes v = i + N_LANES <= n ? load(x + i) : load_some(x + i, n - i, x[0]);
        least = smaller(least, v), largest = larger(largest, v);
        fractions |= are_fractions(v);
    }
    for (int i = 0; i < N_LANES; i++) {
        spread->least = least[i] < spread->least ? least[i] : spread->least;
        spread->largest = largest[i] > spread->largest ? largest[i] : spread->largest;
    }
    spread->has_fractions |= is_any(fractions);
}

/* Of rows over k classes, the first of which is row 0 of the tile; labels may be NULL. */
static Py_ssize_t
first_unsound(int form, const double *x, const int64_t *labels, Py_ssize_t n, Py_ssize_t k, double tolerance) {
    Py_ssize_t row = labels ? first_beyond(labels, n, k) : n;
    if (are_sound(form, x, row, k, tolerance)) return row;
    for (row = 0; row < n && are_sound(form, x + row * k, 1, k, tolerance);) row++;
    return row;
}

/* The spread is that of the logits of labels. */
static Verdict
class_verdict(int form, const double *x, const int64_t *labels, Py_ssize_t n, Py_ssize_t k, double tolerance) {
    Verdict verdict = {n, {INFINITY, -INFINITY, 0}, form == LOGITS && n > 0};
    Py_ssize_t step = tile_rows(k);
    double own[TILE_ROWS];
    for (Py_ssize_t i = 0; i < n; i += step, x += step * k) {
        Py_ssize_t now = n - i < step ? n - i : step;
        const int64_t *here = labels ? labels + i : NULL;
        verdict.row = i + first_unsound(form, x, here, now, k, tolerance);
        if (verdict.row < i + now) return verdict;
        if (form != LOGITS) continue;
        if (here && row_picks(x, here, now, k, own)) add_spread(own, now, &verdict.spread);
        verdict.is_lookalike =
            verdict.is_lookalike && are_distributions(x, now, k, -tolerance, 1.0 + tolerance, tolerance);
    }
    return verdict;
}

/* Of rows (n, width) of elements; the spread is that of all logits. */
static Verdict
element_verdict(int form, const double *x, const int64_t *labels, Py_ssize_t n, Py_ssize_t width, double tolerance) {
    Verdict verdict = {n, {INFINITY, -INFINITY, 0}, 0};
    const double low = form == LOGITS ? -INFINITY : 0.0, high = form == LOGITS ? DBL_MAX : 1.0;
    for (Py_ssize_t i = 0; i < n * width; i += TILE_NUMBERS) {
        Py_ssize_t now = n * width - i < TILE_NUMBERS ? n * width - i : TILE_NUMBERS, odd;
        odd = labels ? first_beyond(labels + i, now, 2) : now;
        if (!are_within(x + i, odd, low, high))
            for (odd = 0; odd < now && are_within(x + i + odd, 1, low, high);) odd++;
        if (odd < now) return verdict.row = (i + odd) / width, verdict;
        if (form == LOGITS) add_spread(x + i, now, &verdict.spread);
    }
    verdict.is_lookalike =
        form == LOGITS && n > 0 && verdict.spread.least >= -tolerance && verdict.spread.largest <= 1.0 + tolerance;
    return verdict;
}
