/* Moments of columns of numerators z over denominators v: exact sums of z, v, z z, z v and v v. A column that several
   of them share is added up once. */

typedef enum { UNKNOWN, FINITE, ENDLESS } TermsState;

/* A column of a matrix, or one that has the same whole number everywhere, and what is known of it. */
typedef struct {
    const double *x; /* NULL where every row has `constant` */
    uint64_t constant;
    TermsState state;
    int low, high;
    Py_ssize_t n_counted; /* rows of positive weight in which it is positive; -1 until they are counted */
    Total sum, squares;
} Terms;

typedef struct {
    Terms *z, *v, *spare; /* room for copies of two columns without the rows that count for nothing */
    double *kept;       /* the numbers of the spare columns */
    Py_ssize_t n, n_infinite, n_undefined;
    Total zv;
} Ratio;

typedef enum { SUMMED, NO_NUMBER, NO_MEMORY } Outcome;

static void begin_row(Terms *row, const double *x) {
    row->x = x, row->constant = 0, row->state = UNKNOWN, row->n_counted = -1;
}

static void begin_pair(Ratio *pair, Terms *z, Terms *v, Terms *spare) {
    pair->z = z, pair->v = v, pair->spare = spare, pair->kept = NULL;
    pair->n = pair->n_infinite = pair->n_undefined = 0;
}

static void know(Terms *row, Py_ssize_t n) {
    if (row->state != UNKNOWN) return;
    Range range = range_of(row->x, n);
    row->low = range.low < range.high ? range.low : range.high, row->high = range.high;
    row->state = range.high == NOT_FINITE ? ENDLESS : FINITE;
    if (row->state == ENDLESS) return;
    if (range.least >= range.most) uniform_sums(row->x, n, row->low, range.most, &row->sum, &row->squares);
    else if (!near_sums(row->x, n, row->low, row->high, &row->sum, &row->squares))
        power_sums(row->x, n, row->low, row->high, &row->sum, &row->squares);
}

static void know_constant(Terms *row, uint64_t constant, Py_ssize_t n) {
    begin_row(row, NULL);
    row->constant = constant, row->state = FINITE;
    clear(&row->sum, 0, 128);
    clear(&row->squares, 0, 128);
    add_at(&row->sum, (wide)constant * n, 0);
    add_at(&row->squares, (wide)constant * constant * n, 0);
}

static Py_ssize_t n_counted(Terms *row, const double *weight, Py_ssize_t n) {
    if (row->n_counted >= 0) return row->n_counted;
    Py_ssize_t counted = 0;
    for (Py_ssize_t i = 0; i < n; i++)
        counted += (!row->x || row->x[i] > 0.0) & (!weight || weight[i] > 0.0);
    return row->n_counted = counted;
}

/* Copies both columns with zeros where z is not finite, and counts those rows. */
static int leave_out(Ratio *pair, Py_ssize_t n) {
    const double *z = pair->z->x, *v = pair->v->x;
    double constant = (double)pair->v->constant, *kept = malloc(2 * sizeof(double) * (size_t)n);
    if (!kept) return 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        int finite = isfinite(z[i]);
        pair->n_undefined += isnan(z[i]) != 0;
        pair->n_infinite += isinf(z[i]) != 0;
        kept[i] = finite ? z[i] : 0.0;
        kept[n + i] = finite ? v ? v[i] : constant : 0.0;
    }
    for (int i = 0; i < 2; i++) begin_row(&pair->spare[i], kept + i * n);
    pair->kept = kept, pair->z = &pair->spare[0], pair->v = &pair->spare[1];
    know(pair->z, n);
    return 1;
}

static Outcome add_pair(Ratio *pair, const double *weight, Py_ssize_t n) {
    know(pair->z, n);
    if (pair->z->state == ENDLESS && !leave_out(pair, n)) return NO_MEMORY;
    know(pair->v, n);
    const Terms *z = pair->z, *v = pair->v;
    if (v->state == ENDLESS) return NO_NUMBER;
    pair->n = n_counted(pair->v, weight, n);
    if (v->x)
        dot(z->x, v->x, n, z->low, v->low, z->high - z->low + v->high - v->low + 1, &pair->zv);
    else
        multiply(&z->sum, v->constant, &pair->zv);
    return SUMMED;
}

static Outcome add_pairs(Ratio *pairs, Py_ssize_t n_pairs, const double *weight, Py_ssize_t n) {
    Outcome outcome = SUMMED;
    for (Py_ssize_t i = 0; i < n_pairs && outcome == SUMMED; i++) outcome = add_pair(&pairs[i], weight, n);
    return outcome;
}

/* Multiplies weights and numbers, where 0 times anything is 0; tells whether one is so small that it lost digits. */
EVERY_PROCESSOR static int products(const double *weights, const double *x, Py_ssize_t n, double *out) {
    int64_t n_lost = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        double product = weights[i] == 0.0 ? 0.0 : weights[i] * x[i];
        n_lost += (fabs(product) < DBL_MIN) & (weights[i] != 0.0) & (x[i] != 0.0);
        out[i] = product;
    }
    return n_lost > 0;
}

INLINE int lower(int place, int bit, int factors) {
    if (bit == NO_BIT) return place;
    bit >>= factors - 1; /* half of it, rounded down */
    return bit < place ? bit : place;
}

/* The largest place such that all sums are whole numbers of 2^place, those of products of its square. */
static int common_place(const Ratio *pair) {
    int place = lower(NO_BIT, lowest_bit(&pair->z->sum), 1);
    place = lower(place, lowest_bit(&pair->v->sum), 1);
    place = lower(place, lowest_bit(&pair->z->squares), 2);
    place = lower(place, lowest_bit(&pair->zv), 2);
    place = lower(place, lowest_bit(&pair->v->squares), 2);
    return place == NO_BIT ? 0 : place;
}
