/* Exact sums. A finite double is a whole number m of at most 53 bits, times 2^(e - 1) units of 2^-1074, where e is its
   exponent field (1 for a subnormal). Numbers and products of one exponent are added as integers of 128 bits, which
   hold 2^20 of them; at the end the sums by exponent are put together in limbs of 64 bits, two's complement. */

typedef __int128 wide;

#define MOST_ADDENDS (1 << 20)
#define EXPONENTS 2048
#define NOT_FINITE 2047
#define MOST_LIMBS 72
#define WINDOW 48 /* how far a sum by group reaches below its top: 53 + 48 + 20 bits and a sign */

typedef struct { uint64_t limb[MOST_LIMBS]; int n_limbs, places; } Total;

INLINE int exponent_of(double x) { int e = (int)(bits_of(x) >> 52) & 2047; return e ? e : 1; }

INLINE int64_t mantissa_of(double x) {
    int64_t bits = bits_of(x), m = bits & INT64_C(0xfffffffffffff);
    if ((bits >> 52) & 2047) m |= INT64_C(1) << 52;
    return bits < 0 ? -m : m;
}

/* The least and the largest exponent of what is not 0; NOT_FINITE is the largest where something is no number. */
static void exponent_range(const double *x, Py_ssize_t n, int *low, int *high) {
    int least = NOT_FINITE, most = 1;
    for (Py_ssize_t i = 0; i < n; i++) {
        int e = exponent_of(x[i]), here = x[i] != 0.0;
        least = here && e < least ? e : least;
        most = e > most ? e : most;
    }
    *low = least, *high = most;
}

static void clear(Total *total, int places, int n_bits) {
    total->places = places;
    total->n_limbs = n_bits / 64 + 1;
    memset(total->limb, 0, sizeof(uint64_t) * (size_t)total->n_limbs);
}

static void add_at(Total *total, wide value, int bit) {
    int word = bit / 64, offset = bit % 64;
    uint64_t sign = value < 0 ? UINT64_MAX : 0;
    unsigned __int128 low = (unsigned __int128)value << offset;
    uint64_t over = offset ? (uint64_t)(value >> 64 >> (64 - offset)) : sign;
    uint64_t pieces[3] = {(uint64_t)low, (uint64_t)(low >> 64), over};
    unsigned __int128 carry = 0;
    for (int i = word; i < total->n_limbs; i++) {
        carry += (unsigned __int128)total->limb[i] + (i - word < 3 ? pieces[i - word] : sign);
        total->limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

/* The sum of the bins from low to high, bin b in units of 2^(b * scale), that of the lowest of 2^places. */
static void put_together(Total *total, const wide *bins, int low, int high, int scale, int places) {
    clear(total, places, (high - low) * scale + 128 + 64);
    for (int b = low; b <= high; b++)
        if (bins[b]) add_at(total, bins[b], (b - low) * scale);
}

/* Sum and sum of squares of n doubles, in units of 2^-1074 and of its square; 0 where one is not finite. */
static int power_sums(const double *x, Py_ssize_t n, Total *sum, Total *squares) {
    wide sums[EXPONENTS], products[EXPONENTS];
    int low, high;
    exponent_range(x, n, &low, &high);
    if (high == NOT_FINITE) return 0;
    if (low > high) low = high; /* nothing but zeros */
    memset(sums + low, 0, sizeof(wide) * (size_t)(high - low + 1));
    memset(products + low, 0, sizeof(wide) * (size_t)(high - low + 1));
    for (Py_ssize_t i = 0; i < n; i++) {
        int e = exponent_of(x[i]);
        int64_t m = mantissa_of(x[i]);
        if (!m) continue;
        sums[e] += m;
        products[e] += (wide)m * m;
    }
    put_together(sum, sums, low, high, 1, low - 1);
    put_together(squares, products, low, high, 2, 2 * (low - 1));
    return 1;
}

/* Sum of the products of two columns of n doubles, as power_sums. */
static int dot(const double *x, const double *y, Py_ssize_t n, Total *total) {
    wide products[2 * EXPONENTS];
    int low, high, y_low, y_high;
    exponent_range(x, n, &low, &high);
    exponent_range(y, n, &y_low, &y_high);
    if (high == NOT_FINITE || y_high == NOT_FINITE) return 0;
    low = low > high ? high : low, y_low = y_low > y_high ? y_high : y_low;
    low += y_low, high += y_high;
    memset(products + low, 0, sizeof(wide) * (size_t)(high - low + 1));
    for (Py_ssize_t i = 0; i < n; i++) {
        wide product = (wide)mantissa_of(x[i]) * mantissa_of(y[i]);
        if (product) products[exponent_of(x[i]) + exponent_of(y[i])] += product;
    }
    put_together(total, products, low, high, 1, low - 2);
    return 1;
}

/* Adds to the sums by group, in units of 2^(top - WINDOW), the numbers whose exponents lie in the window that ends at
   `top`. Returns the largest exponent below the window, 0 where there is none, or -1 for a group out of range. */
static int window_sums(const double *x, const int64_t *groups, Py_ssize_t n, int top, wide *sums, Py_ssize_t n_groups) {
    int next = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        if ((uint64_t)groups[i] >= (uint64_t)n_groups) return -1;
        int e = exponent_of(x[i]), shift = e - (top - WINDOW);
        if (e > top || x[i] == 0.0) continue;
        if (shift >= 0) sums[groups[i]] += mantissa_of(x[i]) * ((wide)1 << shift);
        else if (e > next) next = e;
    }
    return next;
}
