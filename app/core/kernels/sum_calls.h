/* Exact sums as Python has them: integers, and the power of two that they count. */

static PyObject *with_lower_bits(PyObject *upper, PyObject *n_bits, uint64_t lower) {
    PyObject *shifted = upper ? PyNumber_Lshift(upper, n_bits) : NULL;
    PyObject *bits = shifted ? PyLong_FromUnsignedLongLong(lower) : NULL;
    PyObject *number = bits ? PyNumber_Or(shifted, bits) : NULL;
    Py_XDECREF(upper);
    Py_XDECREF(shifted);
    Py_XDECREF(bits);
    return number;
}

static PyObject *shifted_left(PyObject *number, long places) {
    PyObject *by = number ? PyLong_FromLong(places) : NULL;
    PyObject *shifted = by ? PyNumber_Lshift(number, by) : NULL;
    Py_XDECREF(number);
    Py_XDECREF(by);
    return shifted;
}

/* The limbs of a total, without bits below `down` (they are 0) and without limbs that only repeat the sign. */
static int shortened(const Total *total, int down, uint64_t *limb) {
    int word = down / 64, offset = down % 64, n = total->n_limbs;
    uint64_t sign = (int64_t)total->limb[n - 1] < 0 ? UINT64_MAX : 0;
    for (int i = 0; i < n; i++) {
        uint64_t low = i + word < n ? total->limb[i + word] : sign;
        uint64_t high = i + word + 1 < n ? total->limb[i + word + 1] : sign;
        limb[i] = offset ? low >> offset | high << (64 - offset) : low;
    }
    while (n > 1 && limb[n - 1] == (uint64_t)((int64_t)limb[n - 2] >> 63)) n--;
    return n;
}

/* The limbs of a total that counts units of 2^place, in two's complement. */
static int limbs_of(const Total *total, int place, uint64_t *limb) {
    int up = total->place - place, n = shortened(total, up < 0 ? -up : 0, limb), word = up / 64, offset = up % 64;
    if (up <= 0) return n;
    uint64_t top = (int64_t)limb[n - 1] < 0 ? UINT64_MAX : 0;
    for (int i = n + word; i >= 0; i--) {
        int at = i - word;
        uint64_t here = at >= n ? top : at >= 0 ? limb[at] : 0, low = at > 0 ? limb[at - 1] : 0;
        limb[i] = offset ? here << offset | low >> (64 - offset) : here;
    }
    for (n += word + 1; n > 1 && limb[n - 1] == (uint64_t)((int64_t)limb[n - 2] >> 63);) n--;
    return n;
}

/* Limbs in two's complement as an integer of Python, and the other way round. */
static PyObject *whole(const uint64_t *limb, int n) {
    PyObject *number = PyLong_FromLongLong((int64_t)limb[n - 1]), *n_bits = n > 1 ? PyLong_FromLong(64) : NULL;
    for (int i = n - 2; i >= 0; i--) number = with_lower_bits(number, n_bits, limb[i]);
    Py_XDECREF(n_bits);
    return number;
}

/* A sum of 128 bits, times 2^up. */
static PyObject *whole_of(wide sum, int up) {
    int64_t upper = (int64_t)(sum >> 64), lower = (int64_t)sum;
    if (up > 0 && up < 64 && upper == lower >> 63) { /* then there is room for the bits below */
        sum = (wide)((unsigned_wide)sum << up), up = 0;
        upper = (int64_t)(sum >> 64), lower = (int64_t)sum;
    }
    PyObject *n_bits = PyLong_FromLong(64), *number = NULL;
    if (upper == lower >> 63) number = PyLong_FromLongLong(lower);
    else if (n_bits) number = with_lower_bits(PyLong_FromLongLong(upper), n_bits, (uint64_t)lower);
    Py_XDECREF(n_bits);
    return up && sum ? shifted_left(number, up) : number;
}

/* Packed sums: n, n_infinite, n_undefined, place, the number of limbs of z, v, zz, zv and vv, and these limbs. */
#define PACKED_HEAD 9
#define MOST_PACKED (PACKED_HEAD + 5 * 3 * MOST_LIMBS)

/* Packs the sums of a pair into words; returns how many. */
static Py_ssize_t pack(const Ratio *pair, uint64_t *words) {
    int place = common_place(pair);
    const Total *totals[5] = {&pair->z->sum, &pair->v->sum, &pair->z->squares, &pair->zv, &pair->v->squares};
    Py_ssize_t n = PACKED_HEAD;
    words[0] = (uint64_t)pair->n, words[1] = (uint64_t)pair->n_infinite, words[2] = (uint64_t)pair->n_undefined;
    words[3] = (uint64_t)(int64_t)place;
    for (int i = 0; i < 5; i++) {
        words[4 + i] = (uint64_t)limbs_of(totals[i], i < 2 ? place : 2 * place, words + n);
        n += (Py_ssize_t)words[4 + i];
    }
    return n;
}

/* Makes (n, n_infinite, n_undefined, z, v, zz, zv, vv, place) of packed sums. */
static PyObject *moments_object(const uint64_t *words) {
    PyObject *moments = PyTuple_New(9);
    const uint64_t *limbs = words + PACKED_HEAD;
    for (int i = 0; i < 9; i++) {
        int at = i < 8 ? i : 3, is_sum = i >= 3 && i < 8, n = is_sum ? (int)words[i + 1] : 0;
        PyObject *item = is_sum ? whole(limbs, n) : PyLong_FromLongLong((int64_t)words[at]);
        limbs += n;
        if (!moments || !item || PyTuple_SetItem(moments, i, item)) Py_CLEAR(moments);
    }
    return moments;
}

/* Arguments: weights, numbers, room for products. */
FUNCTION(py_products) {
    Arrays a;
    int lost;
    (void)self;
    if (!take(&a, arguments, n_arguments, "ddD")) return NULL;
    if ((a.n[0] != a.n[1] || a.n[0] != a.n[2]) && !refuse(&a, "arrays must be of one length")) return NULL;
    RUN(a.n[0], lost = products(DOUBLES(&a, 0), DOUBLES(&a, 1), a.n[0], DOUBLES(&a, 2)));
    give_back(&a);
    return PyBool_FromLong(lost);
}

/* A matrix of numbers, a row a quantity, and which of its rows holds the weights. */
typedef struct { const double *x, *weight; Py_ssize_t n_rows, n; } SumMatrix;

static int read_matrix(Arrays *a, int array, PyObject *weight_row, SumMatrix *matrix) {
    const Py_buffer *view = &a->view[array];
    long weights = PyLong_AsLong(weight_row);
    if (PyErr_Occurred()) return give_back(a), 0;
    if (view->ndim != 2 || weights >= view->shape[0]) return refuse(a, "takes a matrix, and the number of a row of it");
    *matrix = (SumMatrix){.x = view->buf, .n_rows = view->shape[0], .n = view->shape[1]};
    if (weights >= 0) matrix->weight = matrix->x + weights * matrix->n;
    return 1;
}

/* Reads the number of a row. One below 0 stands for a column of a constant: -1 for ones, -2 for twos, and so on. */
static int read_row(PyObject *number, const SumMatrix *matrix, long *row) {
    *row = number ? PyLong_AsLong(number) : 0;
    if (PyErr_Occurred()) return 0;
    if (*row < matrix->n_rows && *row >= -INT32_MAX) return 1;
    PyErr_SetString(PyExc_ValueError, "takes numbers of rows, or whole numbers below 0 for constants");
    return 0;
}

static int read_pair(PyObject *numbers, const SumMatrix *matrix, Terms *rows, Terms *spare, Ratio *pair) {
    long z, v;
    if (!PyTuple_Check(numbers) || PyTuple_Size(numbers) != 2)
        return PyErr_SetString(PyExc_TypeError, "takes pairs of the row of z and that of v"), 0;
    if (!read_row(PyTuple_GetItem(numbers, 0), matrix, &z)) return 0;
    if (!read_row(PyTuple_GetItem(numbers, 1), matrix, &v)) return 0;
    if (z < 0) return PyErr_SetString(PyExc_ValueError, "takes a row of numerators, found a constant"), 0;
    begin_pair(pair, &rows[z], v < 0 ? &spare[1] : &rows[v], spare);
    if (v < 0) know_constant(pair->v, (uint64_t)-v, matrix->n);
    return 1;
}

/* The packed sums of pairs: where those of each begin, in words, and the sums themselves. Counts left out rows. */
static PyObject *packed_moments(const Ratio *pairs, Py_ssize_t n_pairs, Py_ssize_t *n_left_out) {
    uint64_t *words = PyMem_Malloc(sizeof(uint64_t) * (size_t)(n_pairs * (MOST_PACKED + 1) + 1));
    Py_ssize_t n = n_pairs;
    if (!words) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < n_pairs; i++) {
        words[i] = (uint64_t)n;
        n += pack(&pairs[i], words + n);
        *n_left_out += pairs[i].n_infinite + pairs[i].n_undefined;
    }
    PyObject *packed = PyBytes_FromStringAndSize((const char *)words, (Py_ssize_t)sizeof(uint64_t) * n);
    PyMem_Free(words);
    return packed;
}

static PyObject *list_of_moments(const Ratio *pairs, Py_ssize_t n_pairs) {
    PyObject *list = PyList_New(n_pairs);
    uint64_t words[MOST_PACKED];
    for (Py_ssize_t i = 0; i < n_pairs && list; i++) {
        pack(&pairs[i], words);
        PyObject *moments = moments_object(words);
        if (moments) PyList_SetItem(list, i, moments);
        else Py_CLEAR(list);
    }
    return list;
}

/* The moments of pairs of a row of z and one of v, a list of them, or packed with a count of the rows that are left out;
   None where a v is infinite or NaN. */
static PyObject *moments_of(PyObject *asked, const SumMatrix *matrix, Py_ssize_t *n_left_out) {
    Py_ssize_t n_pairs = PyTuple_Size(asked), n_read = 0;
    Terms *rows = PyMem_Malloc(sizeof(Terms) * (size_t)(matrix->n_rows + 2 * n_pairs));
    Ratio *pairs = PyMem_Malloc(sizeof(Ratio) * (size_t)n_pairs);
    PyObject *moments = NULL;
    for (Py_ssize_t i = 0; i < matrix->n_rows && rows; i++) begin_row(&rows[i], matrix->x + i * matrix->n);
    for (Terms *spare = rows + matrix->n_rows; rows && pairs && n_read < n_pairs; n_read++, spare += 2)
        if (!read_pair(PyTuple_GetItem(asked, n_read), matrix, rows, spare, &pairs[n_read])) break;
    if (!rows || !pairs) PyErr_NoMemory();
    else if (n_read == n_pairs) {
        Outcome outcome;
        RUN(matrix->n * n_pairs, outcome = add_pairs(pairs, n_pairs, matrix->weight, matrix->n));
        if (outcome == NO_MEMORY) PyErr_NoMemory();
        else if (outcome == NO_NUMBER) moments = Py_NewRef(Py_None);
        else moments = n_left_out ? packed_moments(pairs, n_pairs, n_left_out) : list_of_moments(pairs, n_pairs);
        for (Py_ssize_t i = 0; i < n_pairs; i++) free(pairs[i].kept);
    }
    PyMem_Free(rows);
    PyMem_Free(pairs);
    return moments;
}

typedef struct { const double *x; long row; Range range; } GroupedTerms;

typedef struct { const int64_t *groups; int64_t *counts; Py_ssize_t n, n_groups; wide *sums; } Grouping;

/* Adds sums by group, times 2^up, to a list; the first of them are its first items. */
static int add_sums(const Grouping *by, int up, PyObject *list, int are_first) {
    for (Py_ssize_t g = 0; g < by->n_groups; g++) {
        if (!by->sums[g] && !are_first) continue;
        PyObject *number = whole_of(by->sums[g], up);
        if (number && !are_first) {
            PyObject *added = PyNumber_Add(PyList_GetItem(list, g), number);
            Py_DECREF(number);
            number = added;
        }
        if (!number || PyList_SetItem(list, g, number)) return 0;
    }
    return 1;
}

/* The sums of a column by group in units of 2^place, which is at most the place of the lowest bit in it. */
static PyObject *column_sums(const GroupedTerms *column, const Grouping *by, int place) {
    PyObject *list = PyList_New(by->n_groups);
    size_t size = sizeof(wide) * (size_t)by->n_groups;
    const Range range = column->range;
    int good = list != NULL, are_first = 1, near = are_near(range, by->n_groups);
    for (Py_ssize_t start = 0; good && column->x && start < by->n; start += MOST_ADDENDS) {
        Py_ssize_t n = by->n - start < MOST_ADDENDS ? by->n - start : MOST_ADDENDS;
        const double *x = column->x + start;
        const int64_t *groups = by->groups + start;
        for (int top = range.most ? range.high : 0; good && top;) {
            int base = near || top - WINDOW < range.low ? range.low : top - WINDOW;
            memset(by->sums, 0, size);
            if (near) RUN(n, (near_group_sums(x, groups, n, range, by->sums, by->n_groups), top = 0));
            else RUN(n, top = window_sums(x, groups, n, range.low, base, top, by->sums));
            good = add_sums(by, base - BIAS - place, list, are_first);
            are_first = 0;
        }
    }
    if (good && are_first) { /* a constant, or zeros */
        for (Py_ssize_t g = 0; g < by->n_groups; g++) by->sums[g] = column->x ? 0 : (wide)by->counts[g] * -column->row;
        good = add_sums(by, -place, list, 1);
    }
    if (!good) Py_CLEAR(list);
    return list;
}

static PyObject *list_of_counts(const Grouping *by) {
    PyObject *list = PyList_New(by->n_groups);
    for (Py_ssize_t g = 0; g < by->n_groups && list; g++) {
        PyObject *count = PyLong_FromLongLong(by->counts[g]);
        if (count) PyList_SetItem(list, g, count);
        else Py_CLEAR(list);
    }
    return list;
}

/* Makes (counts, sums of each column, place); None where a number is not finite. */
static PyObject *grouped(GroupedTerms *columns, Py_ssize_t n_columns, const Grouping *by) {
    int place = 0;
    PyObject *lists, *counts;
    for (Py_ssize_t i = 0; i < n_columns; i++) {
        GroupedTerms *column = &columns[i];
        if (!column->x) continue;
        RUN(by->n, column->range = range_of(column->x, by->n));
        if (column->range.high == NOT_FINITE) Py_RETURN_NONE;
        if (column->range.most && column->range.low - BIAS < place) place = column->range.low - BIAS;
    }
    lists = PyList_New(n_columns);
    for (Py_ssize_t i = 0; i < n_columns && lists; i++) {
        PyObject *list = column_sums(&columns[i], by, place);
        if (list) PyList_SetItem(lists, i, list);
        else Py_CLEAR(lists);
    }
    counts = lists ? list_of_counts(by) : NULL;
    if (!counts) Py_CLEAR(lists);
    return counts ? Py_BuildValue("(NNi)", counts, lists, place) : NULL;
}

static int read_columns(PyObject *rows, const SumMatrix *matrix, GroupedTerms *columns) {
    for (Py_ssize_t i = 0; i < PyTuple_Size(rows); i++) {
        GroupedTerms *column = &columns[i];
        if (!read_row(PyTuple_GetItem(rows, i), matrix, &column->row)) return 0;
        column->x = column->row < 0 ? NULL : matrix->x + column->row * matrix->n;
    }
    return 1;
}

static PyObject *group_sums(Grouping *by, const SumMatrix *matrix, PyObject *rows) {
    Py_ssize_t n_columns = PyTuple_Size(rows);
    GroupedTerms *columns = PyMem_Malloc(sizeof(GroupedTerms) * (size_t)n_columns);
    PyObject *sums = NULL;
    int in_range;
    by->counts = malloc(sizeof(int64_t) * (size_t)by->n_groups);
    by->sums = malloc(sizeof(wide) * (size_t)by->n_groups);
    if (!columns || !by->counts || !by->sums) PyErr_NoMemory();
    else if (read_columns(rows, matrix, columns)) {
        RUN(by->n, in_range = count_groups(by->groups, by->n, matrix->weight, by->counts, by->n_groups));
        if (in_range) sums = grouped(columns, n_columns, by);
        else PyErr_SetString(PyExc_ValueError, "groups must be numbered from 0, each below their number");
    }
    free(by->counts);
    free(by->sums);
    PyMem_Free(columns);
    return sums;
}

/* The sums by (groups, their number, rows of the matrix). */
static PyObject *sums_by_group(PyObject *asked, const SumMatrix *matrix) {
    Arrays a;
    PyObject *groups = PyTuple_GetItem(asked, 0), *rows = PyTuple_GetItem(asked, 2), *sums = NULL;
    Py_ssize_t n_groups = PyTuple_Check(rows) ? PyLong_AsSsize_t(PyTuple_GetItem(asked, 1)) : -1;
    if (n_groups < 1 || n_groups > PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(wide)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "takes groups, their number above 0, and rows");
        return NULL;
    }
    if (!take(&a, &groups, 1, "i")) return NULL;
    Grouping by = {.groups = WHOLES(&a, 0), .n = matrix->n, .n_groups = n_groups};
    if (a.n[0] == by.n) sums = group_sums(&by, matrix, rows);
    else PyErr_SetString(PyExc_ValueError, "rows of the matrix must be as long as the groups");
    give_back(&a);
    return sums;
}

/* The sums by bin, as (row of numbers, lower ends of bins, whether bins hold their lower ends, rows of the matrix). */
static PyObject *sums_by_bin(PyObject *asked, const SumMatrix *matrix) {
    Arrays a;
    PyObject *lower = PyTuple_GetItem(asked, 1), *rows = PyTuple_GetItem(asked, 3), *sums = NULL;
    long row;
    int holds_lower = PyObject_IsTrue(PyTuple_GetItem(asked, 2));
    if (holds_lower < 0 || !read_row(PyTuple_GetItem(asked, 0), matrix, &row) || !take(&a, &lower, 1, "d")) return NULL;
    int fits = row >= 0 && a.n[0] && PyTuple_Check(rows);
    int64_t *numbers = fits ? malloc(sizeof(int64_t) * (size_t)(matrix->n + 1)) : NULL;
    if (numbers) {
        RUN(matrix->n, bins(matrix->x + row * matrix->n, matrix->n, DOUBLES(&a, 0), a.n[0], holds_lower, numbers));
        Grouping by = {.groups = numbers, .n = matrix->n, .n_groups = a.n[0]};
        sums = group_sums(&by, matrix, rows);
    } else if (fits) {
        PyErr_NoMemory();
    } else {
        PyErr_SetString(PyExc_ValueError, "takes a row of numbers, one bin or more, a flag, and rows");
    }
    free(numbers);
    give_back(&a);
    return sums;
}

/* The sums of each grouping, a list of them; None where a number is not finite. */
static PyObject *list_of_groupings(PyObject *asked, const SumMatrix *matrix) {
    Py_ssize_t n = PyTuple_Size(asked);
    PyObject *list = PyList_New(n);
    for (Py_ssize_t i = 0; i < n && list; i++) {
        PyObject *one = PyTuple_GetItem(asked, i), *sums = NULL;
        Py_ssize_t size = PyTuple_Check(one) ? PyTuple_Size(one) : 0;
        if (size == 3) sums = sums_by_group(one, matrix);
        else if (size == 4) sums = sums_by_bin(one, matrix);
        else PyErr_SetString(PyExc_TypeError, "takes groupings, of groups or of bins");
        if (!sums || sums == Py_None) return Py_DECREF(list), sums;
        PyList_SetItem(list, i, sums);
    }
    return list;
}

/* Arguments: matrix, row of weights or -1, pairs of a row of z and one of v, groupings. Makes (moments, sums by group);
   None where a v or a number that is summed by group is not finite. */
FUNCTION(py_sums) {
    Arrays a;
    SumMatrix matrix;
    (void)self;
    if (!take(&a, arguments, n_arguments ? 1 : 0, "d")) return NULL;
    int fits = n_arguments == 4 && PyTuple_Check(arguments[2]) && PyTuple_Check(arguments[3]);
    if (!fits && !refuse(&a, "takes a matrix, a row of weights, pairs and groupings")) return NULL;
    if (!read_matrix(&a, 0, arguments[1], &matrix)) return NULL;
    if (matrix.n > MOST_ADDENDS && PyTuple_Size(arguments[2]) && !refuse(&a, "too many numbers for one call"))
        return NULL;
    PyObject *moments = moments_of(arguments[2], &matrix, NULL), *groups = NULL, *both = NULL;
    if (moments && moments != Py_None) groups = list_of_groupings(arguments[3], &matrix);
    give_back(&a);
    if (moments == Py_None || groups == Py_None) both = Py_NewRef(Py_None);
    else if (groups) both = PyTuple_Pack(2, moments, groups);
    Py_XDECREF(moments);
    Py_XDECREF(groups);
    return both;
}

/* Writes the places of each group, and makes the list of their numbers; NULL where a group is out of range. */
static PyObject *places_object(const Arrays *a, Py_ssize_t n_groups, int64_t *counts) {
    const Py_ssize_t n = a->n[0];
    Grouping by = {.groups = WHOLES(a, 0), .counts = counts, .n = n, .n_groups = n_groups};
    if (!count_groups(by.groups, n, NULL, counts, n_groups))
        return PyErr_SetString(PyExc_ValueError, "groups must be numbered from 0, each below their number"), NULL;
    PyObject *list = list_of_counts(&by);
    int64_t start = 0, size;
    for (Py_ssize_t g = 0; g < n_groups; g++) size = counts[g], counts[g] = start, start += size;
    RUN(n, group_places(by.groups, n, counts, WHOLES(a, 1)));
    return list;
}

/* Arguments: groups, their number, room for places. */
FUNCTION(py_group_places) {
    Arrays a;
    (void)self;
    Py_ssize_t n_groups = n_arguments == 3 ? PyLong_AsSsize_t(arguments[1]) : -1;
    if (PyErr_Occurred()) return NULL;
    if (n_groups < 0 || n_groups > PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(int64_t))
        return PyErr_SetString(PyExc_ValueError, "takes groups, their number, and room for places"), NULL;
    PyObject *const arrays[] = {arguments[0], arguments[2]};
    if (!take(&a, arrays, 2, "iI")) return NULL;
    if (a.n[0] != a.n[1] && !refuse(&a, "there must be room for each place")) return NULL;
    int64_t *counts = malloc(sizeof(int64_t) * (size_t)(n_groups + 1));
    PyObject *list = counts ? places_object(&a, n_groups, counts) : PyErr_NoMemory();
    free(counts);
    give_back(&a);
    return list;
}
