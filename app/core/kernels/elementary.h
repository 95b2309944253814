/* log, log1p and exp without branches, so that compilers turn loops over them into vector code. Errors stay below one
   unit in the last place (log1p: two); infinities, zeros, subnormals and NaN come out as IEEE 754 asks, but for the
   sign of log1p(-0). */

#ifdef __FAST_MATH__
#error "the order of operations is the promise: build without -ffast-math"
#endif

#define ROUNDER 0x1.8p52               /* added and taken away again, it rounds to a whole number */
#define LN2_HIGH 0x1.62e42fefap-1      /* 36 bits, so that its product with a small whole number is exact */
#define LN2_LOW 0x1.cf79abc9e3b398p-40 /* the rest */
#define HALF_BITS UINT64_C(0x3fe6a09e667f3bcd) /* of the square root of 1/2 */

INLINE int64_t bits_of(double x) { int64_t bits; memcpy(&bits, &x, sizeof bits); return bits; }
INLINE double double_of(int64_t bits) { double x; memcpy(&x, &bits, sizeof x); return x; }

/* 2 atanh(s) = 2 s + s^3 (L0 + L1 s^2 + ... + L6 s^12) to within 2^-61 for s up to 3 - 2 sqrt(2). Taylor's series has
   2/3, 2/5, 2/7 and so on and takes four terms more; these meet the function at (3 - 2 sqrt(2)) cos((2 i + 1) pi / 34)
   for i from 0 to 6, the largest zeros of a Chebyshev polynomial. */
#define L0 0x1.5555555555604p-1
#define L1 0x1.99999999647a5p-2
#define L2 0x1.249249555ea3cp-2
#define L3 0x1.c71c44a6b591cp-3
#define L4 0x1.7468a81e235aep-3
#define L5 0x1.3969ce64fd714p-3
#define L6 0x1.310896df68565p-3

/* The logarithm of a normal number, which 2^54 may have made one: x = 2^k (1 + f) with 1 + f between the roots of 1/2
   and 2, s = f / (2 + f), and log(1 + f) = 2 atanh(s) = f - f^2/2 + s (f^2/2 + L0 s^2 + L1 s^4 + ...). */
INLINE double log_of_normal(double x, double scaled) {
    uint64_t bits = (uint64_t)bits_of(x) - HALF_BITS + (UINT64_C(2047) << 52);
    /* the exponent, made positive, becomes a double without a conversion, for which vectors have no instruction */
    double k = double_of((int64_t)(bits >> 52) | bits_of(0x1p52)) - (0x1p52 + 2047.0) - scaled;
    double f = double_of((int64_t)((bits & UINT64_C(0xfffffffffffff)) + HALF_BITS)) - 1.0;
    double s = f / (2.0 + f), z = s * s, z2 = z * z, z4 = z2 * z2, half = 0.5 * f * f;
    double a = fma(z, L1, L0), b = fma(z, L3, L2), c = fma(z2, L6, fma(z, L5, L4));
    double series = z * fma(z4, c, fma(z2, b, a));
    return fma(k, LN2_HIGH, f - (half - fma(s, half + series, k * LN2_LOW)));
}

INLINE double log_of(double x) {
    int tiny = x < 0x1p-1022;
    double value = log_of_normal(tiny ? x * 0x1p54 : x, tiny ? 54.0 : 0.0);
    value = x < INFINITY ? value : x;
    value = x > 0.0 ? value : -INFINITY;
    return x >= 0.0 ? value : NAN;
}

/* The logarithm of 1 + x; the part of x that 1 + x loses to rounding is put back to first order. */
INLINE double log1p_of(double x) {
    double u = 1.0 + x;
    double lost = x - (u - 1.0);
    double value = log_of(u);
    int plain = u > 0.0 && u < INFINITY;
    return plain ? value + lost / u : value;
}

/* The exponential over 2^k: x = k log 2 + r with |r| <= log(2) / 2, and Taylor's series of e^r up to r^13. The last
   bits of `shifted` are k. */
INLINE double reduced_exp(double x, double *shifted) {
    *shifted = x * 0x1.71547652b82fep0 + ROUNDER;
    double k = *shifted - ROUNDER;
    double near = fma(-k, LN2_HIGH, x), r = fma(-k, LN2_LOW, near), lost = fma(-k, LN2_LOW, near - r);
    double r2 = r * r, r4 = r2 * r2;
    double a = fma(r, 1.0 / 6, 0.5), b = fma(r, 1.0 / 120, 1.0 / 24), c = fma(r, 1.0 / 5040, 1.0 / 720);
    double d = fma(r, 1.0 / 362880, 1.0 / 40320), e = fma(r, 1.0 / 39916800, 1.0 / 3628800);
    double g = fma(r, 1.0 / 6227020800, 1.0 / 479001600);
    double series = fma(r4, fma(r4, fma(r2, g, e), fma(r2, d, c)), fma(r2, b, a));
    return 1.0 + (r + fma(r2, series, lost));
}

/* The exponential of a number whose size is below 708, which is normal. */
INLINE double exp_of_usual(double x) {
    double shifted, value = reduced_exp(x, &shifted);
    return value * double_of((int64_t)((uint64_t)bits_of(shifted) << 52) + bits_of(1.0));
}

INLINE double exp_of(double x) {
    double inside = x > 710.0 ? 710.0 : x;
    inside = inside < -746.0 ? -746.0 : inside;
    double shifted, value = reduced_exp(inside, &shifted);
    /* two factors, for 2^k alone may overflow where the result does not */
    uint64_t power = (uint64_t)(bits_of(shifted) - bits_of(ROUNDER)) + 2048, first = power >> 1;
    double low = double_of((int64_t)((first - 1) << 52)), high = double_of((int64_t)((power - first - 1) << 52));
    return value * low * high;
}
