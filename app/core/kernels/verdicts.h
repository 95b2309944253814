/* Verdicts on whole batches: whether scores and labels keep the rules, and what else is asked of logits. A fault is the
   number of a row, no more: app/core/batch explains it.

   Rules of scores: probabilities lie in [0, 1], their logarithms are at most 0, logits lie below infinity, and none is
   NaN. Those of a row over k classes: probabilities add up to 1 within the tolerance, the logarithm of the sum of those
   that logarithms stand for is 0 within it, and some logit is above minus infinity. Labels lie in [0, k), those of
   elements in [0, 2). */

/* The spread of the numbers that losses are made of; of no numbers it is infinity, minus infinity and 0. */
typedef struct { double least, largest; int has_fractions; } Spread;

typedef struct {
    Py_ssize_t row;   /* the first row at fault, n where none is */
    Spread spread;    /* known for sound logits and logarithms only */
    int is_lookalike; /* whether sound logits could all be probabilities, within the tolerance */
} Verdict;

INLINE lanes larger(lanes x, lanes y) { return choice(x > y, x, y); }
INLINE lanes smaller(lanes x, lanes y) { return choice(x < y, x, y); }
INLINE int is_any(marks v) { return (v[0] | v[1] | v[2] | v[3]) != 0; }

/* Tells whether all numbers lie within [low, high]; NaN does not. */
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

/* Tells whether the numbers of all rows lie within [low, high], which holds 0, and add up to 1 within the tolerance.
   NaN is in the sum of its row. */
EVERY_PROCESSOR static int
are_distributions(const double *x, Py_ssize_t n, Py_ssize_t k, double low, double high, double tolerance) {
    marks out = {0};
    for (Py_ssize_t i = 0; i < n; i += FOUR) {
        const double *row[] = ROWS_AT(x);
        lanes sums[FOUR] = {{0.0}};
#define STEP(r, READ)                                                                                                  \
    do {                                                                                                               \
        lanes v = READ(row[r] + c);                                                                                    \
        out |= (v < low) | (v > high), sums[r] += v;                                                                   \
    } while (0)
        if (k < LONG) OVER_FOUR(STEP);
        else ONE_BY_ONE(0.0, STEP);
#undef STEP
        out |= ~(size_of(folded_four(sums) - 1.0) <= tolerance);
    }
    return !is_any(out);
}

/* Tells whether logits are below infinity, and one of each row above minus infinity. */
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

/* Tells whether logarithms are at most 0, and the logsumexp of each row is 0 within the tolerance. The logsumexp is the
   largest number, plus the logarithm of 1 plus the other exponentials over that of the largest. */
static int are_logarithms(const double *x, Py_ssize_t n, Py_ssize_t k, double tolerance, Room *room) {
    int good = 1;
    if (!are_within(x, n * k, -INFINITY, 0.0)) return 0;
    row_maxima(x, n, k, room->best, room->top);
    for (Py_ssize_t i = 0; i < n; i++) room->own[i] = room->best[i] == -INFINITY ? 0.0 : room->best[i];
    row_exponentials(x, room->own, n, k, room->second);
    row_others(room->second, n, k, room->others);
    log1ps(room->others, n, room->log_others);
    for (Py_ssize_t i = 0; i < n; i++) good &= fabs(room->best[i] + room->log_others[i]) <= tolerance;
    return good;
}

/* The rule for rows over k classes. */
typedef struct { int form; Py_ssize_t k; double tolerance; } Rule;

static int are_sound(const Rule *rule, const double *x, Py_ssize_t n, Room *room) {
    if (rule->form == LOGITS) return are_bounded(x, n, rule->k);
    if (rule->form == LOG_PROBABILITIES) return are_logarithms(x, n, rule->k, rule->tolerance, room);
    return are_distributions(x, n, rule->k, 0.0, 1.0, rule->tolerance);
}

/* Tells whether all labels lie in [0, k). */
EVERY_PROCESSOR static int are_classes(const int64_t *labels, Py_ssize_t n, Py_ssize_t k) {
    uint64_t beyond = 0, last = (uint64_t)k - 1;
    for (Py_ssize_t i = 0; i < n; i++) beyond |= (uint64_t)labels[i] | (last - (uint64_t)labels[i]);
    return !(beyond >> 63); /* neither is negative */
}

static Py_ssize_t first_beyond(const int64_t *labels, Py_ssize_t n, Py_ssize_t k) {
    if (are_classes(labels, n, k)) return n;
    for (Py_ssize_t i = 0; i < n; i++)
        if ((uint64_t)labels[i] >= (uint64_t)k) return i;
    return n;
}

/* Marks numbers with a fraction. Below 2^52 a sum with 2^52 is rounded to a whole number; above, all are whole. */
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

/* The first row of a tile at fault; labels may be NULL. */
static Py_ssize_t first_unsound(const Rule *rule, const double *x, const int64_t *labels, Py_ssize_t n, Room *room) {
    Py_ssize_t row = labels ? first_beyond(labels, n, rule->k) : n;
    if (are_sound(rule, x, row, room)) return row;
    for (row = 0; row < n && are_sound(rule, x + row * rule->k, 1, room);) row++;
    return row;
}

static Verdict no_fault(const Rule *rule, Py_ssize_t n) {
    return (Verdict){n, {INFINITY, -INFINITY, 0}, rule->form == LOGITS && n > 0};
}

/* Judges the n rows from `first` on, which are one tile; labels may be NULL. Returns 0 where a row is at fault. */
static int judge_tile(const Rule *rule, const double *x, const int64_t *labels, Py_ssize_t first, Py_ssize_t n,
                      Room *room, Verdict *verdict) {
    const Py_ssize_t k = rule->k, row = first_unsound(rule, x, labels, n, room);
    const double low = -rule->tolerance, high = 1.0 + rule->tolerance;
    if (row < n) return verdict->row = first + row, 0;
    if (rule->form != PROBABILITIES && labels && row_picks(x, labels, n, k, room->own))
        add_spread(room->own, n, &verdict->spread);
    verdict->is_lookalike = verdict->is_lookalike && are_distributions(x, n, k, low, high, rule->tolerance);
    return 1;
}

/* Judges rows over classes. The spread is that of the scores of labels; the row is -1 where there is no memory. */
static Verdict class_verdict(const Rule *rule, const double *x, const int64_t *labels, Py_ssize_t n) {
    const Py_ssize_t k = rule->k, step = tile_rows(k);
    Verdict verdict = no_fault(rule, n);
    Room room;
    if (!make_room(&room, k)) return verdict.row = -1, verdict;
    for (Py_ssize_t i = 0; i < n; i += step) {
        const int64_t *own = labels ? labels + i : NULL;
        if (!judge_tile(rule, x + i * k, own, i, n - i < step ? n - i : step, &room, &verdict)) break;
    }
    give_room_back(&room);
    return verdict;
}

/* Judges rows (n, width) of elements. The spread is that of all logits. */
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
