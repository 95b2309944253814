/* Python's side of the loops over pairs of losses. */

/* Takes arrays of doubles; all but the last, which is written to, may be None. `at` says where each stands. */
static int take_some(Arrays *a, PyObject *const *arguments, int n, int *at) {
    PyObject *taken[MOST_ARGUMENTS];
    char kinds[MOST_ARGUMENTS + 1] = "";
    int n_taken = 0;
    for (int i = 0; i < n; i++) {
        at[i] = arguments[i] == Py_None ? -1 : n_taken;
        if (at[i] < 0) continue;
        kinds[n_taken] = i == n - 1 ? 'D' : 'd';
        taken[n_taken++] = arguments[i];
    }
    return take(a, taken, n_taken, kinds);
}

/* Arguments: our losses, theirs, weights or None, counts or None, room for rows. Returns rows that we win and lose. */
FUNCTION(py_pair_rows) {
    Arrays a;
    int at[5];
    Py_ssize_t wins, losses;
    (void)self;
    if (n_arguments != 5) return PyErr_SetString(PyExc_TypeError, "takes two losses, weights, counts and room"), NULL;
    if (!take_some(&a, arguments, 5, at)) return NULL;
    Py_ssize_t n = at[0] == 0 && at[1] == 1 ? a.n[0] : -1, n_rows = at[3] < 0 ? 4 : 5;
    int fits = n >= 0 && at[4] > 1 && a.n[at[4]] == n_rows * n;
    for (int i = 1; i < 4; i++) fits &= at[i] < 0 || a.n[at[i]] == n;
    if (!fits && !refuse(&a, "arrays must fit each other")) return NULL;
    Pairs pairs = {DOUBLES(&a, 0), DOUBLES(&a, 1), at[2] < 0 ? NULL : DOUBLES(&a, at[2]),
                   at[3] < 0 ? NULL : DOUBLES(&a, at[3]), n};
    RUN(n, pair_rows(&pairs, DOUBLES(&a, at[4]), &wins, &losses));
    give_back(&a);
    return Py_BuildValue("(nn)", wins, losses);
}

/* Arguments: rows, counts or None, room for residuals, mean difference, both mean losses. Returns whether residuals are
   finite and whether the difference varies. */
FUNCTION(py_pair_residuals) {
    Arrays a;
    int at[3], finite, varies;
    PairMeans of;
    (void)self;
    if (n_arguments != 6) return PyErr_SetString(PyExc_TypeError, "takes rows, counts, room and three means"), NULL;
    for (int i = 0; i < 3; i++) of.mean[i] = PyFloat_AsDouble(arguments[3 + i]);
    if (PyErr_Occurred() || !take_some(&a, arguments, 3, at)) return NULL;
    of.n = at[2] > 0 ? a.n[at[2]] / 2 : -1;
    int fits = at[0] == 0 && of.n >= 0 && a.n[at[2]] == 2 * of.n && a.n[0] >= 4 * of.n;
    fits &= at[1] < 0 || a.n[at[1]] == of.n;
    if (!fits && !refuse(&a, "arrays must fit each other")) return NULL;
    of.rows = DOUBLES(&a, 0), of.counts = at[1] < 0 ? NULL : DOUBLES(&a, at[1]);
    RUN(of.n, finite = pair_residuals(&of, DOUBLES(&a, at[2]), &varies));
    give_back(&a);
    return Py_BuildValue("(OO)", finite ? Py_True : Py_False, varies ? Py_True : Py_False);
}
