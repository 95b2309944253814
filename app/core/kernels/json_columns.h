/* One walk over the object that a body is. It reads columns of numbers into memory of their own, and puts an empty list
   in the place of each in the text. It reads nothing else and explains no error: another reader judges the text left.

   That is sound, since a list that is JSON takes the place of a list that is JSON: the text left is JSON if and only if
   the body is. If it is, this walk has found the same strings and brackets as any other reader. */

#define MOST_NAMES 128 /* names in one object at most, since each is compared with all before it */
#define DEEPEST 3      /* most names on the path to a column: `candidates`, one of them, its form */
#define PLACEHOLDER "[]"

enum { DOUBLES_KIND = 1, INTEGERS_KIND = 2, BOOLEANS_KIND = 4, NULLS_KIND = 8 };

typedef struct {
    const char *start;
    Py_ssize_t length;
} Span;

typedef struct {
    Span path[DEEPEST];
    int depth, kinds, kind;        /* names on its path; kinds of value that it might hold; the kind it does */
    const char *start, *end;       /* where its list stands in the text */
    Py_ssize_t offset, n_values;   /* where its values stand, in bytes */
    Py_ssize_t n_lists, width;     /* 0 lists: a list of values; width -1: uneven lists, and offsets follow the values */
} Found;

typedef struct {
    const char *start, *last;      /* the object's braces, where loops over digits, space or strings end at the latest */
    const char *names;             /* of columns, each followed by ":", letters of its kinds and a space; then NUL */
    char *values;                  /* 8 bytes for every two characters: a number and its comma take two or more */
    Py_ssize_t n_bytes;
    Found *found;
    Py_ssize_t n_found, found_room;
    int64_t *offsets;              /* offsets of the column that is being read, if its lists are uneven */
    Py_ssize_t offsets_room;
    Py_ssize_t *hard;              /* numbers left to CPython: pairs of places, in the text and in `values` */
    Py_ssize_t n_hard, hard_room;
    int is_whole;                  /* whether no column but null was left in the text */
} Walk;

/* Makes room for one more thing; sets `things` to NULL where there is no memory. NULL holds no things yet. */
static int grow(void **things, Py_ssize_t n, Py_ssize_t *room, size_t size) {
    if (n < *room) return 1;
    Py_ssize_t larger = *room ? 2 * *room : 4;
    void *grown = realloc(*things, (size_t)larger * size);
    if (!grown) return 0;
    *things = grown, *room = larger;
    return 1;
}

/* Finds the quote that ends the string which begins at p; NULL where none does. */
static const char *closing_quote(const char *p, const char *last) {
    for (;;) {
        p = memchr(p + 1, '"', (size_t)(last - p - 1));
        if (!p) return NULL;
        const char *escapes = p;
        while (escapes[-1] == '\\') escapes--;
        if ((p - escapes) % 2 == 0) return p;
    }
}

/* Finds the comma or bracket that ends the value at p, of whatever kind. */
static const char *past_any(const char *p, const char *last) {
    Py_ssize_t depth = 0;
    for (; p < last; p++) {
        if (*p == '"') {
            if (!(p = closing_quote(p, last))) return NULL;
        } else if (*p == '[' || *p == '{') {
            depth++;
        } else if (*p == ']' || *p == '}') {
            if (!depth--) return p;
        } else if (*p == ',' && !depth) {
            return p;
        }
    }
    return depth ? NULL : p;
}

INLINE int is_word(const char *p, const char *last, const char *word, Py_ssize_t length) {
    return last - p >= length && !memcmp(p, word, (size_t)length);
}

static int note_hard(Walk *walk, const char *text, const char *place) {
    if (!grow((void **)&walk->hard, walk->n_hard + 1, &walk->hard_room, sizeof *walk->hard)) return 0;
    walk->hard[walk->n_hard++] = text - walk->start;
    walk->hard[walk->n_hard++] = place - walk->values;
    return 1;
}

/* Reads one value of a list: a number, a boolean, or null where it may stand. */
INLINE const char *past_value(Walk *walk, const char *p, char **out, int kind, int nulls) {
    if (kind == BOOLEANS_KIND) {
        int is_true = *p == 't';
        if (!is_word(p, walk->last, is_true ? "true" : "false", 5 - is_true)) return NULL;
        *(*out)++ = (char)is_true;
        return p + 5 - is_true;
    }
    Decimal number;
    const char *after = past_number(p, walk->last, &number);
    if (kind == INTEGERS_KIND) {
        int64_t integer;
        if (!after || !integer_from(&number, &integer)) return NULL;
        memcpy(*out, &integer, 8);
    } else {
        double x = NAN;
        if (after) {
            x = double_from(&number);
            if (x != x && !note_hard(walk, p, *out)) return NULL;
        } else {
            if (!nulls || !is_word(p, walk->last, "null", 4)) return NULL;
            after = p + 4;
        }
        memcpy(*out, &x, 8);
    }
    *out += 8;
    return after;
}

/* Reads a list of at least one value from behind its bracket; returns what follows it. */
INLINE const char *past_list(Walk *walk, const char *p, char **out, int kind, int nulls) {
    for (;; p++) {
        if (!(p = past_value(walk, past_space(p), out, kind, nulls))) return NULL;
        p = past_space(p);
        if (*p == ']') return p + 1;
        if (*p != ',') return NULL;
    }
}

/* Notes the end of a list, which may differ in length from those before it. */
static int note_list(Walk *walk, Found *found, Py_ssize_t end) {
    Py_ssize_t i = found->n_lists++;
    if (!i) found->width = end;
    if (found->width > 0 && end == (i + 1) * found->width) return 1;
    if (found->width >= 0) {
        Py_ssize_t width = found->width;
        for (Py_ssize_t j = 0; j <= i; j++) {
            if (!grow((void **)&walk->offsets, j, &walk->offsets_room, sizeof *walk->offsets)) return 0;
            walk->offsets[j] = j * width;
        }
        found->width = -1;
    }
    if (!grow((void **)&walk->offsets, i + 1, &walk->offsets_room, sizeof *walk->offsets)) return 0;
    walk->offsets[i + 1] = end;
    return 1;
}

INLINE Py_ssize_t n_between(const char *first, const char *behind, int kind) {
    return (behind - first) / (kind == BOOLEANS_KIND ? 1 : 8);
}

/* The bytes that values take, up to a multiple of 8. */
INLINE Py_ssize_t bytes_of(Py_ssize_t n, int kind) { return kind == BOOLEANS_KIND ? (n + 7) / 8 * 8 : 8 * n; }

/* Reads a list of values, or of lists of values, from its bracket; returns what follows it. */
INLINE const char *past_lists(Walk *walk, const char *p, Found *found, int kind) {
    char *first = walk->values + walk->n_bytes, *out = first;
    const char *inner = past_space(p + 1);
    if (*inner != '[') {
        p = past_list(walk, inner, &out, kind, found->kinds & NULLS_KIND);
    } else {
        for (p = inner;; p = past_space(p + 1)) {
            if (*p != '[') return NULL;
            p = past_space(p + 1);
            p = *p == ']' ? p + 1 : past_list(walk, p, &out, kind, 1);
            if (!p || !note_list(walk, found, n_between(first, out, kind))) return NULL;
            p = past_space(p);
            if (*p == ']') break;
            if (*p != ',') return NULL;
        }
        p++;
    }
    found->n_values = n_between(first, out, kind);
    walk->n_bytes += bytes_of(found->n_values, kind);
    return p;
}

/* Tells booleans from numbers by the first value that is no bracket. */
static int kind_at(const char *p, int kinds) {
    while (*p == '[') p = past_space(p + 1);
    if (kinds & BOOLEANS_KIND && (*p == 't' || *p == 'f')) return BOOLEANS_KIND;
    return kinds & (DOUBLES_KIND | INTEGERS_KIND);
}

/* Reads the list at p if it is plainly a column; keeps nothing of any other list. */
static const char *past_column(Walk *walk, const char *p, Found *found) {
    Py_ssize_t n_bytes = walk->n_bytes, n_hard = walk->n_hard;
    const char *end = NULL;
    found->kind = kind_at(p, found->kinds);
    found->offset = n_bytes;
    if (found->kind == DOUBLES_KIND) end = past_lists(walk, p, found, DOUBLES_KIND);
    if (found->kind == INTEGERS_KIND) end = past_lists(walk, p, found, INTEGERS_KIND);
    if (found->kind == BOOLEANS_KIND) end = past_lists(walk, p, found, BOOLEANS_KIND);
    if (!end) return walk->n_bytes = n_bytes, walk->n_hard = n_hard, NULL;
    if (found->width < 0) {
        size_t size = (size_t)(found->n_lists + 1) * 8;
        memcpy(walk->values + walk->n_bytes, walk->offsets, size);
        walk->n_bytes += (Py_ssize_t)size;
    }
    found->start = p, found->end = end;
    return end;
}

/* The kinds of the column of a name; 0 where there is no such column. */
static int kinds_of(const Walk *walk, Span name) {
    for (const char *p = walk->names; *p; p = strchr(p, ' ') + 1) {
        const char *letter = strchr(p, ':');
        if (letter - p != name.length || memcmp(p, name.start, (size_t)name.length)) continue;
        int kinds = 0;
        while (*++letter != ' ')
            kinds |= *letter == 'd'   ? DOUBLES_KIND
                     : *letter == 'i' ? INTEGERS_KIND
                     : *letter == 'b' ? BOOLEANS_KIND
                                      : NULLS_KIND;
        return kinds;
    }
    return 0;
}

static int is_named(Span name, const char *text) {
    return name.length == (Py_ssize_t)strlen(text) && !memcmp(name.start, text, (size_t)name.length);
}

static const char *past_members(Walk *walk, const char *p, Found *found);

/* Reads the value of the name that ends the path: a column, an object that holds columns, or anything else. */
static const char *past_member(Walk *walk, const char *p, Found *found) {
    Span *path = found->path;
    int depth = found->depth, in_slices = depth == 2 && is_named(path[0], "slices");
    int may_hold = depth == 1 ? is_named(path[0], "slices") || is_named(path[0], "candidates") : depth == 2 && !in_slices;
    if (may_hold && *p == '{') return past_members(walk, p, found);
    if (may_hold) return past_any(p, walk->last);
    int kinds = in_slices ? INTEGERS_KIND | BOOLEANS_KIND : kinds_of(walk, path[depth - 1]);
    if (kinds && *p == '[') {
        if (!grow((void **)&walk->found, walk->n_found, &walk->found_room, sizeof *walk->found)) return NULL;
        Found *column = walk->found + walk->n_found;
        *column = *found;
        column->kinds = kinds;
        const char *end = past_column(walk, p, column);
        if (end) return walk->n_found++, end;
    }
    if (kinds && !is_word(p, walk->last, "null", 4)) walk->is_whole = 0;
    return past_any(p, walk->last);
}

/* Reads an object from its brace; NULL where it is none, or has a name twice or in escapes; else what follows it. */
static const char *past_members(Walk *walk, const char *p, Found *found) {
    Span names[MOST_NAMES];
    int n_names = 0, depth = found->depth++;
    p = past_space(p + 1);
    if (*p == '}') return found->depth = depth, p + 1;
    for (;; p = past_space(p + 1)) {
        const char *quote = p < walk->last && *p == '"' ? closing_quote(p, walk->last) : NULL;
        if (!quote || n_names == MOST_NAMES) return NULL;
        Span name = {p + 1, quote - p - 1};
        if (memchr(name.start, '\\', (size_t)name.length)) return NULL;
        for (int i = 0; i < n_names; i++)
            if (names[i].length == name.length && !memcmp(names[i].start, name.start, (size_t)name.length)) return NULL;
        names[n_names++] = found->path[depth] = name;
        p = past_space(quote + 1);
        if (*p != ':' || !(p = past_member(walk, past_space(p + 1), found)) || p > walk->last) return NULL;
        p = past_space(p);
        if (*p == '}') return found->depth = depth, p + 1;
        if (*p != ',') return NULL;
    }
}

/* Tells whether the text is an object that can be read; `walk` then holds its columns. */
static int walk_over(Walk *walk) {
    Found found = {.depth = 0};
    return past_members(walk, walk->start, &found) == walk->last + 1;
}

/* Lets CPython read the hard numbers, with the interpreter's lock; tells whether all are finite. */
static int read_hard(Walk *walk) {
    for (Py_ssize_t i = 0; i < walk->n_hard; i += 2) {
        char *rest;
        if (i % 8192 == 8190) { /* some milliseconds have passed */
            Py_BEGIN_ALLOW_THREADS Py_END_ALLOW_THREADS
        }
        double x = PyOS_string_to_double(walk->start + walk->hard[i], &rest, NULL);
        if (PyErr_Occurred()) PyErr_Clear(), x = NAN;
        if (x - x != 0.0) return 0;
        memcpy(walk->values + walk->hard[i + 1], &x, 8);
    }
    return 1;
}

/* The text with an empty list for each column; a list that is empty itself is no column, so it cannot be confused. */
static PyObject *rest_of(const Walk *walk) {
    const size_t n_in_place = strlen(PLACEHOLDER);
    Py_ssize_t length = walk->last + 1 - walk->start;
    for (Py_ssize_t i = 0; i < walk->n_found; i++)
        length += (Py_ssize_t)n_in_place - (walk->found[i].end - walk->found[i].start);
    PyObject *rest = PyBytes_FromStringAndSize(NULL, length);
    if (!rest) return NULL;
    char *out = PyBytes_AsString(rest);
    const char *p = walk->start;
    for (Py_ssize_t i = 0; i < walk->n_found; i++) {
        size_t n = (size_t)(walk->found[i].start - p);
        memcpy(out, p, n);
        memcpy(out + n, PLACEHOLDER, n_in_place);
        out += n + n_in_place;
        p = walk->found[i].end;
    }
    memcpy(out, p, (size_t)(walk->last + 1 - p));
    return rest;
}

/* The types that columns are made of: ndarray, its types of doubles, integers and booleans, and Ragged. */
enum { ARRAY, DOUBLES_TYPE, INTEGERS_TYPE, BOOLEANS_TYPE, RAGGED, N_TYPES };

/* Makes ndarray(shape, type, values, offset); takes the shape over, which may be NULL with an error set. */
static PyObject *array_object(PyObject *shape, PyObject *const *types, int type, PyObject *values, Py_ssize_t offset) {
    PyObject *place = shape ? PyLong_FromSsize_t(offset) : NULL;
    PyObject *array = place ? PyObject_CallFunctionObjArgs(types[ARRAY], shape, types[type], values, place, NULL) : NULL;
    Py_XDECREF(shape);
    Py_XDECREF(place);
    return array;
}

/* Makes the array of a column, or of uneven lists a Ragged: their values, and behind these their offsets. */
static PyObject *column_object(const Found *column, PyObject *values, PyObject *const *types) {
    int kind = column->kind, is_table = column->n_lists && column->width >= 0;
    int type = kind == DOUBLES_KIND ? DOUBLES_TYPE : kind == INTEGERS_KIND ? INTEGERS_TYPE : BOOLEANS_TYPE;
    PyObject *shape = is_table ? Py_BuildValue("(nn)", column->n_lists, column->width)
                               : PyLong_FromSsize_t(column->n_values);
    PyObject *array = array_object(shape, types, type, values, column->offset);
    if (!array || column->width >= 0) return array;
    Py_ssize_t behind = column->offset + bytes_of(column->n_values, kind);
    PyObject *offsets = array_object(PyLong_FromSsize_t(column->n_lists + 1), types, INTEGERS_TYPE, values, behind);
    PyObject *ragged = offsets ? PyObject_CallFunctionObjArgs(types[RAGGED], array, offsets, NULL) : NULL;
    Py_DECREF(array);
    Py_XDECREF(offsets);
    return ragged;
}

/* Puts a column where its path leads in a dictionary of dictionaries; returns 0 with an error set. */
static int put(PyObject *columns, const Found *column, PyObject *leaf) {
    int done = leaf != NULL;
    for (int i = 0; done && i < column->depth; i++) {
        int is_end = i == column->depth - 1;
        PyObject *name = PyUnicode_DecodeUTF8(column->path[i].start, column->path[i].length, NULL);
        PyObject *inner = !name ? NULL : is_end ? Py_NewRef(leaf) : Py_XNewRef(PyDict_GetItemWithError(columns, name));
        if (name && !inner && !PyErr_Occurred()) inner = PyDict_New();
        done = name && inner && !PyDict_SetItem(columns, name, inner);
        columns = inner; /* the outer dictionary keeps it alive */
        Py_XDECREF(name);
        Py_XDECREF(inner);
    }
    Py_XDECREF(leaf);
    return done;
}

/* Makes the dictionary of columns by name; NULL without an error where a name is no UTF-8. */
static PyObject *columns_object(const Walk *walk, PyObject *values, PyObject *const *types) {
    PyObject *columns = PyDict_New();
    for (Py_ssize_t i = 0; columns && i < walk->n_found; i++)
        if (!put(columns, walk->found + i, column_object(walk->found + i, values, types))) Py_CLEAR(columns);
    if (!columns && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) PyErr_Clear();
    return columns;
}

/* The most columns of a table, of those that were read. */
static Py_ssize_t width_of(const Walk *walk) {
    Py_ssize_t width = 0;
    for (Py_ssize_t i = 0; i < walk->n_found; i++)
        if (walk->found[i].width > width) width = walk->found[i].width;
    return width;
}
