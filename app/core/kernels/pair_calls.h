/* Python's side of the loop over pairs of losses. */

/* Arguments: our losses, theirs, room for differences, room for what rounding can make. */
FUNCTION(py_pair_rows) {
    Arrays a;
    (void)self;
    if (n_arguments != 4) return PyErr_SetString(PyExc_TypeError, "takes two losses and room for two columns"), NULL;
    if (!take(&a, arguments, 4, "ddDD")) return NULL;
    Py_ssize_t n = a.n[0];
    for (int i = 1; i < 4; i++)
        if (a.n[i] != n && !refuse(&a, "arrays must fit each other")) return NULL;
    RUN(n, pair_rows(DOUBLES(&a, 0), DOUBLES(&a, 1), n, DOUBLES(&a, 2), DOUBLES(&a, 3)));
    give_back(&a);
    Py_RETURN_NONE;
}
