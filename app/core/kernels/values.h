/* Means of exact sums, as Python has both. All steps are exact but two quotients of whole numbers, each rounded once. */

/* Applies an operation to two new references, which it takes; NULL stands for an error that is set already. */
static PyObject *combined(binaryfunc operation, PyObject *a, PyObject *b) {
    PyObject *result = a && b ? operation(a, b) : NULL;
    Py_XDECREF(a);
    Py_XDECREF(b);
    return result;
}

/* a / b of whole numbers from 1 to 2^63 - 1, rounded once: the last of 62 or 63 bits stands for all further ones. */
static double ratio(uint64_t a, uint64_t b) {
    int shift = 62 - __builtin_clzll(b) + __builtin_clzll(a);
    unsigned_wide dividend = (unsigned_wide)a << shift;
    uint64_t bits = (uint64_t)(dividend / b);
    return ldexp((double)(bits | (dividend != (unsigned_wide)bits * b)), -shift);
}

/* The quotient of two new references to whole numbers, which it takes, rounded once; None where no double is as large.
   Python's own takes ten times as long for numbers of a word. */
static PyObject *quotient(PyObject *a, PyObject *b) {
    int a_is_long = 1, b_is_long = 1;
    int64_t x = a && b ? PyLong_AsLongLongAndOverflow(a, &a_is_long) : 0;
    int64_t y = a && b ? PyLong_AsLongLongAndOverflow(b, &b_is_long) : 0;
    PyObject *number;
    if (!a_is_long && !b_is_long && x && x > -INT64_MAX && y > 0) {
        double size = ratio((uint64_t)(x < 0 ? -x : x), (uint64_t)y);
        number = PyFloat_FromDouble(x < 0 ? -size : size);
        Py_DECREF(a);
        Py_DECREF(b);
        return number;
    }
    number = combined(PyNumber_TrueDivide, a, b);
    if (number || !PyErr_ExceptionMatches(PyExc_OverflowError)) return number;
    PyErr_Clear();
    return Py_NewRef(Py_None);
}

/* The fields of `app.core.sums.moments.Moments`, borrowed. */
typedef struct { PyObject *n, *z, *v, *zz, *zv, *vv; } ExactSums;

INLINE PyObject *times(PyObject *a, PyObject *b) { return PyNumber_Multiply(a, b); }
INLINE PyObject *difference(PyObject *a, PyObject *b) { return combined(PyNumber_Subtract, a, b); }
INLINE PyObject *product(PyObject *a, PyObject *b) { return combined(PyNumber_Multiply, a, b); }

/* Tells if two new references, which it takes, are equal. */
static int are_same(PyObject *a, PyObject *b) {
    int same = a && b ? PyObject_RichCompareBool(a, b, Py_EQ) : 0;
    Py_XDECREF(a);
    Py_XDECREF(b);
    return same > 0;
}

/* n / (n - 1) sum (z_i - m v_i)^2 / v^2, where v^2 sum (z_i - m v_i)^2 = v (v zz - z zv) + z (z vv - v zv): nothing
   cancels unseen. Where all v_i are equal, it is (n zz - z^2) / ((n - 1) v^2). */
static PyObject *squared_error(const ExactSums *m, int64_t n_others) {
    PyObject *square = times(m->v, m->v), *divisor = product(PyLong_FromLongLong(n_others), Py_XNewRef(square)), *sum;
    if (are_same(times(m->n, m->vv), Py_XNewRef(square)) && are_same(times(m->n, m->zv), times(m->z, m->v))) {
        sum = difference(times(m->n, m->zz), times(m->z, m->z));
    } else {
        PyObject *first = difference(times(m->v, m->zz), times(m->z, m->zv));
        PyObject *second = difference(times(m->z, m->vv), times(m->v, m->zv));
        sum = combined(PyNumber_Add, product(Py_NewRef(m->v), first), product(Py_NewRef(m->z), second));
        sum = product(Py_NewRef(m->n), sum);
        divisor = product(divisor, Py_XNewRef(square));
    }
    Py_XDECREF(square);
    return quotient(sum, divisor);
}

/* The Python side of `app.core.sums.uncertainty`, and the spread, in standard errors, of means with so many rows more
   than one. */
typedef struct { PyObject *level, *type, *quantile, *no_mean, *ok; int64_t n_others; double spread; } Means;

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

/* A value; it takes its parts, of which the last two may be NULL for none. */
static PyObject *value_object(const Means *of, PyObject *number, PyObject *error, PyObject *interval) {
    PyObject *value = number ? PyType_GenericAlloc((PyTypeObject *)of->type, 6) : NULL;
    PyObject *parts[6] = {number, of->ok, NULL, error, interval, NULL};
    Py_INCREF(of->ok);
    for (int i = 0; i < 6; i++) {
        if (value) PyTuple_SetItem(value, i, parts[i] ? parts[i] : Py_NewRef(Py_None));
        else Py_XDECREF(parts[i]);
    }
    return value;
}

static PyObject *pair_of(double a, double b) {
    PyObject *pair = PyTuple_New(2);
    if (pair && (PyTuple_SetItem(pair, 0, PyFloat_FromDouble(a)) || PyTuple_SetItem(pair, 1, PyFloat_FromDouble(b))))
        Py_CLEAR(pair);
    return pair;
}

/* The mean of exact sums, which are borrowed. */
static PyObject *mean_of(Means *of, PyObject *sums) {
    PyObject *part[8], *error = NULL, *interval = NULL;
    for (int i = 0; i < 8; i++)
        if (!(part[i] = PyTuple_GetItem(sums, i))) return NULL;
    ExactSums m = {part[0], part[3], part[4], part[5], part[6], part[7]};
    if (PyObject_IsTrue(part[1]) || PyObject_IsTrue(part[2]) || !PyObject_IsTrue(m.v))
        return PyObject_CallFunctionObjArgs(of->no_mean, sums, NULL);
    PyObject *number = quotient(Py_NewRef(m.z), Py_NewRef(m.v));
    if (number == Py_None) return Py_DECREF(number), PyObject_CallFunctionObjArgs(of->no_mean, sums, NULL);
    int64_t n_others = PyLong_AsLongLong(m.n) - 1;
    PyObject *square = number && n_others > 0 ? squared_error(&m, n_others) : NULL;
    if (square && square != Py_None && learn_spread(of, n_others)) {
        double mean = PyFloat_AsDouble(number), deviation = sqrt(PyFloat_AsDouble(square));
        double low = mean - of->spread * deviation, high = mean + of->spread * deviation;
        error = PyFloat_FromDouble(deviation);
        if (isfinite(low) && isfinite(high)) interval = pair_of(low, high);
    }
    Py_XDECREF(square);
    if (PyErr_Occurred()) Py_CLEAR(number);
    return value_object(of, number, error, interval);
}

/* Arguments: exact sums by name, confidence level, type of values, quantile, mean of sums that have none. */
FUNCTION(py_means) {
    PyObject *name, *sums, *other, *other_sums, *values = NULL;
    (void)self;
    if (n_arguments != 5 || !PyDict_Check(arguments[0]) || !PyType_Check(arguments[2]))
        return PyErr_SetString(PyExc_TypeError, "takes sums by name, a level, a type and two functions"), NULL;
    Means of = {arguments[1], arguments[2], arguments[3], arguments[4], PyUnicode_InternFromString("ok"), 0, 0.0};
    values = of.ok ? PyDict_New() : NULL;
    for (Py_ssize_t at = 0; values && PyDict_Next(arguments[0], &at, &name, &sums);) {
        Py_ssize_t before = 0;
        while (PyDict_Next(arguments[0], &before, &other, &other_sums) && other_sums != sums) {}
        PyObject *value = other == name ? mean_of(&of, sums) : Py_XNewRef(PyDict_GetItemWithError(values, other));
        if (!value || PyDict_SetItem(values, name, value)) Py_CLEAR(values);
        Py_XDECREF(value);
    }
    Py_XDECREF(of.ok);
    return values;
}

static PyObject *sum_of(PyObject *numbers) {
    PyObject *sum = PyLong_FromLong(0);
    for (Py_ssize_t i = 0; i < PyList_Size(numbers); i++)
        sum = combined(PyNumber_Add, sum, Py_NewRef(PyList_GetItem(numbers, i)));
    return sum;
}

/* Takes a quotient, of which an error or None is NaN. */
static double taken(PyObject *quotient) {
    double number = quotient && quotient != Py_None ? PyFloat_AsDouble(quotient) : NAN;
    Py_XDECREF(quotient);
    return number;
}

/* Adds a number to a list; returns whether it could. */
static int append(PyObject *list, double number) {
    PyObject *item = PyErr_Occurred() ? NULL : PyFloat_FromDouble(number);
    int good = item && !PyList_Append(list, item);
    Py_XDECREF(item);
    return good;
}

/* Arguments: list of weights. Returns q log q for each share q of their sum that a double tells from 0. */
static PyObject *py_entropy_terms(PyObject *self, PyObject *weights) {
    (void)self;
    if (!PyList_Check(weights)) return PyErr_SetString(PyExc_TypeError, "takes a list"), NULL;
    PyObject *sum = sum_of(weights), *terms = sum ? PyList_New(0) : NULL;
    for (Py_ssize_t i = 0; terms && i < PyList_Size(weights); i++) {
        PyObject *weight = PyList_GetItem(weights, i);
        double share = PyObject_IsTrue(weight) ? taken(quotient(Py_NewRef(weight), Py_NewRef(sum))) : 0.0;
        if (share != 0.0 && !append(terms, share * log_of(share))) Py_CLEAR(terms);
    }
    Py_XDECREF(sum);
    return terms;
}

/* Arguments: lists of weights, and of two sums by weight. Returns, for all weights but 0, the list of the share that
   each has of their sum times the gap |one - other| / weight, and the largest gap. */
FUNCTION(py_gaps) {
    int fit = n_arguments == 3;
    double largest = 0.0;
    (void)self;
    for (int i = 0; i < 3; i++)
        fit = fit && PyList_Check(arguments[i]) && PyList_Size(arguments[i]) == PyList_Size(arguments[0]);
    if (!fit) return PyErr_SetString(PyExc_TypeError, "takes three lists of one length"), NULL;
    PyObject *sum = sum_of(arguments[0]), *terms = sum ? PyList_New(0) : NULL;
    for (Py_ssize_t i = 0; terms && i < PyList_Size(arguments[0]); i++) {
        PyObject *weight = PyList_GetItem(arguments[0], i);
        if (!PyObject_IsTrue(weight)) continue;
        PyObject *apart = PyNumber_Subtract(PyList_GetItem(arguments[1], i), PyList_GetItem(arguments[2], i));
        double gap = apart ? fabs(taken(quotient(apart, Py_NewRef(weight)))) : NAN;
        if (!append(terms, taken(quotient(Py_NewRef(weight), Py_NewRef(sum))) * gap)) Py_CLEAR(terms);
        largest = gap > largest ? gap : largest;
    }
    Py_XDECREF(sum);
    return terms ? Py_BuildValue("(Nd)", terms, largest) : NULL;
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
