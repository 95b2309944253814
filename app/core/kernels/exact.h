/* Exact sums. A finite double is a whole number m of at most 53 bits, times 2^(e - 1075), where e is its exponent field
   (1 for a subnormal). Numbers and products of one exponent are added as integers of 128 bits, which hold 2^20 of them;
   at the end the sums by exponent are put together in limbs of 64 bits, two's complement. */

typedef __int128 wide;
typedef unsigned __int128 unsigned_wide;

#define MOST_ADDENDS (1 << 20)
#define EXPONENTS 2048
#define NOT_FINITE 2047
#define BIAS 1075
#define MOST_LIMBS 72

/* The whole number in the limbs, times 2^place. */
typedef struct { uint64_t limb[MOST_LIMBS]; int n_limbs, place; } Total;

/* Two sums for each exponent, so that a number need not wait for the sum that the number before it went into. */
typedef wide Bin[2];

INLINE int exponent_field(int64_t bits) { return (int)(bits >> 52) & 2047; }

INLINE int64_t mantissa(int64_t bits) {
    int64_t m = (bits & INT64_C(0xfffffffffffff)) | (int64_t)(exponent_field(bits) != 0) << 52, sign = bits >> 63;
    return (m ^ sign) - sign;
}

/* The sizes of the smallest number but 0 and of the largest one, in bits, and their exponents: least > most, and
   low > high, where all is 0; NOT_FINITE is the largest exponent where something is no number. */
typedef struct { int64_t least, most; int low, high; } Range;

EVERY_PROCESSOR static Range range_of(const double *x, Py_ssize_t n) {
    int64_t least = INT64_MAX, most = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        int64_t size = bits_of(x[i]) & INT64_MAX, below = (size - 1) & INT64_MAX; /* the largest of all for 0 */
        least = below < least ? below : least;
        most = size > most ? size : most;
    }
    least += least < INT64_MAX;
    int low = exponent_field(least), high = exponent_field(most);
    return (Range){least, most, low + !low, high + !high};
}

static void clear(Total *total, int place, int n_bits) {
    total->place = place;
    total->n_limbs = n_bits / 64 + 1;
    memset(total->limb, 0, sizeof(uint64_t) * (size_t)total->n_limbs);
}

static void add_at(Total *total, wide value, int bit) {
    int word = bit / 64, offset = bit % 64;
    uint64_t sign = value < 0 ? UINT64_MAX : 0;
    unsigned_wide low = (unsigned_wide)value << offset, carry = 0;
    uint64_t over = offset ? (uint64_t)(value >> 64 >> (64 - offset)) : sign;
    uint64_t pieces[3] = {(uint64_t)low, (uint64_t)(low >> 64), over};
    for (int i = word; i < total->n_limbs; i++) {
        carry += (unsigned_wide)total->limb[i] + (i - word < 3 ? pieces[i - word] : sign);
        total->limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

/* Adds n bins up; bin b counts units of 2^(place + b * scale). */
static void put_together(Total *total, const Bin *bins, int n, int scale, int place) {
    clear(total, place, n * scale + 128 + 64);
    for (int b = 0; b < n; b++) {
        wide sum = bins[b][0] + bins[b][1];
        if (sum) add_at(total, sum, b * scale);
    }
}

/* The bin of a number. Zeros have no exponent and go into the bin of the least one. */
INLINE int bin_of(int64_t bits, int low) {
    int e = exponent_field(bits);
    return e > low ? e - low : 0;
}

INLINE void add_powers(double x, int low, int side, Bin *sums, Bin *squares) {
    int64_t bits = bits_of(x), m = mantissa(bits);
    int b = bin_of(bits, low);
    sums[b][side] += m;
    squares[b][side] += (wide)m * m;
}

/* The `power_sums` of zeros and numbers of one size, such as hits and misses, which need only be counted. */
EVERY_PROCESSOR static void uniform_sums(const double *x, Py_ssize_t n, int low, int64_t size, Total *sum,
                                         Total *squares) {
    int64_t m = mantissa(size), above = 0, below = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        above += x[i] > 0.0;
        below += x[i] < 0.0;
    }
    clear(sum, low - BIAS, 128);
    clear(squares, 2 * (low - BIAS), 128);
    add_at(sum, (wide)m * (above - below), 0);
    add_at(squares, (wide)m * m * (above + below), 0);
}

/* The sum, and the sum of squares, of n finite doubles whose exponents lie between low and high. */
static void power_sums(const double *x, Py_ssize_t n, int low, int high, Total *sum, Total *squares) {
    Bin sums[EXPONENTS], products[EXPONENTS];
    size_t n_bins = (size_t)(high - low + 1);
    memset(sums, 0, sizeof(Bin) * n_bins);
    memset(products, 0, sizeof(Bin) * n_bins);
    for (Py_ssize_t i = 0; i + 2 <= n; i += 2) {
        add_powers(x[i], low, 0, sums, products);
        add_powers(x[i + 1], low, 1, sums, products);
    }
    if (n % 2) add_powers(x[n - 1], low, 0, sums, products);
    put_together(sum, sums, (int)n_bins, 1, low - BIAS);
    put_together(squares, products, (int)n_bins, 2, 2 * (low - BIAS));
}

INLINE void add_product(double x, double y, int x_low, int y_low, int side, Bin *products) {
    int64_t x_bits = bits_of(x), y_bits = bits_of(y);
    products[bin_of(x_bits, x_low) + bin_of(y_bits, y_low)][side] += (wide)mantissa(x_bits) * mantissa(y_bits);
}

/* The sum of the products of two columns of n finite doubles; n_bins exponents, from the least ones upwards. */
static void dot(const double *x, const double *y, Py_ssize_t n, int x_low, int y_low, int n_bins, Total *total) {
    Bin products[2 * EXPONENTS];
    memset(products, 0, sizeof(Bin) * (size_t)n_bins);
    for (Py_ssize_t i = 0; i + 2 <= n; i += 2) {
        add_product(x[i], y[i], x_low, y_low, 0, products);
        add_product(x[i + 1], y[i + 1], x_low, y_low, 1, products);
    }
    if (n % 2) add_product(x[n - 1], y[n - 1], x_low, y_low, 0, products);
    put_together(total, products, n_bins, 1, x_low + y_low - 2 * BIAS);
}

/* A sum times a small whole number above 0. */
static void multiply(const Total *total, uint64_t by, Total *product) {
    unsigned_wide carry = 0;
    uint64_t sign = (int64_t)total->limb[total->n_limbs - 1] < 0 ? UINT64_MAX : 0;
    *product = *total;
    product->limb[product->n_limbs++] = sign;
    for (int i = 0; i < product->n_limbs; i++) {
        carry += (unsigned_wide)product->limb[i] * by;
        product->limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
}

#define NO_BIT INT_MAX

/* The power of two of the lowest bit that is set; NO_BIT for 0. */
static int lowest_bit(const Total *total) {
    for (int i = 0; i < total->n_limbs; i++)
        if (total->limb[i]) return total->place + 64 * i + __builtin_ctzll(total->limb[i]);
    return NO_BIT;
}
