/* Quantities of rows and their sums by one call, where kernels write every quantity and nothing but ones weighs: the
   matrix lives no longer than the call. Arguments are checked as those of row_calls.h and sum_calls.h are. */

/* A matrix to be filled and added up, and what is asked of it; objects are borrowed. */
typedef struct {
    Matrix rows;
    SumMatrix sums;
    double *numbers;
    PyObject *pairs, *bins, *by_label;
    Py_ssize_t start; /* the first row of the batch */
} Tally;

static int refuse_tally(const char *rule) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, rule);
    return 0;
}

static int fill_zeros(Tally *tally, PyObject *zeros) {
    if (!PyTuple_Check(zeros)) return refuse_tally("takes a tuple of rows of zeros");
    for (Py_ssize_t i = 0; i < PyTuple_Size(zeros); i++) {
        Py_ssize_t row = PyLong_AsSsize_t(PyTuple_GetItem(zeros, i));
        if (row < 0 || row >= tally->sums.n_rows) return refuse_tally("rows of zeros must be rows of the matrix");
        memset(tally->numbers + row * tally->sums.n, 0, sizeof(double) * (size_t)tally->sums.n);
    }
    return 1;
}

/* Reads (first row, end, asked) of a batch of n_rows and makes the matrix, where `asked` is (number of its rows, places
   of quantities, rows of zeros, pairs, bins, rows to sum by label). Returns 0 with an error set. */
static int begin_tally(Tally *tally, PyObject *const *arguments, Py_ssize_t n_rows, int n_places) {
    Py_ssize_t start = PyLong_AsSsize_t(arguments[0]), end = PyLong_AsSsize_t(arguments[1]);
    PyObject *asked = arguments[2], *part[6];
    *tally = (Tally){.start = start, .rows.n_columns = end - start, .sums.n = end - start};
    if (PyErr_Occurred() || start < 0 || start > end || end > n_rows) return refuse_tally("takes rows of the batch");
    if (!PyTuple_Check(asked) || PyTuple_Size(asked) != 6) return refuse_tally("takes what is asked in six parts");
    for (int i = 0; i < 6; i++) part[i] = PyTuple_GetItem(asked, i);
    tally->sums.n_rows = PyLong_AsSsize_t(part[0]);
    tally->pairs = part[3], tally->bins = part[4], tally->by_label = part[5];
    int fits = tally->sums.n_rows > 0 && tally->sums.n <= MOST_ADDENDS && PyTuple_Check(part[3]);
    if (!fits || !PyTuple_Check(part[4]) || !PyTuple_Check(part[5])) return refuse_tally("takes rows, pairs and groups");
    if (!read_places(part[1], n_places, tally->sums.n_rows, tally->rows.place))
        return refuse_tally("places must be rows of the matrix, or -1, one for each quantity");
    size_t n_numbers = (size_t)tally->sums.n_rows * (size_t)tally->sums.n;
    tally->numbers = malloc(sizeof(double) * (n_numbers + 1));
    if (!tally->numbers) return PyErr_NoMemory(), 0;
    tally->rows.out = tally->numbers, tally->sums.x = tally->numbers;
    return fill_zeros(tally, part[2]);
}

/* Copies rows of the matrix into arrays with a number for each row of the batch, given pairs (row, array); the row -1
   stands for ones. */
static int keep_rows(const Tally *tally, PyObject *kept) {
    const Py_ssize_t n = tally->sums.n;
    if (!PyTuple_Check(kept)) return refuse_tally("takes a tuple of rows that are kept");
    for (Py_ssize_t i = 0; i < PyTuple_Size(kept); i++) {
        Arrays out;
        PyObject *pair = PyTuple_GetItem(kept, i), *array = NULL;
        if (PyTuple_Check(pair) && PyTuple_Size(pair) == 2) array = PyTuple_GetItem(pair, 1);
        Py_ssize_t row = array ? PyLong_AsSsize_t(PyTuple_GetItem(pair, 0)) : -1;
        if (!array || row < -1 || row >= tally->sums.n_rows) return refuse_tally("takes rows of the matrix, each with an array");
        if (!take(&out, &array, 1, "D")) return 0;
        const double *x = row < 0 ? NULL : tally->numbers + row * n;
        int fits = out.n[0] - tally->start >= n;
        for (Py_ssize_t j = 0; fits && j < n; j++) DOUBLES(&out, 0)[tally->start + j] = x ? x[j] : 1.0;
        give_back(&out);
        if (!fits) return refuse_tally("rows are kept in arrays as long as the batch");
    }
    return 1;
}

/* Makes (packed moments of the pairs, sums of each grouping), those by label last; None where a row is left out of a sum,
   or a number that is summed by group is not finite. Labels may be NULL where nothing is summed by label. */
static PyObject *sums_of(const Tally *tally, PyObject *kept, const int64_t *labels, Py_ssize_t n_groups) {
    Py_ssize_t n_left_out = 0;
    PyObject *moments = keep_rows(tally, kept) ? moments_of(tally->pairs, &tally->sums, &n_left_out) : NULL;
    PyObject *groups = NULL, *by_label = NULL;
    PyObject *both = NULL;
    if (moments && n_left_out) Py_DECREF(moments), moments = Py_NewRef(Py_None);
    if (moments && moments != Py_None) groups = list_of_groupings(tally->bins, &tally->sums);
    if (groups && groups != Py_None && PyTuple_Size(tally->by_label)) {
        Grouping by = {.groups = labels, .n = tally->sums.n, .n_groups = n_groups};
        if (labels && n_groups > 0) by_label = group_sums(&by, &tally->sums, tally->by_label);
        else refuse_tally("rows are summed by label where there is one a row");
        if (!by_label || PyList_Append(groups, by_label)) Py_CLEAR(groups);
    }
    if (moments == Py_None || groups == Py_None || by_label == Py_None) both = Py_NewRef(Py_None);
    else if (groups) both = PyTuple_Pack(2, moments, groups);
    Py_XDECREF(moments);
    Py_XDECREF(groups);
    Py_XDECREF(by_label);
    return both;
}

/* Arguments: scores (n, k), labels (n,), form, first row, end, what is asked, rows that are kept. */
FUNCTION(py_class_tally) {
    Arrays a;
    Tally tally = {.numbers = NULL};
    PyObject *sums = NULL;
    (void)self;
    if (n_arguments != 7)
        return PyErr_SetString(PyExc_TypeError, "takes scores, labels, form, rows, what is asked and what is kept"), NULL;
    if (!take(&a, arguments, 2, "di")) return NULL;
    int form = read_form(arguments[2], N_FORMS), good = 0;
    if (form < 0 || a.view[0].ndim != 2 || a.view[0].shape[0] != a.n[1] || a.view[0].shape[1] < 1) {
        refuse_tally("scores (n, k) of a known form and labels (n,) must fit each other");
    } else if (begin_tally(&tally, arguments + 3, a.n[1], CLASS_QUANTITIES)) {
        Py_ssize_t k = a.view[0].shape[1], n = tally.sums.n;
        const int64_t *labels = WHOLES(&a, 1) + tally.start;
        ClassRows rows = {form, k, DOUBLES(&a, 0) + tally.start * k, labels, tally.rows};
        RUN(n * k, good = class_rows(&rows, n, NULL, NULL));
        if (good > 0) sums = sums_of(&tally, arguments[6], labels, k);
        else if (good < 0) PyErr_NoMemory();
        else refuse_tally("labels must be numbers of classes");
    }
    free(tally.numbers);
    give_back(&a);
    return sums;
}

/* Arguments: scores (n,) or (n, l), labels of that shape, form, threshold, first row, end, what is asked, rows
   that are kept. */
FUNCTION(py_element_tally) {
    Arrays a;
    Tally tally = {.numbers = NULL};
    PyObject *sums = NULL;
    (void)self;
    if (n_arguments != 8)
        return PyErr_SetString(PyExc_TypeError, "takes scores, labels, form, threshold, rows, what is asked and kept"), NULL;
    if (!take(&a, arguments, 2, "di")) return NULL;
    const Py_buffer *view = &a.view[0];
    int form = read_form(arguments[2], LOG_PROBABILITIES), good = 0;
    double threshold = form < 0 ? 0.0 : PyFloat_AsDouble(arguments[3]);
    Py_ssize_t width = view->ndim == 2 ? view->shape[1] : view->ndim;
    if (form < 0 || PyErr_Occurred() || view->ndim > 2 || width < 1 || a.n[1] != a.n[0]) {
        refuse_tally("scores (n,) or (n, l) of a known form, labels and a threshold must fit each other");
    } else if (begin_tally(&tally, arguments + 4, view->shape[0], ELEMENT_QUANTITIES)) {
        Py_ssize_t n = tally.sums.n, first = tally.start * width;
        const int64_t *labels = WHOLES(&a, 1) + first;
        ElementRows rows = {form, threshold, width, DOUBLES(&a, 0) + first, labels, NULL, tally.rows};
        RUN(n * width, good = element_rows(&rows, n));
        if (good > 0) sums = sums_of(&tally, arguments[7], view->ndim == 1 ? labels : NULL, 2);
        else if (good < 0) PyErr_NoMemory();
        else refuse_tally("labels must be 0 or 1");
    }
    free(tally.numbers);
    give_back(&a);
    return sums;
}

/* Arguments: log-probabilities, offsets, first document, end, what is asked, rows that are kept. */
FUNCTION(py_token_tally) {
    Arrays a;
    Tally tally = {.numbers = NULL};
    PyObject *sums = NULL;
    int good;
    (void)self;
    if (n_arguments != 6)
        return PyErr_SetString(PyExc_TypeError, "takes numbers, offsets, rows, what is asked and what is kept"), NULL;
    if (!take(&a, arguments, 2, "di")) return NULL;
    if (!a.n[1]) refuse_tally("there must be an offset behind the last document");
    else if (begin_tally(&tally, arguments + 2, a.n[1] - 1, TOKEN_QUANTITIES)) {
        const int64_t *offsets = WHOLES(&a, 1) + tally.start;
        RUN(a.n[0], good = token_rows(DOUBLES(&a, 0), a.n[0], offsets, tally.sums.n, &tally.rows));
        if (good) sums = sums_of(&tally, arguments[5], NULL, 0);
        else refuse_tally("documents must hold a token or more each, among the log-probabilities");
    }
    free(tally.numbers);
    give_back(&a);
    return sums;
}
