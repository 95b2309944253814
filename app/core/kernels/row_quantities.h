/* Quantities of rows, written into a matrix (m, N) of doubles: a row of it is a quantity, a column a row of a batch.

   Rows are taken a tile at a time, so that a tile and all that is made of it stay in the caches of a core. A tile goes
   through the loops of rows.h and elementary.h, one after the other: the same bits as theirs over whole arrays. */

#define TILE_ROWS 512     /* most rows of a tile */
#define TILE_NUMBERS 2048 /* most numbers of a tile, but for four rows or a wide one: 16 KB */
#define WIDE 8192         /* numbers of a row that is taken with others */
#define MOST_QUANTITIES 9

enum { PROBABILITIES, LOGITS, LOG_PROBABILITIES, N_FORMS };

/* Room for one tile; more numbers than TILE_NUMBERS lie outside of it. */
typedef struct {
    int64_t labels[TILE_ROWS], top[TILE_ROWS];
    double own[TILE_ROWS], best[TILE_ROWS], others[TILE_ROWS], log_others[TILE_ROWS];
    double cross_entropy[TILE_ROWS], predictive_entropy[TILE_ROWS];
    double numbers[2 * TILE_NUMBERS], *first, *second; /* two arrays of as many numbers as a tile has */
} Room;

/* A matrix with room for n_columns, of which the first to be written is `column`; a place is a row of it, or -1. */
typedef struct {
    double *out;
    Py_ssize_t n_columns, column, place[MOST_QUANTITIES];
} Matrix;

static Py_ssize_t tile_rows(Py_ssize_t k) {
    Py_ssize_t rows = k ? TILE_NUMBERS / k : TILE_ROWS;
    if (rows < FOUR) return k <= WIDE ? FOUR : 1;
    return rows > TILE_ROWS ? TILE_ROWS : rows;
}

/* Makes room for tiles of rows of k numbers; returns 0 where there is no memory. */
static int make_room(Room *room, Py_ssize_t k) {
    Py_ssize_t size = tile_rows(k) * k;
    double *numbers = size > TILE_NUMBERS ? malloc(2 * sizeof(double) * (size_t)size) : room->numbers;
    room->first = numbers;
    room->second = numbers ? numbers + (size > TILE_NUMBERS ? size : TILE_NUMBERS) : NULL;
    return numbers != NULL;
}

static void give_room_back(Room *room) {
    if (room->first != room->numbers) free(room->first);
}

/* The place for a quantity of the rows from i on; NULL where it is not asked for. */
INLINE double *written(const Matrix *matrix, int quantity, Py_ssize_t i) {
    Py_ssize_t place = matrix->place[quantity];
    return place < 0 ? NULL : matrix->out + place * matrix->n_columns + matrix->column + i;
}

INLINE double as_double(int is_true) { return double_of(-(int64_t)is_true & bits_of(1.0)); }

EVERY_PROCESSOR static void negate(double *x, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < n; i++) x[i] = 0.0 - x[i];
}

EVERY_PROCESSOR static void gaps(const double *x, const double *y, Py_ssize_t n, double *out) {
    for (Py_ssize_t i = 0; i < n; i++) out[i] = x[i] - y[i];
}
