/* Different values among numbers of 64 bits, among objects, which are told apart by their addresses, or among texts,
   and the order of texts. */

#define MOST_DISTINCT 1024
#define N_SLOTS 4096 /* a power of two, a quarter of them taken at most; who picks numbers for it gains a long row of
                        slots to walk, which takes less time than MOST_DISTINCT slices do */

INLINE size_t slot_of(uint64_t x) { return (size_t)(x * 0x9E3779B97F4A7C15u >> 52); }

/* Writes the code of each number, by order of first occurrence, and the position of each first occurrence. Returns the
   number of different ones, or -1 beyond MOST_DISTINCT. */
static Py_ssize_t distinct(const uint64_t *x, Py_ssize_t n, int64_t *codes, int64_t *first) {
    int16_t slots[N_SLOTS];
    Py_ssize_t found = 0;
    memset(slots, -1, sizeof slots);
    for (Py_ssize_t i = 0; i < n; i++) {
        uint64_t value = x[i];
        size_t slot = slot_of(value);
        while (slots[slot] >= 0 && x[first[slots[slot]]] != value) slot = (slot + 1) % N_SLOTS;
        if (slots[slot] < 0) {
            if (found == MOST_DISTINCT) return -1;
            first[found] = i;
            slots[slot] = (int16_t)found++;
        }
        codes[i] = slots[slot];
    }
    return found;
}

#define MOST_STEPS 64 /* from slot to slot; more are needed only where somebody has picked texts for it */

/* Tells whether each text, from its offset to the next, lies in so many bytes. */
static int are_offsets(const int64_t *offsets, Py_ssize_t n, Py_ssize_t n_bytes) {
    int good = offsets[0] >= 0 && offsets[n] <= n_bytes;
    for (Py_ssize_t i = 0; i < n; i++) good &= offsets[i] <= offsets[i + 1];
    return good;
}

/* The bytes of a text that has at most eight, each in its place, and a hash of a longer one. */
INLINE uint64_t word_of(const char *text, size_t length, const char *end) {
    uint64_t word = 0;
    if (length > sizeof word) return with_words(0, GOLDEN, text, length);
    if (end - text < (Py_ssize_t)sizeof word || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
        return memcpy(&word, text, length), word;
    memcpy(&word, text, sizeof word); /* a copy of eight bytes is one instruction */
    return length ? word & UINT64_MAX >> (64 - 8 * length) : 0;
}

/* Does for n texts, which lie side by side in memory, what `distinct` does for numbers; -1 also for picked texts. */
static Py_ssize_t distinct_texts(const char *bytes, const int64_t *offsets, Py_ssize_t n, int64_t *codes, int64_t *first) {
    int16_t slots[N_SLOTS];
    uint64_t words[MOST_DISTINCT];
    size_t lengths[MOST_DISTINCT];
    Py_ssize_t found = 0;
    memset(slots, -1, sizeof slots);
    for (Py_ssize_t i = 0; i < n; i++) {
        const char *text = bytes + offsets[i];
        size_t length = (size_t)(offsets[i + 1] - offsets[i]);
        uint64_t word = word_of(text, length, bytes + offsets[n]);
        size_t slot = slot_of(word + length);
        int code, steps = 0;
        for (; (code = slots[slot]) >= 0; slot = (slot + 1) % N_SLOTS) {
            if (words[code] == word && lengths[code] == length)
                if (length <= sizeof word || !memcmp(bytes + offsets[first[code]], text, length)) break;
            if (++steps == MOST_STEPS) return -1;
        }
        if (code < 0) {
            if (found == MOST_DISTINCT) return -1;
            first[found] = i, words[found] = word, lengths[found] = length;
            code = slots[slot] = (int16_t)found++;
        }
        codes[i] = code;
    }
    return found;
}

/* A text to be sorted: its first eight bytes as a number that sorts as they do, and its place. */
typedef struct {
    uint64_t word;
    Py_ssize_t place;
} Text;

INLINE uint64_t first_word(const char *text, size_t length) {
    uint64_t word = 0;
    for (size_t i = 0; i < 8; i++) word = word << 8 | (i < length ? (uint8_t)text[i] : 0);
    return word;
}

/* Less than 0, 0 or more, as a text comes before, equals or comes after another, byte by byte. */
INLINE int compared(const char *bytes, const int64_t *offsets, const Text *a, const Text *b) {
    if (a->word != b->word) return a->word < b->word ? -1 : 1;
    int64_t ours = offsets[a->place + 1] - offsets[a->place], theirs = offsets[b->place + 1] - offsets[b->place];
    int found = memcmp(bytes + offsets[a->place], bytes + offsets[b->place], (size_t)(ours < theirs ? ours : theirs));
    return found || ours == theirs ? found : ours < theirs ? -1 : 1;
}

/* Sorts texts by merging runs of 1, 2, 4, ... texts, from one room to another and back; returns the room where they end. */
static Text *merged(const char *bytes, const int64_t *offsets, Py_ssize_t n, Text *from, Text *to) {
    for (Py_ssize_t run = 1; run < n; run *= 2) {
        for (Py_ssize_t start = 0; start < n; start += 2 * run) {
            Py_ssize_t middle = start + run < n ? start + run : n, end = middle + run < n ? middle + run : n;
            Py_ssize_t i = start, j = middle;
            for (Py_ssize_t k = start; k < end; k++) {
                int is_first = i < middle && (j == end || compared(bytes, offsets, from + i, from + j) <= 0);
                to[k] = from[is_first ? i++ : j++];
            }
        }
        Text *free = from;
        from = to, to = free;
    }
    return from;
}

/* Writes for each of n texts its code, by the order of bytes, and the position of the first text of each code. Returns
   the number of different ones, or -1 where memory lacks. */
static Py_ssize_t text_order(const char *bytes, const int64_t *offsets, Py_ssize_t n, int64_t *codes, int64_t *first) {
    Text *room = malloc((size_t)(n ? n : 1) * 2 * sizeof *room);
    Py_ssize_t found = 0;
    if (!room) return -1;
    for (Py_ssize_t i = 0; i < n; i++)
        room[i] = (Text){first_word(bytes + offsets[i], (size_t)(offsets[i + 1] - offsets[i])), i};
    Text *sorted = merged(bytes, offsets, n, room, room + n);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!i || compared(bytes, offsets, sorted + i - 1, sorted + i)) first[found++] = sorted[i].place;
        codes[sorted[i].place] = found - 1;
    }
    free(room);
    return found;
}
