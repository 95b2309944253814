/* Values of metrics from the means and the sums by group of a state. A formula that stands here stands nowhere else; one
   of Python is called. What a formula is to a reader, such as its source, the registry of metrics says.

   average          the mean itself
   exponential      e^mean, with e^bound for the bounds of its interval
   standardized     the mean, with z = mean / standard error
   baseline         entropy -sum q log q of the shares q of the classes in the weight
   skill            1 - mean / baseline
   expected_gap     sum over bins of their share of the weight times |confidence - frequency|
   largest_gap      the largest |confidence - frequency| of a bin of positive weight */

static PyObject *sum_of(PyObject *numbers) {
    PyObject *sum = PyLong_FromLong(0);
    for (Py_ssize_t i = 0; i < PyList_Size(numbers); i++)
        sum = combined(PyNumber_Add, sum, Py_NewRef(PyList_GetItem(numbers, i)));
    return sum;
}

/* Adds a number to a list; returns whether it could. */
static int append(PyObject *list, double number) {
    PyObject *item = PyErr_Occurred() ? NULL : PyFloat_FromDouble(number);
    int good = item && !PyList_Append(list, item);
    Py_XDECREF(item);
    return good;
}

/* Makes a list of q log q for each share q of the sum of weights that a double tells from 0. */
static PyObject *entropy_terms(PyObject *weights) {
    if (!PyList_Check(weights)) return PyErr_SetString(PyExc_TypeError, "takes a list"), NULL;
    Whole total, own;
    PyObject *sum = sum_of(weights), *terms = sum ? PyList_New(0) : NULL;
    if (sum) take_whole(sum, &total);
    for (Py_ssize_t i = 0; terms && i < PyList_Size(weights); i++) {
        PyObject *weight = PyList_GetItem(weights, i);
        if (!PyObject_IsTrue(weight)) continue;
        take_whole(weight, &own);
        double share = quotient(&own, &total);
        if (share != 0.0 && !append(terms, share * log_of(share))) Py_CLEAR(terms);
    }
    Py_XDECREF(sum);
    return terms;
}

/* Makes, of lists of weights and of two sums by weight, for all weights but 0 a list of the share that each has of their
   sum times the gap |one - other| / weight; finds the largest gap. */
static PyObject *gap_terms(PyObject *const *lists, double *largest) {
    int fit = 1;
    *largest = 0.0;
    for (int i = 0; i < 3; i++) fit = fit && PyList_Check(lists[i]) && PyList_Size(lists[i]) == PyList_Size(lists[0]);
    if (!fit) return PyErr_SetString(PyExc_TypeError, "takes three lists of one length"), NULL;
    Whole total, own, apart;
    PyObject *sum = sum_of(lists[0]), *terms = sum ? PyList_New(0) : NULL;
    if (sum) take_whole(sum, &total);
    for (Py_ssize_t i = 0; terms && i < PyList_Size(lists[0]); i++) {
        PyObject *weight = PyList_GetItem(lists[0], i);
        if (!PyObject_IsTrue(weight)) continue;
        PyObject *difference = PyNumber_Subtract(PyList_GetItem(lists[1], i), PyList_GetItem(lists[2], i));
        take_whole(weight, &own);
        if (difference) take_whole(difference, &apart);
        double gap = difference ? fabs(quotient(&apart, &own)) : NAN;
        Py_XDECREF(difference);
        if (!append(terms, quotient(&own, &total) * gap)) Py_CLEAR(terms);
        *largest = gap > *largest ? gap : *largest;
    }
    Py_XDECREF(sum);
    return terms;
}

/* The sum of a list of doubles, rounded once by `math.fsum`; takes the list. NaN with an error set. */
static double rounded_sum(PyObject *fsum, PyObject *terms) {
    PyObject *sum = terms ? PyObject_CallFunctionObjArgs(fsum, terms, NULL) : NULL;
    double number = sum ? PyFloat_AsDouble(sum) : NAN;
    Py_XDECREF(terms);
    Py_XDECREF(sum);
    return number;
}

/* Arguments: three lists as `gap_terms` takes them, and math.fsum. Returns the expected and the largest gap. */
FUNCTION(py_gaps) {
    double largest, expected;
    (void)self;
    if (n_arguments != 4) return PyErr_SetString(PyExc_TypeError, "takes three lists of one length, and a function"), NULL;
    expected = rounded_sum(arguments[3], gap_terms(arguments, &largest));
    return PyErr_Occurred() ? NULL : Py_BuildValue("(dd)", expected, largest);
}

enum { AVERAGE, EXPONENTIAL, STANDARDIZED, BASELINE, SKILL, EXPECTED_GAP, LARGEST_GAP, OF_VIEW, OF_ROWS };

/* The names of tables, of their field and of its columns. */
enum { CALIBRATION, CLASS_FREQUENCIES, COLUMNS, WEIGHT, CONFIDENCE_SUM, FREQUENCY_SUM, TABLE_NAMES };

/* What formulas read. Objects are borrowed but for the values at the end, which are made when first asked for. */
typedef struct {
    PyObject *means, *groups, *names, *view, *rows, *undefined, *fsum;
    Values of;
    PyObject *baseline, *expected_gap, *largest_gap;
} Known;

static PyObject *none_of(const Known *known, const char *reason) {
    return PyObject_CallFunction(known->undefined, "s", reason);
}

/* A new reference to the sums of a column of a table, a list. */
static PyObject *column_of(const Known *known, int table, int name) {
    PyObject *sums = PyObject_GetItem(known->groups, PyTuple_GetItem(known->names, table));
    PyObject *columns = sums ? PyObject_GetAttr(sums, PyTuple_GetItem(known->names, COLUMNS)) : NULL;
    PyObject *column = columns ? PyObject_GetItem(columns, PyTuple_GetItem(known->names, name)) : NULL;
    Py_XDECREF(sums);
    Py_XDECREF(columns);
    return column;
}

static PyObject *baseline_of(const Known *known) {
    PyObject *weights = column_of(known, CLASS_FREQUENCIES, WEIGHT), *terms = NULL;
    if (weights) terms = entropy_terms(weights);
    Py_XDECREF(weights);
    if (terms && !PyList_Size(terms)) return Py_DECREF(terms), none_of(known, "no scored row has positive weight");
    double sum = rounded_sum(known->fsum, terms);
    return PyErr_Occurred() ? NULL : plain_value(&known->of, 0.0 - sum);
}

/* Makes both values of the gaps of bins; returns 0 with an error set. */
static int know_gaps(Known *known) {
    PyObject *column[3] = {column_of(known, CALIBRATION, WEIGHT), NULL, NULL}, *terms = NULL;
    double largest = 0.0;
    if (column[0]) column[1] = column_of(known, CALIBRATION, CONFIDENCE_SUM);
    if (column[1]) column[2] = column_of(known, CALIBRATION, FREQUENCY_SUM);
    if (column[2]) terms = gap_terms(column, &largest);
    for (int i = 0; i < 3; i++) Py_XDECREF(column[i]);
    double sum = rounded_sum(known->fsum, terms);
    if (PyErr_Occurred()) return 0;
    known->expected_gap = plain_value(&known->of, sum), known->largest_gap = plain_value(&known->of, largest);
    return known->expected_gap && known->largest_gap;
}

/* A field of a value as a double; NaN where there is none. */
static double number_in(PyObject *value, int field) {
    PyObject *item = PyTuple_GetItem(value, field);
    return item && item != Py_None ? PyFloat_AsDouble(item) : NAN;
}

static PyObject *exponential_of(const Known *known, PyObject *mean) {
    double number = number_in(mean, VALUE), bound[2];
    if (isnan(number)) return Py_NewRef(mean);
    if (isinf(number = exp(number))) return none_of(known, "overflow");
    PyObject *interval = PyTuple_GetItem(mean, INTERVAL), *parts[VALUE_FIELDS] = {PyFloat_FromDouble(number)};
    for (int i = 0; i < 2 && PyTuple_Check(interval); i++) bound[i] = exp(number_in(interval, i));
    if (PyTuple_Check(interval) && isfinite(bound[0]) && isfinite(bound[1])) parts[INTERVAL] = pair_of(bound[0], bound[1]);
    return value_of_parts(&known->of, parts);
}

static PyObject *standardized(const Known *known, PyObject *mean) {
    double number = number_in(mean, VALUE), error = number_in(mean, ERROR);
    if (isnan(number) || !(error > 0.0)) return Py_NewRef(mean);
    PyObject *parts[VALUE_FIELDS] = {NULL};
    for (int i = VALUE; i < Z; i++)
        if (i != STATUS && PyTuple_GetItem(mean, i) != Py_None) parts[i] = Py_NewRef(PyTuple_GetItem(mean, i));
    parts[Z] = PyFloat_FromDouble(number / error);
    return value_of_parts(&known->of, parts);
}

static PyObject *skill(const Known *known, PyObject *mean) {
    double loss = number_in(mean, VALUE), entropy = number_in(known->baseline, VALUE);
    if (isnan(entropy)) return Py_NewRef(known->baseline);
    if (entropy == 0.0) return none_of(known, "one class only");
    return isnan(loss) ? Py_NewRef(mean) : plain_value(&known->of, 1.0 - loss / entropy);
}

/* Makes the value of a formula in nats; `of` is the name of a mean, or a function for one of Python. */
static PyObject *value_by(Known *known, long formula, PyObject *of) {
    int has_gap = formula == EXPECTED_GAP || formula == LARGEST_GAP, has_baseline = formula == BASELINE || formula == SKILL;
    int has_mean = formula <= STANDARDIZED || formula == SKILL;
    PyObject *mean = has_mean ? PyDict_GetItemWithError(known->means, of) : NULL;
    if (has_mean && !mean) return PyErr_Occurred() ? NULL : (PyErr_SetObject(PyExc_KeyError, of), NULL);
    if (has_gap && !known->largest_gap && !know_gaps(known)) return NULL;
    if (has_baseline && !known->baseline && !(known->baseline = baseline_of(known))) return NULL;
    switch (formula) {
    case AVERAGE: return Py_NewRef(mean);
    case EXPONENTIAL: return exponential_of(known, mean);
    case STANDARDIZED: return standardized(known, mean);
    case SKILL: return skill(known, mean);
    case BASELINE: return Py_NewRef(known->baseline);
    case EXPECTED_GAP: return Py_NewRef(known->expected_gap);
    case LARGEST_GAP: return Py_NewRef(known->largest_gap);
    default: return PyObject_CallFunctionObjArgs(of, formula == OF_VIEW ? known->view : known->rows, NULL);
    }
}

/* Takes a value in nats, and makes that in the unit of an answer; one without a number is explained by the metric. */
static PyObject *in_unit(PyObject *value, PyObject *divisor, PyObject *explained, PyObject *view) {
    double number = value ? number_in(value, VALUE) : NAN, by = value ? PyFloat_AsDouble(divisor) : 1.0;
    if (!value || PyErr_Occurred()) return Py_XDECREF(value), NULL;
    if (PyTuple_GetItem(value, VALUE) != Py_None && by == 1.0 && isfinite(number)) return value;
    PyObject *shown = PyTuple_GetItem(value, VALUE) == Py_None
                          ? PyObject_CallFunctionObjArgs(explained, value, view, NULL)
                          : PyObject_CallMethod(value, "scaled", "O", divisor);
    Py_DECREF(value);
    return shown;
}

/* Arguments: steps, means by name, sums by group by table, the names in them, the view and the rows for formulas of
   Python, the type of values, the function that makes one without a number, and math.fsum. A step is (name, formula, what
   it is of, divisor, function that explains a value without a number). Returns the values by name. */
FUNCTION(py_values) {
    int fit = n_arguments == 9 && PyTuple_Check(arguments[0]) && PyDict_Check(arguments[1]);
    (void)self;
    if (!fit || !PyTuple_Check(arguments[3]) || PyTuple_Size(arguments[3]) != TABLE_NAMES || !PyType_Check(arguments[6]))
        return PyErr_SetString(PyExc_TypeError, "takes steps, means, sums, names, a view, rows, a type, functions"), NULL;
    Known known = {arguments[1], arguments[2], arguments[3], arguments[4], arguments[5], arguments[7], arguments[8],
                   values_of_type(arguments[6]), NULL, NULL, NULL};
    PyObject *values = known.of.ok ? PyDict_New() : NULL;
    for (Py_ssize_t i = 0; values && i < PyTuple_Size(arguments[0]); i++) {
        PyObject *step = PyTuple_GetItem(arguments[0], i), *value = NULL;
        if (!PyTuple_Check(step) || PyTuple_Size(step) != 5) PyErr_SetString(PyExc_TypeError, "takes steps of five parts");
        else value = value_by(&known, PyLong_AsLong(PyTuple_GetItem(step, 1)), PyTuple_GetItem(step, 2));
        if (value) value = in_unit(value, PyTuple_GetItem(step, 3), PyTuple_GetItem(step, 4), known.view);
        if (!value || PyDict_SetItem(values, PyTuple_GetItem(step, 0), value)) Py_CLEAR(values);
        Py_XDECREF(value);
    }
    Py_XDECREF(known.baseline);
    Py_XDECREF(known.expected_gap);
    Py_XDECREF(known.largest_gap);
    Py_XDECREF(known.of.ok);
    return values;
}
