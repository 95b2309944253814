/* Python's side of the loops over batches. Their arguments are checked here, so that no loop leaves an array. */

/* Gives back all arrays that were taken, and sets an error. */
static PyObject *refuse_both(Arrays *a, Arrays *b, const char *rule) {
    give_back(b);
    refuse(a, rule);
    return NULL;
}

static int read_form(PyObject *form, int n_forms) {
    long number = PyLong_AsLong(form);
    if (PyErr_Occurred()) return -1;
    return number < 0 || number >= n_forms ? -1 : (int)number;
}

/* Reads n_places places in a matrix with n_rows; returns 0 unless there are as many, each -1 or a row. */
static int read_places(PyObject *places, int n_places, Py_ssize_t n_rows, Py_ssize_t *place) {
    if (!PyTuple_Check(places) || PyTuple_Size(places) != n_places) return 0;
    for (int i = 0; i < n_places; i++) {
        place[i] = PyLong_AsSsize_t(PyTuple_GetItem(places, i));
        if (PyErr_Occurred() || place[i] < -1 || place[i] >= n_rows) return 0;
    }
    return 1;
}

/* Takes the matrix of `arguments` (matrix, first column, places), into which n columns are to be written. */
static int take_matrix(Arrays *out, PyObject *const *arguments, Py_ssize_t n, int n_places, Matrix *matrix) {
    if (!take(out, arguments, 1, "D")) return 0;
    const Py_buffer *view = &out->view[0];
    if (view->ndim != 2) return refuse(out, "quantities go into a matrix");
    Py_ssize_t start = PyLong_AsSsize_t(arguments[1]);
    if (PyErr_Occurred() || start < 0 || start > view->shape[1] - n)
        return refuse(out, "the matrix must have a column for each row");
    *matrix = (Matrix){.out = DOUBLES(out, 0), .n_columns = view->shape[1], .column = start};
    if (!read_places(arguments[2], n_places, view->shape[0], matrix->place))
        return refuse(out, "places must be rows of the matrix, or -1, one for each quantity");
    return 1;
}

static PyObject *verdict_object(const Verdict *verdict) {
    return Py_BuildValue("(nddOO)", verdict->row, verdict->spread.least, verdict->spread.largest,
                         verdict->spread.has_fractions ? Py_True : Py_False, verdict->is_lookalike ? Py_True : Py_False);
}

/* Arguments: scores, labels, form, tolerance or None for rows that are sound, matrix, its first column to write, places.
   Returns the verdict on the rows, or None. */
FUNCTION(py_class_rows) {
    Arrays a, out;
    ClassRows rows;
    int good;
    (void)self;
    if (n_arguments != 7)
        return PyErr_SetString(PyExc_TypeError, "takes scores, labels, form, tolerance, matrix, column, places"), NULL;
    if (!take(&a, arguments, 2, "di")) return NULL;
    Py_ssize_t n = a.n[1];
    int judged = arguments[3] != Py_None;
    rows.form = read_form(arguments[2], N_FORMS);
    double tolerance = judged && rows.form >= 0 ? PyFloat_AsDouble(arguments[3]) : 0.0;
    if (rows.form < 0 || PyErr_Occurred() || a.view[0].ndim != 2 || a.view[0].shape[0] != n || a.view[0].shape[1] < 1) {
        refuse(&a, "scores (n, k) of a known form, labels (n,) and a tolerance must fit each other");
        return NULL;
    }
    if (!take_matrix(&out, arguments + 4, n, CLASS_QUANTITIES, &rows.matrix)) return give_back(&a), NULL;
    rows.k = a.view[0].shape[1], rows.x = DOUBLES(&a, 0), rows.labels = WHOLES(&a, 1);
    const Rule rule = {rows.form, rows.k, tolerance};
    Verdict verdict = no_fault(&rule, n);
    RUN(a.n[0], good = class_rows(&rows, n, judged ? &rule : NULL, &verdict));
    if (good == 0) return refuse_both(&a, &out, "labels must be numbers of classes");
    give_back(&out);
    give_back(&a);
    if (good < 0) return PyErr_NoMemory();
    return judged ? verdict_object(&verdict) : Py_NewRef(Py_None);
}

/* Arguments: scores, labels, mask or None, form, threshold, matrix, its first column to write, places. */
FUNCTION(py_element_rows) {
    Arrays a, out;
    ElementRows rows;
    int good;
    (void)self;
    if (n_arguments != 8)
        return PyErr_SetString(PyExc_TypeError, "takes scores, labels, mask, form, threshold, matrix, column, places"),
               NULL;
    int masked = arguments[2] != Py_None;
    if (!take(&a, arguments, masked ? 3 : 2, masked ? "dib" : "di")) return NULL;
    const Py_buffer *view = &a.view[0];
    rows.form = read_form(arguments[3], LOG_PROBABILITIES);
    rows.threshold = rows.form < 0 ? 0.0 : PyFloat_AsDouble(arguments[4]);
    rows.width = view->ndim == 2 ? view->shape[1] : view->ndim;
    if (rows.form < 0 || PyErr_Occurred() || view->ndim > 2 || rows.width < 1 || a.n[1] != a.n[0] ||
        (masked && a.n[2] != a.n[0])) {
        refuse(&a, "scores (n,) or (n, l) of a known form, labels, a mask and a threshold must fit each other");
        return NULL;
    }
    Py_ssize_t n = view->shape[0];
    if (!take_matrix(&out, arguments + 5, n, ELEMENT_QUANTITIES, &rows.matrix)) return give_back(&a), NULL;
    rows.x = DOUBLES(&a, 0), rows.labels = WHOLES(&a, 1), rows.mask = masked ? FLAGS(&a, 2) : NULL;
    RUN(a.n[0], good = element_rows(&rows, n));
    if (good == 0) return refuse_both(&a, &out, "labels must be 0 or 1");
    give_back(&out);
    give_back(&a);
    if (good < 0) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* Arguments: log-probabilities, offsets, matrix, its first column to write, places. */
FUNCTION(py_token_rows) {
    Arrays a, out;
    Matrix matrix;
    int good;
    (void)self;
    if (n_arguments != 5)
        return PyErr_SetString(PyExc_TypeError, "takes log-probabilities, offsets, matrix, column and places"), NULL;
    if (!take(&a, arguments, 2, "di")) return NULL;
    if (!a.n[1] && !refuse(&a, "there must be an offset behind the last document")) return NULL;
    if (!take_matrix(&out, arguments + 2, a.n[1] - 1, TOKEN_QUANTITIES, &matrix)) return give_back(&a), NULL;
    RUN(a.n[0], good = token_rows(DOUBLES(&a, 0), a.n[0], WHOLES(&a, 1), a.n[1] - 1, &matrix));
    if (!good) return refuse_both(&a, &out, "documents must hold a token or more each, among the log-probabilities");
    give_back(&out);
    give_back(&a);
    Py_RETURN_NONE;
}

/* Arguments: scores, labels or None, form, tolerance. Serves rows over classes and rows of elements. */
static PyObject *verdict_on(PyObject *const *arguments, Py_ssize_t n_arguments, int of_classes) {
    Arrays a;
    Verdict verdict;
    if (n_arguments != 4) return PyErr_SetString(PyExc_TypeError, "takes scores, labels, form and tolerance"), NULL;
    int labelled = arguments[1] != Py_None;
    if (!take(&a, arguments, labelled ? 2 : 1, labelled ? "di" : "d")) return NULL;
    int form = read_form(arguments[2], of_classes ? N_FORMS : LOG_PROBABILITIES), n_dimensions = a.view[0].ndim;
    double tolerance = form < 0 ? 0.0 : PyFloat_AsDouble(arguments[3]);
    Py_ssize_t n = n_dimensions ? a.view[0].shape[0] : 0, k = n_dimensions == 2 ? a.view[0].shape[1] : 1;
    int fits = n_dimensions == 2 || (n_dimensions == 1 && !of_classes);
    if (form < 0 || PyErr_Occurred() || !fits || k < 1 || (labelled && a.n[1] != (of_classes ? n : n * k))) {
        refuse(&a, "scores of a known form, labels and a tolerance must fit each other");
        return NULL;
    }
    const int64_t *labels = labelled ? WHOLES(&a, 1) : NULL;
    const Rule rule = {form, k, tolerance};
    RUN(a.n[0], verdict = of_classes ? class_verdict(&rule, DOUBLES(&a, 0), labels, n)
                                     : element_verdict(form, DOUBLES(&a, 0), labels, n, k, tolerance));
    give_back(&a);
    if (verdict.row < 0) return PyErr_NoMemory();
    return verdict_object(&verdict);
}

FUNCTION(py_class_verdict) { (void)self; return verdict_on(arguments, n_arguments, 1); }
FUNCTION(py_element_verdict) { (void)self; return verdict_on(arguments, n_arguments, 0); }
