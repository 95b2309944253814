/* One walk over the object that a body is. It reads columns of numbers or of strings, and puts an empty list in the place
   of each in the text. It reads nothing else and explains no error: another reader judges the text left, in which all
   names stand, also those that come twice.

   That is sound, since a list that is JSON takes the place of a list that is JSON: the text left is JSON if and only if
   the body is. If it is, this walk has found the same strings and brackets as any other reader. */

#define MOST_COLUMNS 4096 /* columns that are read at most, since each becomes an object; others stay in the text */
#define DEEPEST 3      /* most names on the path to a column: `candidates`, one of them, its form */
#define PLACEHOLDER "[]"

enum {
    DOUBLES_KIND = 1,
    INTEGERS_KIND = 2,
    BOOLEANS_KIND = 4,
    NULLS_KIND = 8,
    STRINGS_KIND = 16,
    INFINITIES_KIND = 32 /* "-Infinity" may stand for a double where null may */
};

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
    Py_ssize_t n_strings;
    const char *stop;              /* where the reading of a column stopped, NULL where it met no JSON */
    Found odd;                     /* the first column that was not read, of depth 0 if all were; `start` where it stopped */
    Py_ssize_t row, place;         /* the place of the value at which reading stopped; -1 where there is none */
    Py_ssize_t odd_row, odd_place; /* the same of `odd` */
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

/* Reads one value of a list: a number, a boolean, or a word where it may stand. */
INLINE const char *past_value(Walk *walk, const char *p, char **out, int kind, int words) {
    if (kind == BOOLEANS_KIND) {
        int is_true = *p == 't';
        if (!is_word(p, walk->last, is_true ? "true" : "false", 5 - is_true)) return walk->stop = p, NULL;
        *(*out)++ = (char)is_true;
        return p + 5 - is_true;
    }
    Decimal number;
    const char *after = past_number(p, walk->last, &number);
    if (kind == INTEGERS_KIND) {
        int64_t integer;
        if (!after || !integer_from(&number, &integer)) return walk->stop = p, NULL;
        memcpy(*out, &integer, 8);
    } else {
        double x = NAN;
        if (after) {
            x = double_from(&number);
            if (x != x && !note_hard(walk, p, *out)) return NULL;
        } else if (words & INFINITIES_KIND && is_word(p, walk->last, "\"-Infinity\"", 11)) {
            x = -INFINITY, after = p + 11;
        } else {
            if (!(words & NULLS_KIND) || !is_word(p, walk->last, "null", 4)) return walk->stop = p, NULL;
            after = p + 4;
        }
        memcpy(*out, &x, 8);
    }
    *out += 8;
    return after;
}

/* Reads a list of at least one value from behind its bracket; returns what follows it. */
INLINE const char *past_list(Walk *walk, const char *p, char **out, int kind, int words) {
    for (;; p++) {
        if (!(p = past_value(walk, past_space(p), out, kind, words))) return NULL;
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

/* Reads lists of values from the bracket of the first; returns what follows the bracket behind them. */
INLINE const char *past_rows(Walk *walk, const char *p, Found *found, char **out, int kind) {
    char *first = *out;
    for (;; p = past_space(p + 1)) {
        char *row = *out;
        walk->row = found->n_lists, walk->place = -1;
        if (*p != '[') return walk->stop = p, NULL;
        p = past_space(p + 1);
        p = *p == ']' ? p + 1 : past_list(walk, p, out, kind, NULLS_KIND | (found->kinds & INFINITIES_KIND));
        if (!p) return walk->place = n_between(row, *out, kind), NULL;
        if (!note_list(walk, found, n_between(first, *out, kind))) return NULL;
        p = past_space(p);
        if (*p == ']') return p + 1;
        if (*p != ',') return NULL;
    }
}

/* Reads a list of strings from its bracket without making any; returns what follows it. */
static const char *past_strings(Walk *walk, const char *p, Found *found) {
    for (found->n_values = 0;; found->n_values++) {
        p = past_space(p + 1);
        walk->row = found->n_values, walk->place = -1;
        if (*p != '"') return walk->stop = p, NULL;
        const char *quote = closing_quote(p, walk->last);
        if (!quote) return NULL;
        while (++p < quote)
            if ((unsigned char)*p < ' ') return NULL;
        p = past_space(quote + 1);
        if (*p == ']') return walk->n_strings += ++found->n_values, p + 1;
        if (*p != ',') return NULL;
    }
}

/* Reads a list of values, or of lists of values, from its bracket; returns what follows it. */
INLINE const char *past_lists(Walk *walk, const char *p, Found *found, int kind) {
    char *first = walk->values + walk->n_bytes, *out = first;
    const char *inner = past_space(p + 1);
    if (*inner != '[') {
        p = past_list(walk, inner, &out, kind, found->kinds & NULLS_KIND ? found->kinds : 0);
        if (!p) walk->row = n_between(first, out, kind), walk->place = -1;
    } else {
        p = past_rows(walk, inner, found, &out, kind);
    }
    if (!p) return NULL;
    found->n_values = n_between(first, out, kind);
    walk->n_bytes += bytes_of(found->n_values, kind);
    return p;
}

/* Tells booleans, strings and numbers apart by the first value that is no bracket. */
static int kind_at(const char *p, int kinds) {
    while (*p == '[') p = past_space(p + 1);
    if (kinds & BOOLEANS_KIND && (*p == 't' || *p == 'f')) return BOOLEANS_KIND;
    if (kinds & STRINGS_KIND && *p == '"') return STRINGS_KIND;
    return kinds & (DOUBLES_KIND | INTEGERS_KIND);
}

/* Reads the list at p if it is plainly a column; keeps nothing of any other list. */
static const char *past_column(Walk *walk, const char *p, Found *found) {
    Py_ssize_t n_bytes = walk->n_bytes, n_hard = walk->n_hard;
    const char *end = NULL;
    found->kind = kind_at(p, found->kinds);
    found->offset = n_bytes;
    walk->stop = NULL;
    if (found->kind == DOUBLES_KIND) end = past_lists(walk, p, found, DOUBLES_KIND);
    if (found->kind == INTEGERS_KIND) end = past_lists(walk, p, found, INTEGERS_KIND);
    if (found->kind == BOOLEANS_KIND) end = past_lists(walk, p, found, BOOLEANS_KIND);
    if (found->kind == STRINGS_KIND) end = past_strings(walk, p, found);
    if (!end) {
        if (!walk->odd.depth) {
            walk->odd = *found, walk->odd.start = walk->stop;
            walk->odd_row = walk->row, walk->odd_place = walk->place;
        }
        return walk->n_bytes = n_bytes, walk->n_hard = n_hard, NULL;
    }
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
                     : *letter == 's' ? STRINGS_KIND
                     : *letter == 't' ? INFINITIES_KIND
                                      : NULLS_KIND;
        return kinds;
    }
    return 0;
}

static int is_named(Span name, const char *text) {
    return name.length == (Py_ssize_t)strlen(text) && !memcmp(name.start, text, (size_t)name.length);
}

static int has_escape(Span name) { return memchr(name.start, '\\', (size_t)name.length) != NULL; }

static const char *past_members(Walk *walk, const char *p, Found *found);

/* Reads the value of the name that ends the path: a column, an object that holds columns, or anything else. */
static const char *past_member(Walk *walk, const char *p, Found *found) {
    Span *path = found->path;
    int depth = found->depth, in_slices = depth == 2 && is_named(path[0], "slices");
    int may_hold = depth == 1 ? is_named(path[0], "slices") || is_named(path[0], "candidates") : depth == 2 && !in_slices;
    if (!in_slices && depth != 2 && has_escape(path[depth - 1])) walk->is_whole = 0; /* it may be that of a column */
    if (may_hold && *p == '{') return past_members(walk, p, found);
    if (may_hold) return past_any(p, walk->last);
    int kinds = in_slices ? INTEGERS_KIND | BOOLEANS_KIND | STRINGS_KIND : kinds_of(walk, path[depth - 1]);
    if (kinds && *p == '[' && walk->n_found < MOST_COLUMNS) {
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

/* Reads an object from its brace; NULL where it is none, else what follows it. */
static const char *past_members(Walk *walk, const char *p, Found *found) {
    int depth = found->depth++;
    p = past_space(p + 1);
    if (*p == '}') return found->depth = depth, p + 1;
    for (;; p = past_space(p + 1)) {
        const char *quote = p < walk->last && *p == '"' ? closing_quote(p, walk->last) : NULL;
        if (!quote) return NULL;
        found->path[depth] = (Span){p + 1, quote - p - 1};
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

/* What columns are made of: ndarray, its types of doubles, integers, booleans and objects, Ragged, and the function that
   reads a string of JSON in which there are escapes. */
enum { ARRAY, DOUBLES_TYPE, INTEGERS_TYPE, BOOLEANS_TYPE, OBJECTS_TYPE, RAGGED, READER, N_TYPES };

/* Makes the string that stands between quotes; NULL with an error where it is none. */
static PyObject *string_object(Span text, PyObject *const *types) {
    if (!has_escape(text)) return PyUnicode_DecodeUTF8(text.start, text.length, NULL);
    return PyObject_CallFunction(types[READER], "y#", text.start - 1, text.length + 2);
}

/* Makes the array of a column of strings, which stand between its brackets. */
static PyObject *strings_object(const Walk *walk, const Found *column, PyObject *const *types) {
    Py_buffer room;
    PyObject *array = PyObject_CallFunction(types[ARRAY], "nO", column->n_values, types[OBJECTS_TYPE]);
    if (!array || PyObject_GetBuffer(array, &room, PyBUF_WRITABLE | PyBUF_FORMAT)) return Py_XDECREF(array), NULL;
    PyObject **strings = room.buf;
    const char *p = column->start;
    for (Py_ssize_t i = 0; array && i < column->n_values; i++) {
        if (i % 8192 == 8191) { /* some milliseconds have passed */
            Py_BEGIN_ALLOW_THREADS Py_END_ALLOW_THREADS
        }
        p = past_space(p + 1);
        const char *quote = closing_quote(p, walk->last);
        PyObject *none = strings[i], *string = string_object((Span){p + 1, quote - p - 1}, types);
        if (string) strings[i] = string, Py_XDECREF(none);
        else Py_CLEAR(array);
        p = past_space(quote + 1);
    }
    PyBuffer_Release(&room);
    return array;
}

/* Makes ndarray(shape, type, values, offset); takes the shape over, which may be NULL with an error set. */
static PyObject *array_object(PyObject *shape, PyObject *const *types, int type, PyObject *values, Py_ssize_t offset) {
    PyObject *place = shape ? PyLong_FromSsize_t(offset) : NULL;
    PyObject *array = place ? PyObject_CallFunctionObjArgs(types[ARRAY], shape, types[type], values, place, NULL) : NULL;
    Py_XDECREF(shape);
    Py_XDECREF(place);
    return array;
}

/* Makes the array of a column, or of uneven lists a Ragged: their values, and behind these their offsets. */
static PyObject *column_object(const Walk *walk, const Found *column, PyObject *values, PyObject *const *types) {
    if (column->kind == STRINGS_KIND) return strings_object(walk, column, types);
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
static int put(PyObject *columns, const Found *column, PyObject *leaf, PyObject *const *types) {
    int done = leaf != NULL;
    for (int i = 0; done && i < column->depth; i++) {
        int is_end = i == column->depth - 1;
        PyObject *name = string_object(column->path[i], types);
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

/* Makes the dictionary of columns by name; NULL without an error where a name or a string is none of JSON. */
static PyObject *columns_object(const Walk *walk, PyObject *values, PyObject *const *types) {
    PyObject *columns = PyDict_New();
    for (Py_ssize_t i = 0; columns && i < walk->n_found; i++)
        if (!put(columns, walk->found + i, column_object(walk, walk->found + i, values, types), types)) Py_CLEAR(columns);
    /* the reader's error is one of ValueError too */
    if (!columns && PyErr_ExceptionMatches(PyExc_ValueError)) PyErr_Clear();
    return columns;
}

/* The most columns of a table, of those that were read. */
static Py_ssize_t width_of(const Walk *walk) {
    Py_ssize_t width = 0;
    for (Py_ssize_t i = 0; i < walk->n_found; i++)
        if (walk->found[i].width > width) width = walk->found[i].width;
    return width;
}

/* Makes (path, row, place in it, offset in the text) of the value that ended the reading of a column, or None. */
static PyObject *stop_object(const Walk *walk, const char *text) {
    const Found *odd = &walk->odd;
    if (!odd->depth) return Py_NewRef(Py_None);
    PyObject *path = PyTuple_New(odd->depth);
    for (int i = 0; path && i < odd->depth; i++) {
        PyObject *name = PyBytes_FromStringAndSize(odd->path[i].start, odd->path[i].length);
        if (!name || PyTuple_SetItem(path, i, name)) Py_CLEAR(path);
    }
    Py_ssize_t offset = odd->start ? odd->start - text : -1;
    return path ? Py_BuildValue("(Nnnn)", path, walk->odd_row, walk->odd_place, offset) : NULL;
}

/* Values, names, and lists and objects of a text of JSON, as its commas, colons and brackets outside of strings tell. */
typedef struct {
    Py_ssize_t values, names, holders;
} Signs;

static Signs count_signs(const char *p, const char *end) {
    Signs signs = {0, 0, 0};
    for (; p < end; p++) {
        signs.values += *p == ',';
        signs.names += *p == ':';
        signs.holders += *p == '[' || *p == '{';
        if (*p != '"') continue;
        while (++p < end && *p != '"') p += *p == '\\';
    }
    return signs;
}

#define MOST_AT_ONCE 255 /* rounds after which a count of one byte might be full */

/* The number of times that a byte stands in a text: blocks are counted in bytes, as many as a vector has. */
EVERY_PROCESSOR static Py_ssize_t count_byte(const unsigned char *p, Py_ssize_t n, unsigned char sign) {
    enum { LANES = 64 };
    Py_ssize_t total = 0;
    while (n >= LANES) {
        Py_ssize_t rounds = n / LANES < MOST_AT_ONCE ? n / LANES : MOST_AT_ONCE;
        unsigned char counts[LANES] = {0};
        for (Py_ssize_t i = 0; i < rounds; i++, p += LANES)
            for (int j = 0; j < LANES; j++) counts[j] += p[j] == sign;
        for (int j = 0; j < LANES; j++) total += counts[j];
        n -= rounds * LANES;
    }
    for (; n > 0; n--) total += *p++ == sign;
    return total;
}
