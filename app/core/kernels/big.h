/* Whole numbers of any size, and their quotients as doubles. Exact sums are such numbers; Python's own take several times
   as long, for each step makes an object. */

/* A sign and a magnitude in limbs of 64 bits, the lowest first, without zeros on top; no limbs for 0. */
typedef struct { uint64_t *limb; int n, is_negative; } Big;

/* Room for the limbs of some numbers, that of the first ones at hand. */
typedef struct { uint64_t near[512], *limbs, *next; } BigRoom;

/* Makes room for so many limbs; returns 0 where there is no memory. */
static int make_big_room(BigRoom *room, int n_limbs) {
    room->limbs = room->next = n_limbs <= 512 ? room->near : malloc(sizeof(uint64_t) * (size_t)n_limbs);
    return room->limbs != NULL;
}

static void give_big_room_back(BigRoom *room) {
    if (room->limbs != room->near) free(room->limbs);
}

/* A number that may take so many limbs. */
static Big new_big(BigRoom *room, int most) {
    room->next += most;
    return (Big){.limb = room->next - most};
}

static void trim(Big *a) {
    while (a->n && !a->limb[a->n - 1]) a->n--;
}

/* A number of n limbs in two's complement. */
static Big big_of(BigRoom *room, const uint64_t *limb, int n) {
    Big a = new_big(room, n);
    uint64_t carry = a.is_negative = n && (int64_t)limb[n - 1] < 0, flip = -carry;
    for (a.n = 0; a.n < n; a.n++) {
        a.limb[a.n] = (limb[a.n] ^ flip) + carry;
        carry = carry && !a.limb[a.n];
    }
    trim(&a);
    return a;
}

static Big big_product(BigRoom *room, const Big *a, const Big *b) {
    Big out = new_big(room, a->n + b->n);
    out.n = a->n + b->n, out.is_negative = a->is_negative != b->is_negative;
    memset(out.limb, 0, sizeof(uint64_t) * (size_t)out.n);
    for (int i = 0; i < a->n; i++) {
        unsigned_wide carry = 0;
        for (int j = 0; j < b->n; j++) {
            carry += (unsigned_wide)a->limb[i] * b->limb[j] + out.limb[i + j];
            out.limb[i + j] = (uint64_t)carry;
            carry >>= 64;
        }
        out.limb[i + b->n] = (uint64_t)carry;
    }
    trim(&out);
    return out;
}

static int is_larger(const Big *a, const Big *b) {
    if (a->n != b->n) return a->n > b->n;
    int i = a->n - 1;
    while (i > 0 && a->limb[i] == b->limb[i]) i--;
    return i >= 0 && a->limb[i] > b->limb[i];
}

static int are_same(const Big *a, const Big *b) {
    return a->n == b->n && !memcmp(a->limb, b->limb, sizeof(uint64_t) * (size_t)a->n) &&
           (!a->n || a->is_negative == b->is_negative);
}

/* a + b, or a - b if told to subtract. */
static Big big_sum(BigRoom *room, const Big *a, const Big *b, int subtract) {
    Big out = new_big(room, (a->n > b->n ? a->n : b->n) + 1);
    int other = b->is_negative != subtract, differ = other != a->is_negative;
    const Big *large = is_larger(b, a) ? b : a, *small = large == a ? b : a;
    unsigned_wide carry = 0;
    out.is_negative = large == a ? a->is_negative : other;
    for (out.n = 0; out.n < large->n; out.n++) {
        uint64_t x = large->limb[out.n], y = out.n < small->n ? small->limb[out.n] : 0;
        unsigned_wide sum = differ ? (unsigned_wide)x - y - (uint64_t)carry : (unsigned_wide)x + y + (uint64_t)carry;
        out.limb[out.n] = (uint64_t)sum;
        carry = (uint64_t)(sum >> 64) & 1;
    }
    if (carry) out.limb[out.n++] = 1;
    trim(&out);
    return out;
}

static int n_bits_of(const Big *a) { return a->n ? 64 * a->n - __builtin_clzll(a->limb[a->n - 1]) : 0; }

/* Writes a magnitude times 2^up into n limbs, bits below 1 cut off; returns whether such a bit was set. */
static int shift_into(const Big *a, int up, uint64_t *out, int n) {
    int word = up >= 0 ? up / 64 : -((63 - up) / 64), offset = up - 64 * word, lost = 0;
    for (int i = 0; i < n; i++) {
        int at = i - word;
        uint64_t low = at > 0 && at - 1 < a->n ? a->limb[at - 1] : 0, here = at >= 0 && at < a->n ? a->limb[at] : 0;
        out[i] = offset ? here << offset | low >> (64 - offset) : here;
    }
    for (int i = 0; i < -word && i < a->n; i++) {
        uint64_t below = i == -word - 1 && offset ? a->limb[i] << offset : a->limb[i];
        lost |= below != 0;
    }
    return lost;
}

/* One digit of Knuth's long division (The Art of Computer Programming 2, section 4.3.1, algorithm D): the quotient of u, of
   n + 1 limbs, by v, of n limbs with its highest bit set, where it fits in a limb. The remainder is left in u. */
static uint64_t divide(uint64_t *u, const uint64_t *v, int n) {
    unsigned_wide top = (unsigned_wide)u[n] << 64 | u[n - 1], guess = top / v[n - 1], rest = top % v[n - 1];
    while (n > 1 && !(rest >> 64) && guess * v[n - 2] > (rest << 64 | u[n - 2])) guess--, rest += v[n - 1];
    uint64_t digit = (uint64_t)guess, borrow = 0;
    unsigned_wide carry = 0;
    for (int i = 0; i <= n; i++) {
        carry += i < n ? (unsigned_wide)digit * v[i] : 0;
        unsigned_wide left = (unsigned_wide)u[i] - (uint64_t)carry - borrow;
        u[i] = (uint64_t)left, borrow = (uint64_t)(left >> 64) & 1;
        carry >>= 64;
    }
    if (!borrow) return digit;
    carry = 0;
    for (int i = 0; i <= n; i++) {
        carry += (unsigned_wide)u[i] + (i < n ? v[i] : 0);
        u[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return digit - 1;
}

/* The double nearest to a whole number of 62 or 63 bits times 2^e, whose last bit stands for all further ones. */
static double nearest_to(uint64_t bits, int e) {
    if (64 - __builtin_clzll(bits) + e > -1022) return ldexp((double)bits, e);
    int drop = -1074 - e; /* a subnormal number has fewer bits, and is rounded once */
    if (drop > 63) return 0.0;
    uint64_t kept = bits >> drop, cut = bits << (64 - drop), half = UINT64_C(1) << 63;
    kept += cut > half || (cut == half && (kept & 1));
    return ldexp((double)kept, -1074);
}

/* The quotient of two magnitudes of one limb each but 0, rounded once. */
static double limb_ratio(uint64_t a, uint64_t b) {
    int a_up = __builtin_clzll(a), b_up = __builtin_clzll(b);
    unsigned_wide top = (unsigned_wide)(a << a_up) << 62, v = b << b_up;
    uint64_t bits = (uint64_t)(top / v);
    return nearest_to(bits | (top % v != 0), b_up - a_up - 62);
}

/* a / b, rounded once; b must not be 0. Infinity where no double is as large. */
static double big_ratio(BigRoom *room, const Big *a, const Big *b) {
    if (!a->n) return 0.0;
    Big u = new_big(room, b->n + 1), v = new_big(room, b->n);
    int n = b->n, b_up = 64 * n - n_bits_of(b), a_up = 64 * n + 62 - n_bits_of(a);
    int lost = shift_into(a, a_up, u.limb, n + 1);
    shift_into(b, b_up, v.limb, n);
    uint64_t bits = divide(u.limb, v.limb, n);
    for (int i = 0; i < n; i++) lost |= u.limb[i] != 0;
    double size = nearest_to(bits | (uint64_t)lost, b_up - a_up);
    return a->is_negative != b->is_negative ? -size : size;
}
