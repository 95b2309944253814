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

/* Copies labels, for another thread may change the array; 0 where one is no class. */
static int take_labels(const int64_t *labels, Py_ssize_t n, Py_ssize_t k, int64_t *out) {
    int wrong = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        int64_t label = labels[i];
        out[i] = label;
        wrong |= (uint64_t)label >= (uint64_t)k;
    }
    return !wrong;
}

/* log p of scores (n, k), or of those of the labels, of which each row has one. Logits: x - best - log_others. */
static const double *class_logs(int form, const double *x, Py_ssize_t n, Py_ssize_t k, Room *room, double *out) {
    if (form == LOG_PROBABILITIES) return x;
    if (form == PROBABILITIES) {
        logs(x, n * k, out);
    } else {
        row_differences(x, room->best, n, k, out);
        row_differences(out, room->log_others, n, k, out);
    }
    return out;
}

/* What probabilities of logits are made of: the first of the largest, e^(x - best) in `second`, the sum of those of the
   other classes, and log(1 + others). */
static void take_softmax(const double *x, Py_ssize_t n, Py_ssize_t k, Room *room) {
    row_maxima(x, n, k, room->best, room->top);
    row_exponentials(x, room->best, n, k, room->second);
    row_others(room->second, n, k, room->others);
    log1ps(room->others, n, room->log_others);
}

/* p. Logits: e^(x - best) / (1 + others). */
static const double *class_probabilities(int form, const double *x, Py_ssize_t n, Py_ssize_t k, Room *room) {
    if (form == PROBABILITIES) return x;
    if (form == LOG_PROBABILITIES) return exps(x, n * k, room->second), room->second;
    for (Py_ssize_t i = 0; i < n; i++) room->own[i] = 1.0 + room->others[i];
    row_quotients(room->second, room->own, n, k, room->second);
    return room->second;
}

static void class_confidence(int form, const double *p, Py_ssize_t n, Py_ssize_t k, Room *room, double *out) {
    if (form == LOG_PROBABILITIES) row_maxima(p, n, k, room->best, room->top);
    if (form == LOGITS)
        for (Py_ssize_t i = 0; i < n; i++) out[i] = 1.0 / (1.0 + room->others[i]);
    else
        memcpy(out, room->best, sizeof(double) * (size_t)n);
}

/* The n rows from `first` on, which are one tile; 0 where a label is no class. */
static int class_tile(const ClassRows *rows, Py_ssize_t first, Py_ssize_t n, Room *room) {
    const Py_ssize_t k = rows->k;
    const double *x = rows->x + first * k, *p = NULL, *log_p = NULL;
    double *out[CLASS_QUANTITIES];
    for (int i = 0; i < CLASS_QUANTITIES; i++) out[i] = written(&rows->matrix, i, first);
    double *gap = out[ENTROPY_GAP], *accuracy = out[ACCURACY];
    double *loss = out[CROSS_ENTROPY] || !gap ? out[CROSS_ENTROPY] : room->cross_entropy;
    double *entropy = out[PREDICTIVE_ENTROPY] || !gap ? out[PREDICTIVE_ENTROPY] : room->predictive_entropy;
    int is_spread = out[BRIER_SCORE] || entropy || (rows->form == LOG_PROBABILITIES && out[CONFIDENCE]);

    if (!take_labels(rows->labels + first, n, k, room->labels)) return 0;
    if (rows->form == LOGITS) take_softmax(x, n, k, room);
    else if (accuracy || out[CONFIDENCE]) row_maxima(x, n, k, room->best, room->top);
    if (accuracy)
        for (Py_ssize_t i = 0; i < n; i++) accuracy[i] = room->top[i] == room->labels[i];
    if (is_spread) p = class_probabilities(rows->form, x, n, k, room);
    if (out[BRIER_SCORE]) row_errors(p, room->labels, n, k, out[BRIER_SCORE]);
    if (entropy) {
        log_p = class_logs(rows->form, x, n, k, room, room->first);
        row_products(p, log_p, n, k, entropy);
        negate(entropy, n);
    }
    if (loss) {
        row_picks(log_p ? log_p : x, room->labels, n, k, room->own);
        const double *own = log_p ? room->own : class_logs(rows->form, room->own, n, 1, room, room->own);
        memcpy(loss, own, sizeof(double) * (size_t)n);
        negate(loss, n);
    }
    if (gap) gaps(loss, entropy, n, gap);
    if (out[CONFIDENCE]) class_confidence(rows->form, p, n, k, room, out[CONFIDENCE]);
    return 1;
}

/* 1, or 0 where a label is no class, or -1 where there is no memory. */
static int class_rows(const ClassRows *rows, Py_ssize_t n) {
    Room room;
    Py_ssize_t step = tile_rows(rows->k), now;
    int good = 1;
    if (!make_room(&room, rows->k)) return -1;
    for (Py_ssize_t i = 0; good && i < n; i += step) {
        now = n - i < step ? n - i : step;
        good = class_tile(rows, i, now, &room);
    }
    give_room_back(&room);
    return good;
}
