/* Exact sums by group. Where few groups have numbers whose exponents are not far apart, these are cut into two digits as
   in digits.h. Elsewhere a group has an integer of 128 bits, which spans a window of exponents; numbers below the window
   wait for another pass, of which there is seldom one. */

#define WINDOW 48 /* exponents a sum spans: 53 bits of a number, 48, 20 for 2^20 numbers, and a sign fit in 128 */
#define FEW_GROUPS 256
#define SIDES 4 /* sums of one of few groups, so that a number need not wait for the one before it */

/* Counts rows by group, only those of positive weight if there are weights; returns 0 if a group is out of range. */
static int count_groups(const int64_t *groups, Py_ssize_t n, const double *weight, int64_t *counts,
                        Py_ssize_t n_groups) {
    int64_t few[FEW_GROUPS][SIDES], *count = n_groups > FEW_GROUPS ? counts : few[0];
    const Py_ssize_t n_sides = n_groups > FEW_GROUPS ? 1 : SIDES;
    memset(count, 0, sizeof(int64_t) * (size_t)(n_groups * n_sides));
    for (Py_ssize_t i = 0; i < n; i++) {
        if ((uint64_t)groups[i] >= (uint64_t)n_groups) return 0;
        count[groups[i] * n_sides + i % n_sides] += !weight || weight[i] > 0.0;
    }
    for (Py_ssize_t g = 0; n_sides > 1 && g < n_groups; g++) counts[g] = few[g][0] + few[g][1] + few[g][2] + few[g][3];
    return 1;
}

/* Writes the places of the rows of each group, rising, one group behind the other; `next` says where each begins. */
static void group_places(const int64_t *groups, Py_ssize_t n, int64_t *next, int64_t *places) {
    for (Py_ssize_t i = 0; i < n; i++) places[next[groups[i]]++] = i;
}

/* Adds up by group, in units of 2^(base - BIAS), the numbers whose exponents lie between `base` and `top`; `low` is the
   least exponent of all. Returns the largest exponent below `base`, or 0. */
static int window_sums(const double *x, const int64_t *groups, Py_ssize_t n, int low, int base, int top, wide *sums) {
    int next = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        int64_t bits = bits_of(x[i]);
        int e = low + bin_of(bits, low);
        if (e > top) continue;
        if (e >= base) sums[groups[i]] += (wide)((unsigned_wide)mantissa(bits) << (e - base));
        else if (e > next) next = e;
    }
    return next;
}

/* The digits of up to 2^18 numbers add up exactly in a double where the upper one has 35 bits, and the exponents of the
   numbers span 18 more than those of one number: the lower one then has 36, its sign among them. */
#define UPPER_DIGIT 35
#define NEAR_SPAN 18
#define MOST_HIGH 2000 /* the exponent of a number that can be cut */

typedef double Digits __attribute__((vector_size(16)));

static int are_near(Range range, Py_ssize_t n_groups) {
    return n_groups <= FEW_GROUPS && range.low >= LEAST_LOW && range.high - range.low <= NEAR_SPAN &&
           range.high <= MOST_HIGH;
}

/* Adds up by group, in units of 2^(low - BIAS), up to 2^20 numbers that are near each other. */
static void near_group_sums(const double *x, const int64_t *groups, Py_ssize_t n, Range range, wide *sums,
                            Py_ssize_t n_groups) {
    Digits own[FEW_GROUPS][SIDES];
    const int unit = range.low - BIAS, upper = range.high - BIAS + 53 - UPPER_DIGIT;
    const double rounder = ROUNDER * power_of_two(upper);
    memset(own, 0, sizeof(Digits) * SIDES * (size_t)n_groups);
    for (Py_ssize_t i = 0; i < n; i++) {
        double high = (x[i] + rounder) - rounder;
        own[groups[i]][i % SIDES] += (Digits){high, x[i] - high};
    }
    for (Py_ssize_t g = 0; g < n_groups; g++) {
        sums[g] = 0;
        for (int side = 0; side < SIDES; side++) {
            Digits digits = own[g][side] * (Digits){power_of_two(-upper), power_of_two(-unit)};
            sums[g] += (int64_t)digits[0] * ((wide)1 << (upper - unit)) + (int64_t)digits[1];
        }
    }
}
