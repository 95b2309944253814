/* A number in the grammar of JSON becomes the double nearest to it, or an integer of 64 bits. */

#include "powers_of_five.h"

#define MOST_DIGITS 19          /* as many fit in 64 bits whatever they are */
#define LARGEST_EXPONENT 100000 /* bound of a written exponent; larger ones mean the same, infinity or 0 */

/* digits * 10^exponent; `cut`: digits that are not 0 were left out behind the first 19. */
typedef struct {
    uint64_t digits;
    int64_t exponent;
    int negative, whole, cut;
} Decimal;

INLINE int is_digit(char c) { return (unsigned char)(c - '0') < 10; }

INLINE const char *past_space(const char *p) {
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t') p++;
    return p;
}

/* Eight characters are digits if none of them passes '9' or falls below '0'. */
INLINE int are_digits(uint64_t text) {
    uint64_t above = text + UINT64_C(0x4646464646464646), below = text - UINT64_C(0x3030303030303030);
    return !((above | below) & UINT64_C(0x8080808080808080));
}

/* Eight digits as a number: by pairs, then both fours at once; the first character is the lowest byte. */
INLINE uint64_t number_of(uint64_t text) {
    const uint64_t pairs = UINT64_C(0x000000ff000000ff);
    text -= UINT64_C(0x3030303030303030);
    text = text * 10 + (text >> 8);
    uint64_t upper = (text & pairs) * (100 + (UINT64_C(1000000) << 32));
    uint64_t lower = (text >> 16 & pairs) * (1 + (UINT64_C(10000) << 32));
    return (uint32_t)((upper + lower) >> 32);
}

INLINE const char *past_digits(const char *p, const char *end, uint64_t *digits) {
    uint64_t text;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    while (end - p >= 8 && (memcpy(&text, p, 8), are_digits(text))) {
        *digits = *digits * 100000000 + number_of(text);
        p += 8;
    }
#endif
    (void)end, (void)text;
    for (; is_digit(*p); p++) *digits = *digits * 10 + (uint64_t)(*p - '0');
    return p;
}

/* Keeps the first 19 digits from the first that is not 0, of a number that has more. */
static void cut_off(Decimal *number, const char *p, int64_t written_exponent) {
    int n = 0, behind_point = 0;
    number->digits = 0, number->exponent = written_exponent;
    for (; is_digit(*p) || *p == '.'; p++) {
        if (*p == '.') {
            behind_point = 1;
        } else if (n < MOST_DIGITS) {
            number->digits = number->digits * 10 + (uint64_t)(*p - '0');
            number->exponent -= behind_point;
            n += number->digits != 0;
        } else {
            number->cut |= *p != '0';
            number->exponent += !behind_point;
        }
    }
}

/* Reads the exponent after e; NULL where no digit follows. */
static const char *past_exponent(const char *p, int64_t *exponent) {
    int minus = *p == '-';
    p += minus || *p == '+';
    const char *first = p;
    for (; is_digit(*p); p++)
        if (*exponent < LARGEST_EXPONENT) *exponent = *exponent * 10 + (*p - '0');
    *exponent = minus ? -*exponent : *exponent;
    return p == first ? NULL : p;
}

/* Reads a number in the grammar of JSON; NULL where there is none. */
INLINE const char *past_number(const char *p, const char *end, Decimal *number) {
    int64_t written = 0;
    Py_ssize_t n_behind_point = 0;
    *number = (Decimal){.negative = *p == '-', .whole = 1};
    p += number->negative;
    const char *first = p;
    p = past_digits(p, end, &number->digits);
    if (p == first || (*first == '0' && p - first > 1)) return NULL;
    if (*p == '.') {
        const char *point = p + 1;
        p = past_digits(point, end, &number->digits);
        n_behind_point = p - point;
        number->whole = 0;
        if (!n_behind_point) return NULL;
    }
    Py_ssize_t n_digits = p - first - (n_behind_point > 0);
    if (*p == 'e' || *p == 'E') {
        number->whole = 0;
        if (!(p = past_exponent(p + 1, &written))) return NULL;
    }
    number->exponent = written - n_behind_point;
    if (n_digits > MOST_DIGITS) cut_off(number, first, written);
    return p;
}

/* The double nearest to digits * 10^q, ties to even; NaN where telling needs more than 128 bits, and beyond the largest
   double. Clinger, "How to read floating point numbers accurately", PLDI (1990), where both factors are exact; else
   Lemire, "Number parsing at a gigabyte per second", Software: Practice and Experience 51 (2021). */
INLINE double nearest(uint64_t digits, int64_t q) {
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (q >= -22 && q <= 22 && digits <= UINT64_C(1) << 53)
        return q < 0 ? (double)digits / tens[-q] : (double)digits * tens[q];
    if (!digits || q < LEAST_POWER) return 0.0;
    if (q > MOST_POWER) return NAN;
    int zeros = __builtin_clzll(digits);
    const uint64_t *five = POWERS_OF_FIVE[q - LEAST_POWER];
    unsigned __int128 product = (unsigned __int128)(digits << zeros) * five[0];
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    if ((high & 0x1ff) == 0x1ff) { /* a carry from the lower half of the power might reach the last bit */
        uint64_t carried = (uint64_t)((unsigned __int128)(digits << zeros) * five[1] >> 64);
        low += carried;
        high += low < carried;
    }
    if (low == UINT64_MAX && (q < -27 || q > 55)) return NAN;
    int top = (int)(high >> 63), shift = top + 9;
    uint64_t mantissa = high >> shift; /* 53 bits, and one to round by */
    int64_t exponent = ((217706 * q) >> 16) + top - zeros + 1086; /* 217706 / 2^16: log2 of 10 */
    int is_tie = low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && mantissa << shift == high;
    if (exponent <= 0) { /* a subnormal number, which may be rounded up to the smallest normal one: no tie is near */
        if (exponent <= -63) return 0.0;
        mantissa >>= 1 - exponent;
        return double_of((int64_t)((mantissa + (mantissa & 1)) >> 1));
    }
    mantissa = (mantissa + (is_tie ? 0 : mantissa & 1)) >> 1;
    if (mantissa >> 53) mantissa >>= 1, exponent++;
    if (exponent >= 2047) return NAN;
    return double_of(exponent << 52 | (int64_t)(mantissa & ((UINT64_C(1) << 52) - 1)));
}

/* The double of a number; NaN where it is hard. The integer -0 is 0. */
INLINE double double_from(const Decimal *number) {
    double x = nearest(number->digits, number->exponent);
    if (number->cut && x != nearest(number->digits + 1, number->exponent)) return NAN;
    if (!number->negative) return x;
    return number->whole ? 0.0 - x : -x;
}

/* Writes an integer of 64 bits; returns 0 where the number is none. */
INLINE int integer_from(const Decimal *number, int64_t *out) {
    uint64_t most = (uint64_t)INT64_MAX + (uint64_t)number->negative;
    if (!number->whole || number->exponent || number->cut || number->digits > most) return 0;
    *out = (int64_t)(number->negative ? 0 - number->digits : number->digits);
    return 1;
}
