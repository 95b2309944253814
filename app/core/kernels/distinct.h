/* Different values among numbers of 64 bits, among objects, which are told apart by their addresses, or among texts. */

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
