/* The inner loops: over NumPy arrays that come in through the buffer protocol, and over the text of JSON.

   Two promises rest on them. The numbers of a row are the same bits on every processor: only operations that IEEE 754
   defines, fused multiply-add among them, in an order that is written down, and no function of a C library but fma.
   And sums are exact: integers. Loops over more than a few numbers let other threads of Python run. */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#if defined(__x86_64__) && defined(__GLIBC__) && __GNUC__ >= 12 && !defined(__clang__)
#define EVERY_PROCESSOR __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define EVERY_PROCESSOR
#if defined(__x86_64__) && !defined(__FMA__)
#warning "no versions for newer processors, so logarithms take ten times as long: GCC 12 or newer with glibc makes them"
#endif
#endif
/* For exact products only, so that fusing them with sums changes no bit. */
#if defined(__GNUC__) && !defined(__clang__)
#define FUSED __attribute__((optimize("fp-contract=fast")))
#else
#define FUSED
#endif
#define INLINE static inline __attribute__((always_inline))

#include "elementary.h"
#include "rows.h"
#include "exact.h"
#include "big.h"
#include "digits.h"
#include "moments.h"
#include "group_sums.h"
#include "divergences.h"
#include "row_quantities.h"
#include "verdicts.h"
#include "class_rows.h"
#include "element_rows.h"
#include "token_rows.h"
#include "pairs.h"
#include "repeats.h"
#include "distinct.h"
#include "json_numbers.h"
#include "json_columns.h"

#define MOST_ARGUMENTS 5
#define FEW 8192 /* numbers that take less time than waiting for the interpreter's lock again */

typedef struct {
    Py_buffer view[MOST_ARGUMENTS];
    Py_ssize_t n[MOST_ARGUMENTS];
    int n_taken;
} Arrays;

#define DOUBLES(arrays, i) ((double *)(arrays)->view[i].buf)
#define WHOLES(arrays, i) ((int64_t *)(arrays)->view[i].buf)
#define FLAGS(arrays, i) ((uint8_t *)(arrays)->view[i].buf)

static void give_back(Arrays *arrays) {
    while (arrays->n_taken) PyBuffer_Release(&arrays->view[--arrays->n_taken]);
}

static int is_of(const Py_buffer *view, char kind) {
    Py_ssize_t size = kind == 'b' ? 1 : 8;
    const char *formats = kind == 'd' ? "d" : kind == 'i' ? "lq" : kind == 'n' ? "lqO" : "?B";
    return view->itemsize == size && strchr(formats, view->format[0]) != NULL;
}

/* Takes an array for each letter: d doubles, i integers of 64 bits, b flags of a byte, n names, which are integers or
   objects; capitals are written to. */
static int take(Arrays *arrays, PyObject *const *arguments, Py_ssize_t n, const char *kinds) {
    arrays->n_taken = 0;
    if (n != (Py_ssize_t)strlen(kinds)) {
        PyErr_Format(PyExc_TypeError, "takes %d arguments, found %zd", (int)strlen(kinds), n);
        return 0;
    }
    for (int i = 0; kinds[i]; i++) {
        int written = kinds[i] < 'a', flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (written ? PyBUF_WRITABLE : 0);
        if (PyObject_GetBuffer(arguments[i], &arrays->view[i], flags)) return give_back(arrays), 0;
        arrays->n_taken++;
        Py_buffer *view = &arrays->view[i];
        if (!is_of(view, (char)(kinds[i] | 32))) {
            PyErr_Format(PyExc_TypeError, "argument %d holds another type", i);
            return give_back(arrays), 0;
        }
        arrays->n[i] = view->len / view->itemsize;
    }
    return 1;
}

static int refuse(Arrays *arrays, const char *rule) {
    PyErr_SetString(PyExc_ValueError, rule);
    give_back(arrays);
    return 0;
}

/* Runs a statement, without the lock where it takes long. */
#define RUN(size, statement)                                                                                           \
    do {                                                                                                               \
        if ((size) <= FEW) {                                                                                           \
            statement;                                                                                                 \
        } else {                                                                                                       \
            Py_BEGIN_ALLOW_THREADS statement;                                                                          \
            Py_END_ALLOW_THREADS                                                                                       \
        }                                                                                                              \
    } while (0)

#define FUNCTION(name) static PyObject *name(PyObject *self, PyObject *const *arguments, Py_ssize_t n_arguments)

#define ELEMENTWISE(name, loop)                                                                                        \
    FUNCTION(name) {                                                                                                   \
        Arrays a;                                                                                                      \
        (void)self;                                                                                                    \
        if (!take(&a, arguments, n_arguments, "dD")) return NULL;                                                      \
        if (a.n[0] != a.n[1] && !refuse(&a, "arrays must be of one length")) return NULL;                              \
        RUN(a.n[0], loop(DOUBLES(&a, 0), a.n[0], DOUBLES(&a, 1)));                                                     \
        give_back(&a);                                                                                                 \
        Py_RETURN_NONE;                                                                                                \
    }

ELEMENTWISE(py_log, logs)
ELEMENTWISE(py_log1p, log1ps)
ELEMENTWISE(py_exp, exps)

static PyObject *py_log_of(PyObject *self, PyObject *x) {
    double value = PyFloat_AsDouble(x);
    (void)self;
    return value == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(log_of(value));
}

/* Tells whether `array` has the same number of numbers for each row of `rows`, which has one a row; sets k to it. */
static int in_rows(Arrays *a, int array, int rows, Py_ssize_t *k) {
    Py_ssize_t n = a->n[rows];
    *k = n ? a->n[array] / n : 0;
    return *k * n == a->n[array] || refuse(a, "numbers must come in rows of equal length");
}

#define OF_ROWS(name, kinds, rows, checks, loop)                                                                       \
    FUNCTION(name) {                                                                                                   \
        Arrays a;                                                                                                      \
        Py_ssize_t k;                                                                                                  \
        (void)self;                                                                                                    \
        if (!take(&a, arguments, n_arguments, kinds) || !in_rows(&a, 0, rows, &k)) return NULL;                        \
        if (!(checks) && !refuse(&a, "arrays must fit each other")) return NULL;                                       \
        RUN(a.n[0], loop);                                                                                             \
        give_back(&a);                                                                                                 \
        Py_RETURN_NONE;                                                                                                \
    }

OF_ROWS(py_row_sums, "dD", 1, 1, row_sums(DOUBLES(&a, 0), a.n[1], k, DOUBLES(&a, 1)))
OF_ROWS(py_row_others, "dD", 1, 1, row_others(DOUBLES(&a, 0), a.n[1], k, DOUBLES(&a, 1)))
OF_ROWS(py_row_products, "ddD", 2, a.n[0] == a.n[1],
        row_products(DOUBLES(&a, 0), DOUBLES(&a, 1), a.n[2], k, DOUBLES(&a, 2)))
OF_ROWS(py_row_errors, "diD", 2, a.n[1] == a.n[2],
        row_errors(DOUBLES(&a, 0), WHOLES(&a, 1), a.n[2], k, DOUBLES(&a, 2)))
OF_ROWS(py_row_maxima, "dDI", 1, a.n[1] == a.n[2] && (k || !a.n[1]),
        row_maxima(DOUBLES(&a, 0), a.n[1], k, DOUBLES(&a, 1), WHOLES(&a, 2)))
OF_ROWS(py_row_quotients, "ddD", 1, a.n[0] == a.n[2],
        row_quotients(DOUBLES(&a, 0), DOUBLES(&a, 1), a.n[1], k, DOUBLES(&a, 2)))
OF_ROWS(py_row_differences, "ddD", 1, a.n[0] == a.n[2],
        row_differences(DOUBLES(&a, 0), DOUBLES(&a, 1), a.n[1], k, DOUBLES(&a, 2)))
OF_ROWS(py_row_negentropies, "dDD", 1, (k || !a.n[1]) && a.n[2] >= (k > TILE ? k : TILE),
        row_negentropies(DOUBLES(&a, 0), a.n[1], k, DOUBLES(&a, 1), DOUBLES(&a, 2)))
OF_ROWS(py_row_exponentials, "ddD", 1, a.n[0] == a.n[2],
        row_exponentials(DOUBLES(&a, 0), DOUBLES(&a, 1), a.n[1], k, DOUBLES(&a, 2)))

OF_ROWS(py_row_relative_entropy, "ddddD", 4, a.n[0] == a.n[1] && a.n[0] == a.n[2] && a.n[0] == a.n[3],
        row_relative_entropy(DOUBLES(&a, 0), DOUBLES(&a, 1), DOUBLES(&a, 2), DOUBLES(&a, 3), a.n[4], k, DOUBLES(&a, 4)))
OF_ROWS(py_row_js, "ddDD", 2, a.n[0] == a.n[1] && (k || !a.n[2]) && a.n[3] >= (k > TILE ? k : TILE),
        row_js(DOUBLES(&a, 0), DOUBLES(&a, 1), a.n[2], k, DOUBLES(&a, 2), DOUBLES(&a, 3)))

FUNCTION(py_row_picks) {
    Arrays a;
    Py_ssize_t k;
    int known;
    (void)self;
    if (!take(&a, arguments, n_arguments, "diD") || !in_rows(&a, 0, 2, &k)) return NULL;
    if (a.n[1] != a.n[2] && !refuse(&a, "arrays must fit each other")) return NULL;
    RUN(a.n[2], known = row_picks(DOUBLES(&a, 0), WHOLES(&a, 1), a.n[2], k, DOUBLES(&a, 2)));
    if (!known && !refuse(&a, "labels must be numbers of classes")) return NULL;
    give_back(&a);
    Py_RETURN_NONE;
}

/* Arguments: numbers, lower ends of bins, whether bins hold their lower ends, room for bin numbers. */
FUNCTION(py_bins) {
    Arrays a, out;
    int holds_lower;
    (void)self;
    if (!take(&a, arguments, n_arguments < 2 ? n_arguments : 2, "dd")) return NULL;
    holds_lower = n_arguments == 4 ? PyObject_IsTrue(arguments[2]) : -1;
    if ((holds_lower < 0 || !a.n[1]) && !refuse(&a, "takes numbers, lower ends of bins, a flag and room")) return NULL;
    if (!take(&out, arguments + 3, 1, "I")) return give_back(&a), NULL;
    if (out.n[0] != a.n[0] && (give_back(&out), !refuse(&a, "arrays must fit each other"))) return NULL;
    RUN(a.n[0], bins(DOUBLES(&a, 0), a.n[0], DOUBLES(&a, 1), a.n[1], holds_lower, WHOLES(&out, 0)));
    give_back(&a);
    give_back(&out);
    Py_RETURN_NONE;
}

/* Arguments: numbers or objects, room for codes, room for MOST_DISTINCT rows. */
FUNCTION(py_distinct) {
    Arrays a;
    Py_ssize_t found;
    (void)self;
    if (!take(&a, arguments, n_arguments, "nII")) return NULL;
    if ((a.n[1] != a.n[0] || a.n[2] < MOST_DISTINCT) && !refuse(&a, "arrays must fit each other")) return NULL;
    RUN(a.n[0], found = distinct(a.view[0].buf, a.n[0], WHOLES(&a, 1), WHOLES(&a, 2)));
    give_back(&a);
    return PyLong_FromSsize_t(found);
}

/* Arguments: bytes of texts, n + 1 offsets in them, room for n codes, room for MOST_DISTINCT rows. */
FUNCTION(py_distinct_texts) {
    Arrays a;
    Py_ssize_t n, found;
    (void)self;
    if (!take(&a, arguments, n_arguments, "biII")) return NULL;
    n = a.n[2];
    int fit = a.n[1] == n + 1 && a.n[3] >= MOST_DISTINCT && are_offsets(WHOLES(&a, 1), n, a.n[0]);
    if (!fit && !refuse(&a, "offsets must rise within the bytes, and arrays must fit each other")) return NULL;
    RUN(a.n[0] + n, found = distinct_texts((char *)FLAGS(&a, 0), WHOLES(&a, 1), n, WHOLES(&a, 2), WHOLES(&a, 3)));
    give_back(&a);
    return PyLong_FromSsize_t(found);
}

/* Arguments: bytes of texts, n + 1 offsets in them, room for n codes, room for n rows. */
FUNCTION(py_text_order) {
    Arrays a;
    Py_ssize_t n, found;
    (void)self;
    if (!take(&a, arguments, n_arguments, "biII")) return NULL;
    n = a.n[2];
    int fit = a.n[1] == n + 1 && a.n[3] == n && are_offsets(WHOLES(&a, 1), n, a.n[0]);
    if (!fit && !refuse(&a, "offsets must rise within the bytes, and arrays must fit each other")) return NULL;
    RUN(a.n[0] + n, found = text_order((char *)FLAGS(&a, 0), WHOLES(&a, 1), n, WHOLES(&a, 2), WHOLES(&a, 3)));
    give_back(&a);
    return found < 0 ? PyErr_NoMemory() : PyLong_FromSsize_t(found);
}

#include "row_calls.h"
#include "sum_calls.h"
#include "tally_calls.h"
#include "pair_calls.h"
#include "values.h"
#include "pair_sums.h"
#include "metric_values.h"

#define HUGE_BYTES (1 << 22) /* bytes from which memory is taken in pages of megabytes: a small page costs as long as to fill it */
#define PAGE_BYTES 4096

/* A bytearray of bytes that are not set yet. */
static PyObject *buffer_of(Py_ssize_t n_bytes) {
    PyObject *buffer = PyByteArray_FromStringAndSize(NULL, n_bytes);
#ifdef MADV_HUGEPAGE
    if (buffer && n_bytes >= HUGE_BYTES) {
        uintptr_t start = (uintptr_t)PyByteArray_AsString(buffer), page = (start + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
        madvise((void *)page, (size_t)n_bytes - (page - start), MADV_HUGEPAGE); /* advice: small pages do as well */
    }
#endif
    return buffer;
}

static int braces(Walk *walk, const char *start, const char *end) {
    if (end - start > 3 && !memcmp(start, "\xef\xbb\xbf", 3)) start += 3;
    while (end > start && strchr(" \n\r\t", end[-1]) && end[-1]) end--;
    if (end == start || end[-1] != '}') return 0;
    walk->last = end - 1;
    walk->start = past_space(start);
    return *walk->start == '{';
}

/* Makes (rest, columns, whether none was left, their bytes, most columns of a table, where one was left first); None of a
   text not read here. */
static PyObject *read_walk(Walk *walk, const char *text, PyObject *const *types) {
    Py_ssize_t length = walk->last + 1 - walk->start;
    PyObject *values = buffer_of(4 * length), *read = NULL;
    if (!values) return NULL;
    walk->values = PyByteArray_AsString(values);
    int good;
    RUN(length / 16, good = walk_over(walk));
    if (good && read_hard(walk) && !PyByteArray_Resize(values, walk->n_bytes)) {
        PyObject *columns = columns_object(walk, values, types), *rest = columns ? rest_of(walk) : NULL;
        PyObject *is_whole = walk->is_whole ? Py_True : Py_False;
        PyObject *stop = rest ? stop_object(walk, text) : NULL;
        /* a string takes a multiple of the memory and of the time of a number */
        Py_ssize_t n_bytes = walk->n_bytes + 32 * walk->n_strings;
        if (stop) read = Py_BuildValue("(OOOnnO)", rest, columns, is_whole, n_bytes, width_of(walk), stop);
        Py_XDECREF(columns);
        Py_XDECREF(stop);
        Py_XDECREF(rest);
    }
    Py_DECREF(values);
    return read || PyErr_Occurred() ? read : Py_NewRef(Py_None);
}

/* Arguments: text, names of columns, the types of `N_TYPES` one by one. */
FUNCTION(py_json_columns) {
    Py_buffer text;
    Walk walk = {.is_whole = 1};
    (void)self;
    if (n_arguments != 2 + N_TYPES) return PyErr_SetString(PyExc_TypeError, "takes a text, names and seven types"), NULL;
    if (!(walk.names = PyBytes_AsString(arguments[1]))) return NULL;
    if (PyObject_GetBuffer(arguments[0], &text, PyBUF_SIMPLE)) return NULL;
    const char *start = text.buf;
    int is_object = braces(&walk, start, start + text.len);
    PyObject *read = is_object ? read_walk(&walk, start, arguments + 2) : Py_NewRef(Py_None);
    free(walk.found);
    free(walk.offsets);
    free(walk.hard);
    PyBuffer_Release(&text);
    return read;
}

/* Arguments: a text of JSON. Returns its numbers of values, of names, and of lists and objects. */
FUNCTION(py_json_signs) {
    Py_buffer text;
    Signs signs;
    (void)self;
    if (n_arguments != 1) return PyErr_SetString(PyExc_TypeError, "takes a text"), NULL;
    if (PyObject_GetBuffer(arguments[0], &text, PyBUF_SIMPLE)) return NULL;
    const char *start = text.buf;
    RUN(text.len / 16, signs = count_signs(start, start + text.len));
    PyBuffer_Release(&text);
    return Py_BuildValue("(nnn)", signs.values, signs.names, signs.holders);
}

/* Arguments: a number of bytes. */
FUNCTION(py_buffer) {
    (void)self;
    Py_ssize_t n_bytes = n_arguments == 1 ? PyLong_AsSsize_t(arguments[0]) : -1;
    if (n_bytes < 0) return PyErr_Occurred() ? NULL : (PyErr_SetString(PyExc_ValueError, "takes a number of bytes"), NULL);
    return buffer_of(n_bytes);
}

/* Arguments: a text, a byte. Returns how often the byte stands in the text. */
FUNCTION(py_count_byte) {
    Py_buffer text;
    Py_ssize_t n_found;
    (void)self;
    long sign = n_arguments == 2 ? PyLong_AsLong(arguments[1]) : -1;
    if (sign < 0 || sign > 255)
        return PyErr_Occurred() ? NULL : (PyErr_SetString(PyExc_TypeError, "takes a text and a byte"), NULL);
    if (PyObject_GetBuffer(arguments[0], &text, PyBUF_SIMPLE)) return NULL;
    RUN(text.len / 16, n_found = count_byte(text.buf, text.len, (unsigned char)sign));
    PyBuffer_Release(&text);
    return PyLong_FromSsize_t(n_found);
}

/* Arguments: rows of numbers. */
FUNCTION(py_are_equal) {
    Arrays a;
    int equal;
    (void)self;
    if (!take(&a, arguments, n_arguments, "d")) return NULL;
    int n_dimensions = a.view[0].ndim;
    Py_ssize_t k = n_dimensions == 2 ? a.view[0].shape[1] : n_dimensions;
    if ((n_dimensions > 2 || k < 1) && !refuse(&a, "takes rows of one number or more")) return NULL;
    RUN(a.n[0], equal = are_equal(DOUBLES(&a, 0), a.n[0], k));
    give_back(&a);
    return PyBool_FromLong(equal);
}

/* Arguments: rows of any numbers, further rows that are compared with them, the number of these. Returns how many are
   repeated, 0 if at most half are. */
FUNCTION(py_n_repeats) {
    Py_buffer views[2];
    Lines lines[2];
    (void)self;
    Py_ssize_t n = n_arguments == 3 ? PyLong_AsSsize_t(arguments[2]) : -1;
    if (n < 1 || n > MOST_COMPARED) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "takes two arrays, and how many of their rows to compare");
        return NULL;
    }
    if (PyObject_GetBuffer(arguments[0], &views[0], PyBUF_C_CONTIGUOUS)) return NULL;
    if (PyObject_GetBuffer(arguments[1], &views[1], PyBUF_C_CONTIGUOUS)) return PyBuffer_Release(&views[0]), NULL;
    int fit = 1, repeats;
    for (int i = 0; i < 2; i++) {
        fit = fit && views[i].ndim > 0 && views[i].shape[0] >= n;
        lines[i] = (Lines){views[i].buf, fit ? (size_t)(views[i].len / views[i].shape[0]) : 0};
    }
    repeats = fit ? n_repeats(&lines[0], &lines[1], n) : 0;
    for (int i = 0; i < 2; i++) PyBuffer_Release(&views[i]);
    return fit ? PyLong_FromLong(repeats) : (PyErr_SetString(PyExc_ValueError, "arrays must have as many rows"), NULL);
}

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))py_##name, METH_FASTCALL, NULL}

static PyMethodDef methods[] = {
    {"log_of", py_log_of, METH_O, NULL}, METHOD(log), METHOD(log1p), METHOD(exp), METHOD(row_sums),
    METHOD(row_products), METHOD(row_errors),
    METHOD(row_maxima), METHOD(row_others), METHOD(row_exponentials), METHOD(row_picks), METHOD(row_quotients),
    METHOD(row_differences), METHOD(row_negentropies), METHOD(row_relative_entropy), METHOD(row_js), METHOD(bins),
    METHOD(sums), METHOD(products), METHOD(json_columns), METHOD(json_signs), METHOD(count_byte), METHOD(buffer), METHOD(class_rows),
    METHOD(element_rows), METHOD(token_rows), METHOD(class_verdict), METHOD(element_verdict), METHOD(distinct),
    METHOD(distinct_texts), METHOD(text_order), METHOD(class_tally), METHOD(element_tally), METHOD(token_tally),
    METHOD(paired_rows), METHOD(pair_tally), METHOD(pair_sums), METHOD(are_equal), METHOD(n_repeats), METHOD(means),
    METHOD(gaps), METHOD(values), METHOD(group_places), METHOD(entries), {"pack", py_pack, METH_O, NULL},
    {"unpack", py_unpack, METH_O, NULL}, {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "app.core.kernels.compiled", NULL, 0, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_compiled(void) { return PyModuleDef_Init(&module); }
