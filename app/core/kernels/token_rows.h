/* Documents of observed tokens, each of at least one: the quantities of app/core/rows/tokens.py without epsilon.

   cross_entropy     sum of -log p over the tokens of a document
   size              its tokens
   macro_perplexity  e^(cross_entropy / size) */

enum { TOKEN_CROSS_ENTROPY, TOKEN_SIZE, MACRO_PERPLEXITY, TOKEN_QUANTITIES };

#define BLOCK 128 /* most numbers in a block of a pairwise sum, as in NumPy */

/* The sum of up to BLOCK numbers in eight lanes; the rest behind the last eight is added one by one. */
INLINE double block_sum(const double *x, Py_ssize_t n) {
    Py_ssize_t i = 0;
    double sum = -0.0;
    if (n >= 2 * N_LANES) {
        lanes lower = load(x), upper = load(x + N_LANES);
        for (i = 2 * N_LANES; i + 2 * N_LANES <= n; i += 2 * N_LANES)
            lower += load(x + i), upper += load(x + i + N_LANES);
        sum = folded(lower) + folded(upper);
    }
    for (; i < n; i++) sum += x[i];
    return sum;
}

/* The sum as NumPy makes it: the halves of a long row are summed apart, the first a multiple of eight long. */
EVERY_PROCESSOR static double pairwise_sum(const double *x, Py_ssize_t n) {
    if (n <= BLOCK) return block_sum(x, n);
    Py_ssize_t half = n / 2 - n / 2 % (2 * N_LANES);
    return pairwise_sum(x, half) + pairwise_sum(x + half, n - half);
}

/* The first number of a document, and the pairwise sum of the others, as np.add.reduceat adds them. */
INLINE double document_sum(const double *x, Py_ssize_t n) {
    return x[0] + (n - 1 <= BLOCK ? block_sum(x + 1, n - 1) : pairwise_sum(x + 1, n - 1));
}

/* Writes the quantities of n documents; document i ends where the next one begins. Returns 0 where a document is empty
   or lies outside of the `n_values` log-probabilities. */
EVERY_PROCESSOR static int
token_rows(const double *values, Py_ssize_t n_values, const int64_t *offsets, Py_ssize_t n, const Matrix *out) {
    double *losses = written(out, TOKEN_CROSS_ENTROPY, 0), *sizes = written(out, TOKEN_SIZE, 0);
    double *perplexities = written(out, MACRO_PERPLEXITY, 0);
    for (Py_ssize_t i = 0; i < n; i++) {
        int64_t begin = offsets[i], end = offsets[i + 1];
        if (begin < 0 || begin >= end || end > n_values) return 0;
        double size = (double)(end - begin);
        double loss = losses || perplexities ? 0.0 - document_sum(values + begin, end - begin) : 0.0;
        if (losses) losses[i] = loss;
        if (sizes) sizes[i] = size;
        if (perplexities) perplexities[i] = loss / size;
    }
    if (perplexities) exps(perplexities, n, perplexities);
    return 1;
}
