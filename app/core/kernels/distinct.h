/* Different values among numbers of 64 bits, or among objects, which are told apart by their addresses. */

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
