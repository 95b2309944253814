/* Rows that repeat others, in which app/core/warnings/suspicions.py sees mistakes of a sender. */

#define MOST_COMPARED 512       /* rows among which repeats are counted */
#define PLACES (2 * MOST_COMPARED) /* of a hash table that is at most half full */

/* Whether all rows of k numbers are equal to the first. */
static int are_equal(const double *x, Py_ssize_t n_numbers, Py_ssize_t k) {
    for (Py_ssize_t i = k; i < n_numbers; i++)
        if (x[i] != x[i - k]) return 0;
    return 1;
}

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

/* Adds words of eight bytes to a hash, each times a key of its own, so that no product waits for the one before it. */
static uint64_t with_words(uint64_t hash, uint64_t key, const char *bytes, size_t n) {
    for (; n; key += 2 * GOLDEN) {
        uint64_t word = 0;
        size_t now = n < sizeof word ? n : sizeof word;
        if (now == sizeof word) memcpy(&word, bytes, sizeof word);
        else memcpy(&word, bytes, now);
        hash += word * key;
        bytes += now, n -= now;
    }
    return hash;
}

typedef struct { const char *bytes; size_t size; } Lines; /* rows of so many bytes, one behind the other */

INLINE int is_same(const Lines *lines, Py_ssize_t i, Py_ssize_t j) {
    return !memcmp(lines->bytes + (size_t)i * lines->size, lines->bytes + (size_t)j * lines->size, lines->size);
}

/* How many of at most MOST_COMPARED rows repeat an earlier one in every byte of both parts; 0 if at most half do, which
   shows once half of them have differed. */
static int n_repeats(const Lines *scores, const Lines *truth, Py_ssize_t n) {
    int16_t taken[PLACES];
    Py_ssize_t n_new = 0;
    memset(taken, -1, sizeof taken);
    for (Py_ssize_t i = 0; i < n && 2 * n_new < n; i++) {
        uint64_t hash = with_words(0, GOLDEN, scores->bytes + (size_t)i * scores->size, scores->size);
        hash = with_words(hash, ~GOLDEN - 1, truth->bytes + (size_t)i * truth->size, truth->size);
        size_t place = ((hash ^ hash >> 32) * GOLDEN >> 32) % PLACES;
        while (taken[place] >= 0 && !(is_same(scores, taken[place], i) && is_same(truth, taken[place], i)))
            place = (place + 1) % PLACES;
        if (taken[place] < 0) taken[place] = (int16_t)i, n_new++;
    }
    return 2 * n_new < n ? (int)(n - n_new) : 0;
}
