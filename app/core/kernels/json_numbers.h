/* A number in the grammar of JSON becomes the double nearest to it, or an integer of 64 bits. */

#include "powers_of_five.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

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

/* Marks the first of eight characters that is no digit by its highest bit: it passes '9' or falls below '0'. What is
   marked behind it means nothing, since it may carry. */
INLINE uint64_t no_digits(uint64_t text) {
    uint64_t above = text + UINT64_C(0x4646464646464646), below = text - UINT64_C(0x3030303030303030);
    return (above | below) & UINT64_C(0x8080808080808080);
}

/* Eight digits, each the value of a byte, as a number: by pairs, then both fours at once; the first is the lowest byte. */
INLINE uint64_t number_of(uint64_t digits) {
    const uint64_t pairs = UINT64_C(0x000000ff000000ff);
    digits = digits * 10 + (digits >> 8);
    uint64_t upper = (digits & pairs) * (100 + (UINT64_C(1000000) << 32));
    uint64_t lower = (digits >> 16 & pairs) * (1 + (UINT64_C(10000) << 32));
    return (uint32_t)((upper + lower) >> 32);
}

#if defined(__SSE2__) /* most numbers of models have 16 digits or more; all at once they take less time than by eights */
/* Appends sixteen digits, by pairs, by fours, by eights; returns 0 where one character is none. */
INLINE int sixteen_from(const char *p, uint64_t *digits) {
    __m128i x = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8('0'));
    if (_mm_movemask_epi8(_mm_or_si128(x, _mm_add_epi8(x, _mm_set1_epi8(118))))) return 0;
    x = _mm_srli_epi16(_mm_mullo_epi16(x, _mm_set1_epi16(10 << 8 | 1)), 8);
    x = _mm_madd_epi16(x, _mm_set1_epi32(1 << 16 | 100));
    x = _mm_madd_epi16(_mm_packs_epi32(x, x), _mm_set1_epi32(1 << 16 | 10000));
    uint64_t eights = (uint64_t)_mm_cvtsi128_si64(x);
    *digits = *digits * 10000000000000000 + (uint32_t)eights * UINT64_C(100000000) + (eights >> 32);
    return 1;
}
#endif

/* Reads digits, the last of them without a branch for each: numbers differ in length, which no processor foresees. */
INLINE const char *past_digits(const char *p, const char *end, uint64_t *digits) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#if defined(__SSE2__)
    if (end - p >= 16 && sixteen_from(p, digits)) p += 16;
#endif
    static const uint64_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
    for (; end - p >= 8; p += 8) {
        uint64_t text;
        memcpy(&text, p, 8);
        uint64_t others = no_digits(text);
        text -= UINT64_C(0x3030303030303030);
        if (others) {
            int n = __builtin_ctzll(others) / 8;
            *digits = *digits * tens[n] + number_of(text << (56 - 8 * n) << 8); /* zeros before the n digits */
            return p + n;
        }
        *digits = *digits * 100000000 + number_of(text);
    }
#endif
    (void)end;
    for (; is_digit(*p); p++) *digits = *digits * 10 + (uint64_t)(*p - '0');
    return p;
}

/* Tells whether a number has more than 19 digits from the first that is not 0. */
static int has_more(const char *p, Py_ssize_t n_digits) {
    for (; n_digits > MOST_DIGITS && (*p == '0' || *p == '.'); p++) n_digits -= *p == '0';
    return n_digits > MOST_DIGITS;
}

/* Keeps the first 19 digits from the first that is not 0, of a number that has more. */
static Decimal cut_off(Decimal number, const char *p, int64_t written_exponent) {
    int n = 0, behind_point = 0;
    number.digits = 0, number.exponent = written_exponent;
    for (; is_digit(*p) || *p == '.'; p++) {
        if (*p == '.') {
            behind_point = 1;
        } else if (n < MOST_DIGITS) {
            number.digits = number.digits * 10 + (uint64_t)(*p - '0');
            number.exponent -= behind_point;
            n += number.digits != 0;
        } else {
            number.cut |= *p != '0';
            number.exponent += !behind_point;
        }
    }
    return number;
}

/* Reads the exponent after e; NULL where no digit follows. */
INLINE const char *past_exponent(const char *p, int64_t *exponent) {
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
    if (!is_digit(*p)) return NULL;
    number->digits = (uint64_t)(*p++ - '0');
    if (__builtin_expect(is_digit(*p), 0)) { /* rare where numbers are shares; of counts the digits are few */
        if (*first == '0') return NULL;
        do number->digits = number->digits * 10 + (uint64_t)(*p - '0');
        while (is_digit(*++p));
    }
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
    if (n_digits > MOST_DIGITS && has_more(first, n_digits)) *number = cut_off(*number, first, written);
    return p;
}

/* The double nearest to digits * 10^q, ties to even; NaN where telling needs more than 128 bits, and beyond the largest
   double. Lemire, "Number parsing at a gigabyte per second", Software: Practice and Experience 51 (2021). */
INLINE double nearest(uint64_t digits, int64_t q) {
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
    uint64_t is_below = number->negative && (number->digits || !number->whole);
    return double_of(bits_of(x) | (int64_t)(is_below << 63));
}

/* Writes an integer of 64 bits; returns 0 where the number is none. */
INLINE int integer_from(const Decimal *number, int64_t *out) {
    uint64_t most = (uint64_t)INT64_MAX + (uint64_t)number->negative;
    if (!number->whole || number->exponent || number->cut || number->digits > most) return 0;
    *out = (int64_t)(number->negative ? 0 - number->digits : number->digits);
    return 1;
}
