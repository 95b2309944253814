/* What the sums of a pair of candidates tell beside the mean difference. All steps are exact but quotients of whole
   numbers, each rounded once, and a square root.

   d, a and b are the difference, our losses and theirs, over what rows count for, v; r is what rounding can make of d. The
   sum of (z_i - m v_i) (z'_i - m' v_i), where m and m' are the means, times v^2 is

   departures       (sum z z') v^2 - z (sum z' v) v - z' (sum z v) v + z z' (sum v^2)

   n_effective      v^2 / sum v^2
   varies           departures of d from its mean > (sum r^2) v^2
   correlation      departures of a and b together / sqrt(those of a, times those of b); none where those of a or of b are
                    last bits, at most 2^-100 (sum z^2) v^2 */

enum { OF_DIFFERENCE, OF_OURS, OF_THEIRS, OF_ROUNDING, OF_PRODUCT, SUMS_OF_PAIR };

#define LAST_BITS_SQUARED 100 /* twice the bits of a loss behind which rounding alone stands, as in LAST_BITS */

/* A number times 2^up, or its own if that is 0. */
static Big big_shifted(BigRoom *room, const Big *a, int up) {
    int n = a->n + (up + 63) / 64;
    if (!up || !a->n) return *a;
    Big out = new_big(room, n);
    shift_into(a, up, out.limb, n);
    out.n = n, out.is_negative = a->is_negative;
    trim(&out);
    return out;
}

static int place_of(const uint64_t *words) { return (int)(int64_t)words[3]; }

/* The sums of packed words in units of 2^place, those of products in units of its square. */
static ExactSums sums_at(BigRoom *room, const uint64_t *words, int place) {
    ExactSums m = {.n = big_of(room, words, 1)};
    Big *sums[5] = {&m.z, &m.v, &m.zz, &m.zv, &m.vv};
    const uint64_t *limbs = words + PACKED_HEAD;
    const int up = place_of(words) - place;
    for (int i = 0; i < 5; limbs += words[4 + i], i++) {
        Big own = big_of(room, limbs, (int)words[4 + i]);
        *sums[i] = big_shifted(room, &own, i < 2 ? up : 2 * up);
    }
    return m;
}

#define TIMES(a, b) big_product(room, &(a), &(b))
#define PLUS(a, b) big_sum(room, &(a), &(b), 0)
#define LESS(a, b) big_sum(room, &(a), &(b), 1)

static Big departures(BigRoom *room, const ExactSums *a, const ExactSums *b, const Big *products) {
    Big z_bv = TIMES(a->z, b->zv), b_zv = TIMES(b->z, a->zv), z_b = TIMES(a->z, b->z);
    Big own = TIMES(*products, a->v), both = PLUS(z_bv, b_zv), rest = LESS(own, both), last = TIMES(z_b, a->vv);
    rest = TIMES(a->v, rest);
    return PLUS(rest, last);
}

/* (sum z^2) v^2 */
static Big size_of_squares(BigRoom *room, const ExactSums *m) {
    Big square = TIMES(m->v, m->v);
    return TIMES(m->zz, square);
}

/* Tells whether a < b, or a <= b if they may be equal. */
static int is_less(BigRoom *room, const Big *a, const Big *b, int may_be_equal) {
    Big less = LESS(*b, *a);
    return less.n ? !less.is_negative : may_be_equal;
}

static int is_last_bits(BigRoom *room, const Big *own, const ExactSums *m) {
    Big size = size_of_squares(room, m), raised = big_shifted(room, own, LAST_BITS_SQUARED);
    return is_less(room, &raised, &size, 1);
}

/* The correlation, or NaN where there is none. */
static double correlation(BigRoom *room, const ExactSums *ours, const ExactSums *theirs, const ExactSums *product) {
    Big own = departures(room, ours, ours, &ours->zz), other = departures(room, theirs, theirs, &theirs->zz);
    Big both = departures(room, ours, theirs, &product->zv), square = TIMES(both, both), sizes = TIMES(own, other);
    if (is_last_bits(room, &own, ours) || is_last_bits(room, &other, theirs)) return NAN;
    double size = sqrt(big_ratio(room, &square, &sizes));
    size = size > 1.0 ? 1.0 : size;
    return both.n && !both.is_negative ? size : -size;
}

/* The limbs that suffice for all numbers of a pair: the largest sum, shifted, stands in products of eight at most. */
static int room_of_pair(const uint64_t *const *sums, int least) {
    int limbs = 1, most;
    for (int i = 0; i < SUMS_OF_PAIR; i++) {
        n_limbs_of(sums[i], &most);
        most += (2 * (place_of(sums[i]) - least) + 63) / 64 + 1;
        limbs = most > limbs ? most : limbs;
    }
    return 80 * (8 * limbs + 4);
}

/* Arguments: packed sums, the numbers of those of a pair. Returns observations, effective ones or NaN, rows of infinite
   loss of ours and of theirs, whether differences vary, and the correlation or None. */
FUNCTION(py_pair_sums) {
    const uint64_t *sums[SUMS_OF_PAIR];
    Py_ssize_t n_pairs;
    int least = INT_MAX;
    BigRoom near, *room = &near;
    (void)self;
    int fits = n_arguments == 2 && PyTuple_Check(arguments[1]) && PyTuple_Size(arguments[1]) == SUMS_OF_PAIR;
    if (!fits) return PyErr_SetString(PyExc_TypeError, "takes packed sums and the numbers of five of them"), NULL;
    const uint64_t *words = read_packed(arguments[0], &n_pairs);
    for (int i = 0; words && i < SUMS_OF_PAIR; i++) {
        Py_ssize_t number = PyLong_AsSsize_t(PyTuple_GetItem(arguments[1], i));
        if (number < 0 || number >= n_pairs) return PyErr_SetString(PyExc_ValueError, "takes numbers of sums"), NULL;
        sums[i] = words + words[number];
        least = place_of(sums[i]) < least ? place_of(sums[i]) : least;
    }
    if (!words) return NULL;
    if (!make_big_room(room, room_of_pair(sums, least))) return PyErr_NoMemory();
    ExactSums of[SUMS_OF_PAIR];
    for (int i = 0; i < SUMS_OF_PAIR; i++) of[i] = sums_at(room, sums[i], least);
    Big square = TIMES(of[OF_ROUNDING].v, of[OF_ROUNDING].v), rounding = size_of_squares(room, &of[OF_ROUNDING]);
    Big apart = departures(room, &of[OF_DIFFERENCE], &of[OF_DIFFERENCE], &of[OF_DIFFERENCE].zz);
    int varies = is_less(room, &rounding, &apart, 0);
    double effective = of[OF_ROUNDING].vv.n ? big_ratio(room, &square, &of[OF_ROUNDING].vv) : NAN;
    double found = correlation(room, &of[OF_OURS], &of[OF_THEIRS], &of[OF_PRODUCT]);
    give_big_room_back(room);
    PyObject *number = isnan(found) ? Py_NewRef(Py_None) : PyFloat_FromDouble(found);
    return Py_BuildValue("(LdLLNN)", (long long)sums[OF_ROUNDING][0], effective, (long long)sums[OF_OURS][1],
                         (long long)sums[OF_THEIRS][1], PyBool_FromLong(varies), number);
}

#undef TIMES
#undef PLUS
#undef LESS
