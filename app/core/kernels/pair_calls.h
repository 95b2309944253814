/* Python's side of the loops over pairs of losses, and of what their sums tell. */

/* Takes losses (c, N), and tells whether a matrix of so many rows has room for those of paired losses. */
static int take_losses(Arrays *a, PyObject *const *arguments, Py_ssize_t *n_candidates) {
    if (!take(a, arguments, 1, "d")) return 0;
    const Py_buffer *view = &a->view[0];
    *n_candidates = view->ndim == 2 ? view->shape[0] : 0;
    return *n_candidates > 0 || refuse(a, "takes losses (c, n) of candidates, the baseline first");
}

/* Arguments: losses (c, n), room for a matrix (3 c - 1, n) or more rows. */
FUNCTION(py_paired_rows) {
    Arrays a, out;
    Py_ssize_t n_candidates;
    (void)self;
    if (n_arguments != 2) return PyErr_SetString(PyExc_TypeError, "takes losses and room for a matrix"), NULL;
    if (!take_losses(&a, arguments, &n_candidates)) return NULL;
    if (!take(&out, arguments + 1, 1, "D")) return give_back(&a), NULL;
    Py_ssize_t n = a.view[0].shape[1];
    int fits = out.view[0].ndim == 2 && out.view[0].shape[0] >= PAIRED_ROWS(n_candidates) && out.view[0].shape[1] == n;
    if (!fits) return refuse_both(&a, &out, "the matrix must have three rows for each candidate but one");
    RUN(a.n[0], paired_rows(DOUBLES(&a, 0), n, n_candidates, n, DOUBLES(&out, 0)));
    give_back(&out);
    give_back(&a);
    Py_RETURN_NONE;
}

/* The counts of wins, losses and ties of each pair, a list for each outcome. */
static PyObject *outcomes_of(const double *matrix, Py_ssize_t n_pairs, Py_ssize_t n) {
    PyObject *counts = Py_BuildValue("[NNN]", PyList_New(n_pairs), PyList_New(n_pairs), PyList_New(n_pairs));
    for (Py_ssize_t pair = 0; counts && pair < n_pairs; pair++) {
        Py_ssize_t found[3];
        count_outcomes(matrix + (PAIR_ROWS + ROWS_OF_PAIR * pair + DIFFERENCE) * n, n, &found[0], &found[1]);
        found[2] = n - found[0] - found[1];
        for (int i = 0; i < 3; i++) PyList_SetItem(PyList_GetItem(counts, i), pair, PyLong_FromSsize_t(found[i]));
    }
    if (PyErr_Occurred()) Py_CLEAR(counts);
    return counts;
}

/* Arguments: losses (c, N), first row, end, what is asked. Returns packed moments, and lists of counts of wins, losses and
   ties; None where a loss is infinite. */
FUNCTION(py_pair_tally) {
    Arrays a;
    Tally tally = {.numbers = NULL};
    Py_ssize_t n_candidates, n_left_out = 0;
    PyObject *moments = NULL, *counts = NULL, *both = NULL;
    (void)self;
    if (n_arguments != 4) return PyErr_SetString(PyExc_TypeError, "takes losses, rows, and what is asked"), NULL;
    if (!take_losses(&a, arguments, &n_candidates)) return NULL;
    Py_ssize_t stride = a.view[0].shape[1];
    if (begin_tally(&tally, arguments + 1, stride, 0)) {
        const Py_ssize_t n = tally.sums.n;
        if (tally.sums.n_rows < PAIRED_ROWS(n_candidates)) refuse_tally("takes three rows for each candidate but one");
        else {
            RUN(n * n_candidates, paired_rows(DOUBLES(&a, 0) + tally.start, stride, n_candidates, n, tally.numbers));
            moments = moments_of(tally.pairs, &tally.sums, &n_left_out);
        }
        if (moments && (n_left_out || moments == Py_None)) both = Py_NewRef(Py_None);
        else if (moments && (counts = outcomes_of(tally.numbers, n_candidates - 1, n))) both = PyTuple_Pack(2, moments, counts);
    }
    Py_XDECREF(moments);
    Py_XDECREF(counts);
    free(tally.numbers);
    give_back(&a);
    return both;
}
