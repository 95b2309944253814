/* Means of exact sums. All steps are exact but two quotients of whole numbers, each rounded once. */

/* Applies an operation to two new references, which it takes; NULL stands for an error that is set already. */
static PyObject *combined(binaryfunc operation, PyObject *a, PyObject *b) {
    PyObject *result = a && b ? operation(a, b) : NULL;
    Py_XDECREF(a);
    Py_XDECREF(b);
    return result;
}

#define MOST_WHOLE 1024 /* limbs of a sum: more than the lowest and the highest bits of products of doubles are apart */

/* The limbs of a whole number of Python in two's complement; returns how many, or 0 with an error set. */
static int take_limbs(PyObject *number, uint64_t *limb) {
    PyObject *rest = Py_NewRef(number), *n_bits = NULL;
    int n = 0, is_long = 1;
    while (rest && n < MOST_WHOLE) {
        limb[n] = (uint64_t)PyLong_AsLongLongAndOverflow(rest, &is_long);
        if (!is_long) break;
        limb[n++] = PyLong_AsUnsignedLongLongMask(rest);
        n_bits = n_bits ? n_bits : PyLong_FromLong(64);
        PyObject *further = n_bits ? PyNumber_Rshift(rest, n_bits) : NULL;
        Py_DECREF(rest);
        rest = further;
    }
    Py_XDECREF(n_bits);
    Py_XDECREF(rest);
    if (n == MOST_WHOLE) PyErr_SetString(PyExc_OverflowError, "a sum has too many digits");
    return PyErr_Occurred() ? 0 : n + 1;
}

/* A whole number of Python as limbs in two's complement; none where an error is set. */
typedef struct { uint64_t limb[MOST_WHOLE]; int n; } Whole;

static void take_whole(PyObject *number, Whole *whole) { whole->n = take_limbs(number, whole->limb); }

/* a / b, rounded once; NaN where b is 0, no double is as large, or an error is set. */
static double quotient(const Whole *a, const Whole *b) {
    BigRoom room;
    double number = NAN;
    if (!a->n || !b->n) return number;
    if (a->n == 1 && b->n == 1 && (int64_t)b->limb[0] > 0) {
        int is_negative = (int64_t)a->limb[0] < 0;
        double size = a->limb[0] ? limb_ratio(is_negative ? -a->limb[0] : a->limb[0], b->limb[0]) : 0.0;
        return is_negative ? -size : size;
    }
    if (!make_big_room(&room, 3 * b->n + a->n + 1)) return PyErr_NoMemory(), number;
    Big x = big_of(&room, a->limb, a->n), y = big_of(&room, b->limb, b->n);
    if (y.n) number = big_ratio(&room, &x, &y);
    give_big_room_back(&room);
    return isfinite(number) ? number : NAN;
}

/* The fields of `app.core.sums.moments.Moments`. */
typedef struct { Big n, n_others, z, v, zz, zv, vv; } ExactSums;

/* n / (n - 1) sum (z_i - m v_i)^2 / v^2, where v^2 sum (z_i - m v_i)^2 = v (v zz - z zv) + z (z vv - v zv): nothing
   cancels unseen. Where all v_i are equal, it is (n zz - z^2) / ((n - 1) v^2). */
static double squared_error(BigRoom *room, const ExactSums *m) {
#define TIMES(a, b) big_product(room, &(a), &(b))
#define LESS(a, b) big_sum(room, &(a), &(b), 1)
    Big square = TIMES(m->v, m->v), divisor = TIMES(m->n_others, square), sum;
    Big n_vv = TIMES(m->n, m->vv), n_zv = TIMES(m->n, m->zv), z_v = TIMES(m->z, m->v);
    if (are_same(&n_vv, &square) && are_same(&n_zv, &z_v)) {
        Big n_zz = TIMES(m->n, m->zz), z_z = TIMES(m->z, m->z);
        sum = LESS(n_zz, z_z);
    } else {
        Big v_zz = TIMES(m->v, m->zz), z_zv = TIMES(m->z, m->zv), z_vv = TIMES(m->z, m->vv), v_zv = TIMES(m->v, m->zv);
        Big first = LESS(v_zz, z_zv), second = LESS(z_vv, v_zv);
        first = TIMES(m->v, first), second = TIMES(m->z, second);
        Big both = big_sum(room, &first, &second, 0);
        sum = TIMES(m->n, both), divisor = TIMES(divisor, square);
    }
#undef TIMES
#undef LESS
    return big_ratio(room, &sum, &divisor);
}

/* The fields of `app.core.values.Value`, and what one with a number is made of. */
enum { VALUE, STATUS, REASON, ERROR, INTERVAL, Z, VALUE_FIELDS };
typedef struct { PyObject *type, *ok; } Values;

static Values values_of_type(PyObject *type) { return (Values){type, PyUnicode_InternFromString("ok")}; }

/* A value with a number, which takes its parts but the status; NULL stands for a part that is unknown. */
static PyObject *value_of_parts(const Values *of, PyObject **parts) {
    PyObject *value = PyErr_Occurred() ? NULL : PyType_GenericAlloc((PyTypeObject *)of->type, VALUE_FIELDS);
    parts[STATUS] = Py_NewRef(of->ok);
    for (int i = 0; i < VALUE_FIELDS; i++) {
        if (value) PyTuple_SetItem(value, i, parts[i] ? parts[i] : Py_NewRef(Py_None));
        else Py_XDECREF(parts[i]);
    }
    return value;
}

static PyObject *plain_value(const Values *of, double number) {
    PyObject *parts[VALUE_FIELDS] = {PyFloat_FromDouble(number)};
    return value_of_parts(of, parts);
}

/* The Python side of `app.core.sums.uncertainty`, and the spread, in standard errors, of means with so many rows more
   than one. */
typedef struct { PyObject *level, *quantile, *no_mean; Values of; int64_t n_others; double spread; } Means;

/* Learns the spread of means; nearly all of a state are over as many rows. */
static int learn_spread(Means *of, int64_t n_others) {
    if (n_others == of->n_others) return 1;
    PyObject *n = PyLong_FromLongLong(n_others);
    PyObject *spread = n ? PyObject_CallFunctionObjArgs(of->quantile, n, of->level, NULL) : NULL;
    of->n_others = n_others;
    of->spread = spread ? PyFloat_AsDouble(spread) : 0.0;
    Py_XDECREF(n);
    Py_XDECREF(spread);
    return !PyErr_Occurred();
}

static PyObject *pair_of(double a, double b) {
    PyObject *pair = PyTuple_New(2);
    if (pair && (PyTuple_SetItem(pair, 0, PyFloat_FromDouble(a)) || PyTuple_SetItem(pair, 1, PyFloat_FromDouble(b))))
        Py_CLEAR(pair);
    return pair;
}

/* The value of a mean, and of the square of its error if that is a finite number. */
static PyObject *value_of(Means *of, double mean, double square, int64_t n_others) {
    PyObject *parts[VALUE_FIELDS] = {PyFloat_FromDouble(mean)};
    if (isfinite(square) && learn_spread(of, n_others)) {
        double deviation = sqrt(square), low = mean - of->spread * deviation, high = mean + of->spread * deviation;
        parts[ERROR] = PyFloat_FromDouble(deviation);
        if (isfinite(low) && isfinite(high)) parts[INTERVAL] = pair_of(low, high);
    }
    return value_of_parts(&of->of, parts);
}

/* The limbs of all five sums, and the most of one. */
static int n_limbs_of(const uint64_t *words, int *most) {
    int n = 0;
    *most = 1;
    for (int i = 4; i < PACKED_HEAD; i++) {
        n += (int)words[i];
        if ((int)words[i] > *most) *most = (int)words[i];
    }
    return n;
}

/* The mean of packed sums. */
static PyObject *mean_of(Means *of, const uint64_t *words) {
    BigRoom room;
    int most, n_limbs = n_limbs_of(words, &most);
    const uint64_t one_less = words[0] - 1, *limbs = words + PACKED_HEAD;
    /* five numbers; fifteen products and sums, of at most 5 times as many limbs and one or two of n; quotients of these */
    if (!make_big_room(&room, n_limbs + 20 * (5 * most + 3))) return PyErr_NoMemory();
    ExactSums m = {.n = big_of(&room, words, 1), .n_others = big_of(&room, &one_less, 1)};
    Big *sums[5] = {&m.z, &m.v, &m.zz, &m.zv, &m.vv};
    for (int i = 0; i < 5; limbs += words[4 + i], i++) *sums[i] = big_of(&room, limbs, (int)words[4 + i]);
    int64_t n_others = (int64_t)one_less;
    double mean = words[1] || words[2] || !m.v.n ? INFINITY : big_ratio(&room, &m.z, &m.v), square = INFINITY;
    if (isfinite(mean) && n_others > 0) square = squared_error(&room, &m);
    give_big_room_back(&room);
    if (isfinite(mean)) return value_of(of, mean, square, n_others);
    return PyObject_CallFunction(of->no_mean, "LLO", (long long)words[1], (long long)words[2], m.v.n ? Py_True : Py_False);
}

/* The words of packed sums, and the number of pairs; NULL with an error set where they are none. */
static const uint64_t *read_packed(PyObject *packed, Py_ssize_t *n_pairs) {
    const uint64_t *words = PyBytes_Check(packed) ? (const uint64_t *)PyBytes_AsString(packed) : NULL;
    uint64_t n = words ? (uint64_t)PyBytes_Size(packed) / sizeof(uint64_t) : 0, first = n ? words[0] : 0;
    int fits = words && first <= n;
    for (uint64_t i = 0; fits && i < first; i++) {
        uint64_t end = words[i] + PACKED_HEAD;
        fits = words[i] >= first && words[i] < n && end <= n;
        for (int j = 4; fits && j < PACKED_HEAD; j++)
            fits = words[words[i] + (uint64_t)j] - 1 < MOST_WHOLE && (end += words[words[i] + (uint64_t)j]) <= n;
    }
    *n_pairs = (Py_ssize_t)first;
    return fits ? words : (PyErr_SetString(PyExc_ValueError, "takes packed sums"), NULL);
}

/* Arguments: packed sums, the number of a pair by name, confidence level, type of values, quantile, function that tells
   why there is no mean. */
FUNCTION(py_means) {
    PyObject *name, *number, *values = NULL, **known = NULL;
    Py_ssize_t n_pairs, i;
    (void)self;
    if (n_arguments != 6 || !PyDict_Check(arguments[1]) || !PyType_Check(arguments[3]))
        return PyErr_SetString(PyExc_TypeError, "takes sums, numbers by name, a level, a type and two functions"), NULL;
    const uint64_t *words = read_packed(arguments[0], &n_pairs);
    Means of = {arguments[2], arguments[4], arguments[5], values_of_type(arguments[3]), 0, 0.0};
    if (words && !(known = PyMem_Calloc((size_t)n_pairs + 1, sizeof(PyObject *)))) PyErr_NoMemory();
    values = known && of.of.ok ? PyDict_New() : NULL;
    for (Py_ssize_t at = 0; values && PyDict_Next(arguments[1], &at, &name, &number);) {
        i = PyLong_AsSsize_t(number);
        if (i < 0 || i >= n_pairs) PyErr_SetString(PyExc_ValueError, "takes numbers of pairs");
        else if (!known[i]) known[i] = mean_of(&of, words + words[i]);
        if (PyErr_Occurred() || PyDict_SetItem(values, name, known[i])) Py_CLEAR(values);
    }
    for (i = 0; known && i < n_pairs; i++) Py_XDECREF(known[i]);
    PyMem_Free(known);
    Py_XDECREF(of.of.ok);
    return values;
}

/* Arguments: packed sums. Returns them as a list of tuples. */
static PyObject *py_unpack(PyObject *self, PyObject *packed) {
    Py_ssize_t n_pairs;
    const uint64_t *words = read_packed(packed, &n_pairs);
    PyObject *list = words ? PyList_New(n_pairs) : NULL;
    (void)self;
    for (Py_ssize_t i = 0; list && i < n_pairs; i++) {
        PyObject *moments = moments_object(words + words[i]);
        if (!moments || PyList_SetItem(list, i, moments)) Py_CLEAR(list);
    }
    return list;
}

/* Packs the parts of moments into words; returns how many, or 0 with an error set. */
static Py_ssize_t pack_object(PyObject *moments, uint64_t *words) {
    Py_ssize_t n = PACKED_HEAD;
    if (!PyTuple_Check(moments) || PyTuple_Size(moments) != 9)
        return PyErr_SetString(PyExc_TypeError, "takes tuples of nine numbers"), 0;
    for (int i = 0; i < 4; i++) words[i] = (uint64_t)PyLong_AsLongLong(PyTuple_GetItem(moments, i < 3 ? i : 8));
    for (int i = 0; i < 5 && !PyErr_Occurred(); i++) {
        words[4 + i] = (uint64_t)take_limbs(PyTuple_GetItem(moments, 3 + i), words + n);
        n += (Py_ssize_t)words[4 + i];
    }
    return PyErr_Occurred() ? 0 : n;
}

/* Arguments: a list of tuples as `sums` makes them. Returns them packed. */
static PyObject *py_pack(PyObject *self, PyObject *list) {
    Py_ssize_t n_pairs = PyList_Check(list) ? PyList_Size(list) : -1, n = n_pairs;
    uint64_t *words = NULL;
    PyObject *packed = NULL;
    (void)self;
    if (n_pairs < 0) return PyErr_SetString(PyExc_TypeError, "takes a list of sums"), NULL;
    size_t most = (size_t)n_pairs * (PACKED_HEAD + 5 * MOST_WHOLE + 1) + 1;
    if (!(words = PyMem_Malloc(sizeof(uint64_t) * most))) return PyErr_NoMemory();
    for (Py_ssize_t i = 0, more = 1; i < n_pairs && more; i++, n += more) {
        words[i] = (uint64_t)n;
        more = pack_object(PyList_GetItem(list, i), words + n);
    }
    if (!PyErr_Occurred()) packed = PyBytes_FromStringAndSize((const char *)words, (Py_ssize_t)sizeof(uint64_t) * n);
    PyMem_Free(words);
    return packed;
}

/* Arguments: values by name, names of their fields. Returns them as an answer shows them: the first field, and all
   others that are not None. */
FUNCTION(py_entries) {
    PyObject *name, *value, *shown = PyDict_New();
    (void)self;
    if (n_arguments != 2 || !PyDict_Check(arguments[0])) PyErr_SetString(PyExc_TypeError, "takes values and names");
    for (Py_ssize_t at = 0; !PyErr_Occurred() && PyDict_Next(arguments[0], &at, &name, &value);) {
        PyObject *entry = PyDict_New();
        for (Py_ssize_t i = 0; entry && i < PyTuple_Size(value); i++) {
            PyObject *field = PyTuple_GetItem(value, i);
            if ((!i || field != Py_None) && PyDict_SetItem(entry, PyTuple_GetItem(arguments[1], i), field)) break;
        }
        if (entry) PyDict_SetItem(shown, name, entry);
        Py_XDECREF(entry);
    }
    if (PyErr_Occurred()) Py_CLEAR(shown);
    return shown;
}
