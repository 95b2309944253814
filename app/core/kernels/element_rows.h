/* Rows of `width` elements, each true or false as its label y says: the quantities of app/core/rows/elements.py under
   options that change neither probabilities nor truth. p is the probability of an element to be true, q that to be
   false; sums are over the scored elements of a row.

   cross_entropy       sum of -log p where y is 1, of -log q where it is 0
   predictive_entropy  sum of -(p log p + q log q), with 0 log 0 = 0
   entropy_gap         cross_entropy - predictive_entropy
   brier_score         sum of (p - y)^2
   accuracy            sum of [p >= threshold is y]
   subset_accuracy     1 where accuracy is size, else 0
   confidence          p of the first element
   frequency           y of the first element
   size                scored elements

   An element that is not scored stands as probability 1/2 and label 0, and as 0 in sums. */

enum {
    ELEMENT_CROSS_ENTROPY, ELEMENT_PREDICTIVE_ENTROPY, ELEMENT_ENTROPY_GAP, ELEMENT_BRIER_SCORE, ELEMENT_ACCURACY,
    SUBSET_ACCURACY, ELEMENT_CONFIDENCE, FREQUENCY, SIZE, ELEMENT_QUANTITIES
};

#define ELEMENT_TILE 512 /* most numbers of a tile, a single row aside: nine arrays stay in the first-level cache */
#define ELEMENT_ARRAYS 9

typedef struct {
    int form;
    double threshold;
    Py_ssize_t width;
    const double *x;
    const int64_t *labels;
    const uint8_t *mask; /* NULL where all elements are scored */
    Matrix matrix;
} ElementRows;

/* Arrays of as many numbers as a tile has: scores, labels, probabilities and their logarithms; terms of a sum; losses
   and entropies of rows. */
typedef struct { double *x, *y, *p, *q, *log_p, *log_q, *terms, *losses, *entropies; } Elements;

/* Copies labels as doubles, and scores where some are not scored; returns 0 where a label is neither 0 nor 1. */
EVERY_PROCESSOR static int take_elements(const ElementRows *rows, Py_ssize_t first, Py_ssize_t n, Elements *e) {
    const double *x = rows->x + first, neutral = rows->form == LOGITS ? 0.0 : 0.5;
    const int64_t *labels = rows->labels + first;
    const uint8_t *mask = rows->mask ? rows->mask + first : NULL;
    double *scores = e->x, *y = e->y;
    int64_t together = 0;
    if (mask) {
        for (Py_ssize_t i = 0; i < n; i++) {
            int64_t label = labels[i] & -(int64_t)(mask[i] != 0);
            together |= label;
            y[i] = as_double(label != 0);
            scores[i] = mask[i] ? x[i] : neutral;
        }
    } else {
        for (Py_ssize_t i = 0; i < n; i++) together |= labels[i];
        for (Py_ssize_t i = 0; i < n; i++) y[i] = as_double(labels[i] != 0);
    }
    return (uint64_t)together < 2;
}

/* p = 1 / (1 + e^-x), q = 1 / (1 + e^x), log p = -softplus(-x), log q = -softplus(x), where softplus(x) is
   max(x, 0) + log(1 + e^-|x|). */
EVERY_PROCESSOR static void spread_logits(const double *x, Py_ssize_t n, Elements *e) {
    double *p = e->p, *q = e->q, *log_p = e->log_p, *log_q = e->log_q;
    for (Py_ssize_t i = 0; i < n; i++) p[i] = exp_of(-fabs(x[i]));
    for (Py_ssize_t i = 0; i < n; i++) q[i] = log1p_of(p[i]);
    for (Py_ssize_t i = 0; i < n; i++) {
        double above = x[i] > 0.0 ? x[i] : 0.0, below = x[i] < 0.0 ? -x[i] : 0.0;
        log_p[i] = -(below + q[i]), log_q[i] = -(above + q[i]);
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        double small = p[i], whole = 1.0 + small;
        p[i] = (x[i] >= 0.0 ? 1.0 : small) / whole, q[i] = (x[i] <= 0.0 ? 1.0 : small) / whole;
    }
}

EVERY_PROCESSOR static void spread_probabilities(const double *x, Py_ssize_t n, int with_logs, Elements *e) {
    double *q = e->q, *log_q = e->log_q;
    memcpy(e->p, x, sizeof(double) * (size_t)n);
    if (!with_logs) return;
    logs(x, n, e->log_p);
    for (Py_ssize_t i = 0; i < n; i++) log_q[i] = log1p_of(-x[i]);
    for (Py_ssize_t i = 0; i < n; i++) q[i] = 1.0 - x[i];
}

EVERY_PROCESSOR static void element_losses(const Elements *e, Py_ssize_t n, double *out) {
    const double *y = e->y, *log_p = e->log_p, *log_q = e->log_q;
    for (Py_ssize_t i = 0; i < n; i++) out[i] = 0.0 - (y[i] > 0.0 ? log_p[i] : log_q[i]);
}

EVERY_PROCESSOR static void element_entropies(const Elements *e, Py_ssize_t n, double *out) {
    const double *p = e->p, *q = e->q, *log_p = e->log_p, *log_q = e->log_q;
    for (Py_ssize_t i = 0; i < n; i++) {
        double own = p[i] * log_p[i], other = q[i] * log_q[i];
        out[i] = 0.0 - ((p[i] == 0.0 ? 0.0 : own) + (q[i] == 0.0 ? 0.0 : other));
    }
}

EVERY_PROCESSOR static void element_errors(const Elements *e, Py_ssize_t n, double *out) {
    const double *p = e->p, *y = e->y;
    for (Py_ssize_t i = 0; i < n; i++) out[i] = (p[i] - y[i]) * (p[i] - y[i]);
}

EVERY_PROCESSOR static void right_elements(const Elements *e, Py_ssize_t n, double threshold, double *out) {
    const double *p = e->p, *y = e->y;
    for (Py_ssize_t i = 0; i < n; i++) {
        double predicted = as_double(p[i] >= threshold);
        out[i] = as_double(predicted == y[i]);
    }
}

/* Sets the terms of elements that are not scored to 0. */
EVERY_PROCESSOR static void mask_terms(double *terms, const uint8_t *mask, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < n; i++) terms[i] = mask[i] ? terms[i] : 0.0;
}

static void sum_elements(const Elements *e, const uint8_t *mask, Py_ssize_t n, Py_ssize_t width, double *out) {
    if (mask) mask_terms(e->terms, mask, n * width);
    if (width == 1) memcpy(out, e->terms, sizeof(double) * (size_t)n);
    else row_sums(e->terms, n, width, out);
}

/* The number of scored elements of each row. */
static void element_sizes(const Elements *e, const uint8_t *mask, Py_ssize_t n, Py_ssize_t width, double *out) {
    for (Py_ssize_t i = 0; i < n * width; i++) e->terms[i] = 1.0;
    sum_elements(e, mask, n, width, out);
}

/* Writes the quantities of n rows from `first` on, which are one tile; returns 0 where a label is neither 0 nor 1. */
static int element_tile(const ElementRows *rows, Py_ssize_t first, Py_ssize_t n, Elements *e) {
    const Py_ssize_t width = rows->width, start = first * width, size = n * width;
    const uint8_t *mask = rows->mask ? rows->mask + start : NULL;
    double *out[ELEMENT_QUANTITIES];
    for (int i = 0; i < ELEMENT_QUANTITIES; i++) out[i] = written(&rows->matrix, i, first);
    double *gap = out[ELEMENT_ENTROPY_GAP], *right = out[ELEMENT_ACCURACY];
    double *loss = out[ELEMENT_CROSS_ENTROPY] || !gap ? out[ELEMENT_CROSS_ENTROPY] : e->losses;
    double *entropy = out[ELEMENT_PREDICTIVE_ENTROPY] || !gap ? out[ELEMENT_PREDICTIVE_ENTROPY] : e->entropies;

    if (!take_elements(rows, start, size, e)) return 0;
    const double *x = mask ? e->x : rows->x + start;
    if (rows->form == LOGITS) spread_logits(x, size, e);
    else spread_probabilities(x, size, loss || entropy, e);

    double *error = out[ELEMENT_BRIER_SCORE];
    if (loss) element_losses(e, size, e->terms), sum_elements(e, mask, n, width, loss);
    if (entropy) element_entropies(e, size, e->terms), sum_elements(e, mask, n, width, entropy);
    if (gap) gaps(loss, entropy, n, gap);
    if (error) element_errors(e, size, e->terms), sum_elements(e, mask, n, width, error);
    if (!right && out[SUBSET_ACCURACY]) right = e->losses; /* these are written */
    if (right) right_elements(e, size, rows->threshold, e->terms), sum_elements(e, mask, n, width, right);
    if (out[SIZE] || out[SUBSET_ACCURACY]) element_sizes(e, mask, n, width, e->entropies);
    for (Py_ssize_t i = 0; out[SUBSET_ACCURACY] && i < n; i++)
        out[SUBSET_ACCURACY][i] = as_double(right[i] == e->entropies[i]);
    if (out[SIZE]) memcpy(out[SIZE], e->entropies, sizeof(double) * (size_t)n);
    for (Py_ssize_t i = 0; out[ELEMENT_CONFIDENCE] && i < n; i++) out[ELEMENT_CONFIDENCE][i] = e->p[i * width];
    for (Py_ssize_t i = 0; out[FREQUENCY] && i < n; i++) out[FREQUENCY][i] = e->y[i * width];
    return 1;
}

/* Writes the quantities of n rows; returns 1, 0 where a label is neither 0 nor 1, or -1 where there is no memory. */
static int element_rows(const ElementRows *rows, Py_ssize_t n) {
    double near[ELEMENT_ARRAYS * ELEMENT_TILE];
    Py_ssize_t step = rows->width < ELEMENT_TILE ? ELEMENT_TILE / rows->width : 1, size = step * rows->width;
    double *room = size > ELEMENT_TILE ? malloc(ELEMENT_ARRAYS * sizeof(double) * (size_t)size) : near;
    int good = 1;
    if (!room) return -1;
    Elements e = {room, room + size, room + 2 * size, room + 3 * size, room + 4 * size, room + 5 * size,
                  room + 6 * size, room + 7 * size, room + 8 * size};
    for (Py_ssize_t i = 0; good && i < n; i += step) good = element_tile(rows, i, n - i < step ? n - i : step, &e);
    if (room != near) free(room);
    return good;
}
