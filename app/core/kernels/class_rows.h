/* Rows over k classes whose truth is a label y: the quantities of app/core/rows/classes.py under options that change
   neither probabilities nor truth. p and log p are the probabilities of the classes and their logarithms.

   cross_entropy       -log p_y
   predictive_entropy  -sum_c p_c log p_c, with 0 log 0 = 0
   entropy_gap         cross_entropy - predictive_entropy
   brier_score         sum_c (p_c - [c is y])^2
   accuracy            1 where y is the first of the largest classes, else 0
   confidence          the largest p_c */

enum { CROSS_ENTROPY, PREDICTIVE_ENTROPY, ENTROPY_GAP, BRIER_SCORE, ACCURACY, CONFIDENCE, CLASS_QUANTITIES };

typedef struct {
    int form;
    Py_ssize_t k;
    const double *x;
    const int64_t *labels;
    Matrix matrix;
} ClassRows;

/* Copies labels, since another thread may change the array; returns 0 where a label is no class. */
static int take_labels(const int64_t *labels, Py_ssize_t n, Py_ssize_t k, int64_t *out) {
    memcpy(out, labels, sizeof(int64_t) * (size_t)n);
    return are_classes(out, n, k);
}

/* The parts of a softmax: the first of the largest logits, e^(x - best) in `second`, the sum of those of the
   other classes, and log(1 + others). */
static void take_softmax(const double *x, Py_ssize_t n, Py_ssize_t k, Room *room) {
    row_maxima(x, n, k, room->best, room->top);
    row_exponentials(x, room->best, n, k, room->second);
    row_others(room->second, n, k, room->others);
    log1ps(room->others, n, room->log_others);
}

/* Two sums for logits, where p = e^(x - best) / (1 + others) and log p = x - best - log(1 + others): sum_c p_c log p_c
   and sum_c (p_c - [c is y])^2, as row_products and row_errors make them. One loop makes both, for p takes longest. */
EVERY_PROCESSOR static void
softmax_sums(const double *x, Py_ssize_t n, Py_ssize_t k, const Room *room, double *negentropies, double *errors) {
    const lanes one = {1.0, 1.0, 1.0, 1.0};
    const marks order = {0, 1, 2, 3};
    const double *e = room->second;
    for (Py_ssize_t i = 0; i < n; i += FOUR) {
        const double *exponentials[] = ROWS_AT(e), *row[] = ROWS_AT(x);
        lanes products[FOUR] = {{0.0}}, misses[FOUR] = {{0.0}};
#define STEP(r, READ)                                                                                                  \
    do {                                                                                                               \
        lanes p = READ(exponentials[r] + c) / (1.0 + room->others[AT(r)]);                                             \
        lanes product = p * ((READ(row[r] + c) - room->best[AT(r)]) - room->log_others[AT(r)]);                        \
        lanes miss = p - (lanes)((order + c == room->labels[AT(r)]) & (marks)one);                                     \
        products[r] += (lanes)((marks)product & (p != 0.0)), misses[r] += miss * miss;                                 \
    } while (0)
        OVER_FOUR(STEP);
#undef STEP
        put_four(folded_four(products), n - i, negentropies + i), put_four(folded_four(misses), n - i, errors + i);
    }
}

/* The log p of the labels, from their scores. */
static void label_logs(int form, Py_ssize_t n, const Room *room, double *own) {
    if (form == PROBABILITIES) logs(own, n, own);
    for (Py_ssize_t i = 0; form == LOGITS && i < n; i++) own[i] = (own[i] - room->best[i]) - room->log_others[i];
}

/* Writes the quantities of n rows from `first` on, which are one tile; returns 0 where a label is no class. */
static int class_tile(const ClassRows *rows, Py_ssize_t first, Py_ssize_t n, Room *room) {
    const Py_ssize_t k = rows->k;
    const int form = rows->form;
    const double *x = rows->x + first * k, *p = x, *log_p = x;
    double *out[CLASS_QUANTITIES];
    for (int i = 0; i < CLASS_QUANTITIES; i++) out[i] = written(&rows->matrix, i, first);
    double *gap = out[ENTROPY_GAP], *error = out[BRIER_SCORE], *accuracy = out[ACCURACY], *confidence = out[CONFIDENCE];
    double *loss = out[CROSS_ENTROPY] || !gap ? out[CROSS_ENTROPY] : room->cross_entropy;
    double *entropy = out[PREDICTIVE_ENTROPY] || !gap ? out[PREDICTIVE_ENTROPY] : room->predictive_entropy;

    if (!take_labels(rows->labels + first, n, k, room->labels)) return 0;
    if (form == LOGITS) take_softmax(x, n, k, room);
    else if (accuracy || confidence) row_maxima(x, n, k, room->best, room->top);
    for (Py_ssize_t i = 0; accuracy && i < n; i++) accuracy[i] = as_double(room->top[i] == room->labels[i]);

    if (form == LOG_PROBABILITIES && (entropy || error || confidence)) p = room->second, exps(x, n * k, room->second);
    if (form == PROBABILITIES && entropy) log_p = room->first, logs(x, n * k, room->first);
    if (form == LOGITS && (entropy || error)) {
        softmax_sums(x, n, k, room, entropy ? entropy : room->predictive_entropy, error ? error : room->own);
    } else {
        if (entropy) row_products(p, log_p, n, k, entropy);
        if (error) row_errors(p, room->labels, n, k, error);
    }
    if (entropy) negate(entropy, n);
    if (loss) {
        row_picks(log_p, room->labels, n, k, loss);
        if (log_p == x) label_logs(form, n, room, loss);
        negate(loss, n);
    }
    if (gap) gaps(loss, entropy, n, gap);
    if (form == LOG_PROBABILITIES && confidence) row_maxima(p, n, k, room->best, room->top);
    for (Py_ssize_t i = 0; confidence && i < n; i++)
        confidence[i] = form == LOGITS ? 1.0 / (1.0 + room->others[i]) : room->best[i];
    return 1;
}

/* Writes the quantities of n rows; returns 1, 0 where a label is no class, or -1 where there is no memory. Where there is
   a rule, each tile is judged before, while it is in the cache, and rows behind one at fault are not written. */
static int class_rows(const ClassRows *rows, Py_ssize_t n, const Rule *rule, Verdict *verdict) {
    Room room;
    Py_ssize_t step = tile_rows(rows->k), now;
    int good = 1;
    if (!make_room(&room, rows->k)) return -1;
    for (Py_ssize_t i = 0; good && i < n; i += step) {
        now = n - i < step ? n - i : step;
        if (rule && !judge_tile(rule, rows->x + i * rows->k, rows->labels + i, i, now, &room, verdict)) break;
        good = class_tile(rows, i, now, &room);
    }
    give_room_back(&room);
    return good;
}
