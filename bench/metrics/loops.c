/* The loops of SSIM, MS-SSIM and PSNR-YUV. Built when the package is; loops.py calls them.

   A plane is rows x columns samples without gaps, of kind 0 (uint8), 1 (uint16) or 2 (float). Rows are
   filtered across into a ring of the last WINDOW ones, which is filtered down: what is filtered stays
   in the cache. Columns are summed apart, so that sums have one order whatever the vector's length. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 11
#define SIGMA 1.5
#define K1 0.01
#define K2 0.03
/* rows that are summed as float before they are summed as double */
#define FLUSHED_ROWS 64

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(ONE_TARGET)
#define LOOP __attribute__((target_clones("arch=x86-64-v3", "default")))
#else
#define LOOP
#endif
#define INLINE static inline __attribute__((always_inline))

static const size_t SIZE[] = {1, 2, 4};

/* One row as float, less what samples are shifted by before they are squared. */
INLINE void load(const void *plane, int kind, long row, long columns, float shift, float *restrict out) {
    const void *first = (const char *)plane + (size_t)row * columns * SIZE[kind];
    if (kind == 0)
        for (long c = 0; c < columns; c++) out[c] = ((const uint8_t *)first)[c] - shift;
    else if (kind == 1)
        for (long c = 0; c < columns; c++) out[c] = ((const uint16_t *)first)[c] - shift;
    else
        for (long c = 0; c < columns; c++) out[c] = ((const float *)first)[c] - shift;
}

static void gaussian(float weights[6]) {
    double sum = 0;
    for (int k = 0; k < WINDOW; k++) sum += exp(-(k - 5) * (k - 5) / (2 * SIGMA * SIGMA));
    for (int k = 0; k < 6; k++) weights[k] = exp(-(k - 5) * (k - 5) / (2 * SIGMA * SIGMA)) / sum;
}

INLINE void across(const float *restrict in, long count, const float w[6], float *restrict out) {
    for (long c = 0; c < count; c++)
        out[c] = w[0] * (in[c] + in[c + 10]) + w[1] * (in[c + 1] + in[c + 9])
               + w[2] * (in[c + 2] + in[c + 8]) + w[3] * (in[c + 3] + in[c + 7])
               + w[4] * (in[c + 4] + in[c + 6]) + w[5] * in[c + 5];
}

/* Of the ring whose oldest row lies at place ``oldest``. */
INLINE void down(const float *ring, long oldest, long count, const float w[6], float *restrict out) {
    const float *in[WINDOW];
    for (int k = 0; k < WINDOW; k++) in[k] = ring + (oldest + k) % WINDOW * count;
    for (long c = 0; c < count; c++)
        out[c] = w[0] * (in[0][c] + in[10][c]) + w[1] * (in[1][c] + in[9][c])
               + w[2] * (in[2][c] + in[8][c]) + w[3] * (in[3][c] + in[7][c])
               + w[4] * (in[4][c] + in[6][c]) + w[5] * in[5][c];
}

INLINE void multiply(const float *restrict one, const float *restrict other, long n, float *restrict out) {
    for (long c = 0; c < n; c++) out[c] = one[c] * other[c];
}

/* Means and variances of the windows of a plane, (rows - 10) x (columns - 10) each. Returns 0 where
   there is no memory. */
LOOP int moments(const void *x, int kind, long rows, long columns, float centre, float *mean, float *variance) {
    long count = columns - WINDOW + 1, ring = WINDOW * count;
    float w[6], *memory = malloc(sizeof(float) * (2 * ring + 2 * columns));
    if (!memory) return 0;
    float *line = memory + 2 * ring, *square = line + columns;
    gaussian(w);
    for (long row = 0; row < rows; row++) {
        long place = row % WINDOW * count;
        load(x, kind, row, columns, centre, line);
        multiply(line, line, columns, square);
        across(line, count, w, memory + place);
        across(square, count, w, memory + ring + place);
        if (row < WINDOW - 1) continue;
        down(memory, row + 1, count, w, mean);
        down(memory + ring, row + 1, count, w, variance);
        for (long c = 0; c < count; c++) variance[c] -= mean[c] * mean[c];
        mean += count;
        variance += count;
    }
    free(memory);
    return 1;
}

/* Sums over the windows of SSIM (Wang et al. 2004, equation 13; 0 without ``luminance``) and of its
   contrast-structure term; ``mean`` and ``variance`` are those of x, NULL to compute them here. */
LOOP int similarity(const void *x, const void *y, int kind, long rows, long columns, float peak, float centre,
                    const float *mean, const float *variance, int luminance, double *sums) {
    long count = columns - WINDOW + 1, ring = WINDOW * count;
    int planes = mean ? 3 : 5;
    float w[6], c1 = K1 * peak * K1 * peak, c2 = K2 * peak * K2 * peak;
    float *memory = calloc(planes * (ring + count) + 2 * count + 5 * columns, sizeof(float));
    if (!memory) return 0;
    float *filtered = memory + planes * ring, *whole = filtered + planes * count, *part = whole + count;
    float *line[5];
    for (int p = 0; p < 5; p++) line[p] = part + count + p * columns;
    gaussian(w);
    for (long row = 0; row < rows; row++) {
        load(y, kind, row, columns, centre, line[0]);
        load(x, kind, row, columns, centre, line[3]);
        multiply(line[0], line[0], columns, line[1]);
        multiply(line[0], line[3], columns, line[2]);
        if (!mean) multiply(line[3], line[3], columns, line[4]);
        for (int p = 0; p < planes; p++) across(line[p], count, w, memory + p * ring + row % WINDOW * count);
        if (row < WINDOW - 1) continue;
        for (int p = 0; p < planes; p++) down(memory + p * ring, row + 1, count, w, filtered + p * count);
        const float *my = filtered, *yy = my + count, *xy = yy + count, *mx = mean, *vx = variance;
        if (mean) {
            mean += count;
            variance += count;
        } else {
            float *own = filtered + 4 * count;
            mx = filtered + 3 * count;
            vx = own;
            for (long c = 0; c < count; c++) own[c] -= mx[c] * mx[c];
        }
        for (long c = 0; c < count; c++) {
            float term = (2 * (xy[c] - mx[c] * my[c]) + c2) / (vx[c] + (yy[c] - my[c] * my[c]) + c2);
            float one = mx[c] + centre, other = my[c] + centre;
            part[c] += term;
            if (luminance) whole[c] += term * ((2 * one * other + c1) / (one * one + other * other + c1));
        }
        if (row % FLUSHED_ROWS == 0 || row == rows - 1)
            for (long c = 0; c < count; c++) {
                sums[0] += whole[c];
                sums[1] += part[c];
                whole[c] = part[c] = 0;
            }
    }
    free(memory);
    return 1;
}

/* Means of 2x2 samples; where rows or columns are odd, a row or column of zeros comes in front. */
LOOP int halve(const void *x, int kind, long rows, long columns, float *out) {
    long top = rows % 2, left = columns % 2, half = (columns + left) / 2;
    float *upper = calloc(2 * (columns + left), sizeof(float)), *lower = upper + columns + left;
    if (!upper) return 0;
    for (long row = -top; row < rows; row += 2, out += half) {
        if (row >= 0) load(x, kind, row, columns, 0, upper + left);
        load(x, kind, row + 1, columns, 0, lower + left);
        for (long c = 0; c < half; c++)
            out[c] = (upper[2 * c] + upper[2 * c + 1] + lower[2 * c] + lower[2 * c + 1]) * 0.25f;
    }
    free(upper);
    return 1;
}

/* Sums of the products of the differences of RGB samples: rr, rg, rb, gg, gb, bb. */
LOOP int cross_moments(const uint8_t *one, const uint8_t *other, long pixels, int64_t *sums) {
    for (long first = 0; first < pixels; first += 4096) {
        int32_t rr = 0, rg = 0, rb = 0, gg = 0, gb = 0, bb = 0; /* 4096 * 255 * 255 fits */
        long end = first + 4096 < pixels ? first + 4096 : pixels;
        for (long i = first; i < end; i++) {
            int32_t r = one[3 * i] - other[3 * i], g = one[3 * i + 1] - other[3 * i + 1];
            int32_t b = one[3 * i + 2] - other[3 * i + 2];
            rr += r * r, rg += r * g, rb += r * b, gg += g * g, gb += g * b, bb += b * b;
        }
        int32_t found[] = {rr, rg, rb, gg, gb, bb};
        for (int k = 0; k < 6; k++) sums[k] += found[k];
    }
    return 1;
}
