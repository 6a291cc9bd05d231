/* Batch-norm, max-pool and fire in a row, and their way back, in as few passes as there can be.
 *
 * A map is [image][row][column][channel].  With u = scale x + shift and a pool over windows side by
 * side, the neuron sees the largest u of a window: of x the largest where scale > 0, the smallest
 * where it is not.  What is kept of a window is that x, and which of the window's it was.
 *
 *     MOMENTS    of every channel: sum (x - origin), sum (x - origin)^2
 *     FIRE       spikes = 1[u > theta], of a window's x
 *     GRADIENT   g = dL/ds ds/du, and of every channel: sum g, sum g (x - origin)
 *     SPREAD     dL/dx = scale g + slope x + offset, g being zero off a window's maximum
 *
 * Sums are of 32 bits within a run of pixels and of 64 over the runs. */

#include <stdint.h>
#include <string.h>

#define RUN 64 /* pixels */
#define INLINE static inline __attribute__((always_inline))

enum { MOMENTS, FIRE, GRADIENT, SPREAD };

typedef struct {
    int32_t what, channels;
    int64_t images;
    int32_t height, width;       /* of the batch-norm's map; of GRADIENT's, the neuron's */
    int32_t window_y, window_x;  /* 1 and 1 without a pool */
    const float *x;              /* MOMENTS, FIRE, SPREAD: the batch-norm's; GRADIENT: the kept */
    float *kept;                 /* FIRE: the x of each window; null without a pool */
    uint8_t *where;              /* and its number in the window, row by row */
    const float *grad;           /* GRADIENT: dL/ds; SPREAD: g */
    float *out;                  /* spikes, g or dL/dx */
    const float *scale, *shift, *theta, *origin, *slope, *offset; /* [channel] */
    const float *beta;           /* [channel], of S3; null where grad is g already */
    float alpha;
    float *run;                  /* room for [part][2][channel] */
    double *sums;                /* [part][2][channel], zeros */
} Job;

/* exp(z) for -87 <= z <= 0, to some units in the last place: 2^n times a polynomial of the rest. */
INLINE float exponential(float z) {
    const float turns = z * 1.44269504f - 0.5f;
    const int32_t n = (int32_t)turns; /* towards zero: z log2(e) rounded, as turns < 0 */
    const float r = (z - (float)n * 0.693359375f) + (float)n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return (p * r * r + r + 1.0f) * power;
}

/* ds/du by S3 where silent: alpha sig (1 - sig) of alpha (u - theta). */
INLINE float activation(float u, float theta, float alpha) {
    float z = alpha * (u - theta);
    z = z < 0.0f ? z : 0.0f;
    z = z > -80.0f ? z : -80.0f;
    const float e = exponential(z);
    return alpha * e / ((1.0f + e) * (1.0f + e));
}

/* And where fired: beta / u. */
INLINE float timing(float u, float theta, float beta) { return beta / (u > theta ? u : theta); }

static void add_run(const Job *j, float *run, double *sums) {
    for (int32_t c = 0; c < 2 * j->channels; c++) sums[c] += (double)run[c];
    memset(run, 0, (size_t)j->channels * 2 * sizeof *run);
}

static void moments(const Job *j, int64_t from, int64_t to, float *run, double *sums) {
    const int32_t channels = j->channels;
    const float *restrict origin = j->origin;
    float *restrict first = run, *restrict second = run + channels;
    for (int64_t pixel = from; pixel < to;) {
        const int64_t end = to - pixel < RUN ? to : pixel + RUN;
        for (; pixel < end; pixel++) {
            const float *restrict x = j->x + pixel * channels;
            for (int32_t c = 0; c < channels; c++) {
                const float apart = x[c] - origin[c];
                first[c] += apart;
                second[c] += apart * apart;
            }
        }
        add_run(j, run, sums);
    }
}

static void fire(const Job *j, int64_t from, int64_t to) {
    const int32_t channels = j->channels;
    const float *restrict scale = j->scale, *restrict shift = j->shift, *restrict theta = j->theta;
    for (int64_t pixel = from; pixel < to; pixel++) {
        const float *restrict x = j->x + pixel * channels;
        float *restrict out = j->out + pixel * channels;
        for (int32_t c = 0; c < channels; c++) {
            out[c] = scale[c] * x[c] + shift[c] > theta[c] ? 1.0f : 0.0f;
        }
    }
}

/* kept[c], number[c] = the larger of what they are and x[c], the window's `number`-th; where a
 * scale of 0 makes all potentials the same, the first stays. */
INLINE void take_larger(int32_t channels, const float *restrict scale, const float *restrict x,
                        float *restrict kept, float *restrict numbers, float number) {
    for (int32_t c = 0; c < channels; c++) {
        const float here = scale[c] > 0.0f ? x[c] : -x[c];
        const int larger = (here > kept[c]) & (scale[c] != 0.0f);
        numbers[c] = larger ? number : numbers[c];
        kept[c] = larger ? here : kept[c];
    }
}

/* The same behind a pool, for images [from, to). */
static void fire_pooled(const Job *j, int64_t from, int64_t to, float *restrict numbers) {
    const int32_t channels = j->channels;
    const int64_t height = j->height / j->window_y, width = j->width / j->window_x;
    const float *restrict scale = j->scale, *restrict shift = j->shift, *restrict theta = j->theta;
    for (int64_t line = from * height; line < to * height; line++) {
        const int64_t top = line / height * j->height + line % height * j->window_y;
        for (int64_t column = 0; column < width; column++) {
            const float *x = j->x + (top * j->width + column * j->window_x) * channels;
            const int64_t at = (line * width + column) * channels;
            float *restrict kept = j->kept + at, *restrict out = j->out + at;
            uint8_t *restrict where = j->where + at;
            for (int32_t c = 0; c < channels; c++) {
                kept[c] = scale[c] > 0.0f ? x[c] : -x[c];
                numbers[c] = 0.0f;
            }
            for (int32_t number = 1; number < j->window_y * j->window_x; number++) {
                const int64_t behind = (int64_t)(number / j->window_x) * j->width + number % j->window_x;
                take_larger(channels, scale, x + behind * channels, kept, numbers, (float)number);
            }
            for (int32_t c = 0; c < channels; c++) {
                kept[c] = scale[c] > 0.0f ? kept[c] : -kept[c];
                out[c] = scale[c] * kept[c] + shift[c] > theta[c] ? 1.0f : 0.0f;
            }
            for (int32_t c = 0; c < channels; c++) where[c] = (uint8_t)numbers[c];
        }
    }
}

/* out[c] = grad[c] ds/du of a pixel. */
INLINE void through_spike(int32_t channels, float alpha, const float *restrict beta,
                          const float *restrict scale, const float *restrict shift,
                          const float *restrict theta, const float *restrict x,
                          const float *restrict grad, float *restrict out) {
    for (int32_t c = 0; c < channels; c++) {
        out[c] = activation(scale[c] * x[c] + shift[c], theta[c], alpha);
    }
    for (int32_t c = 0; c < channels; c++) {
        const float u = scale[c] * x[c] + shift[c], other = timing(u, theta[c], beta[c]);
        out[c] = grad[c] * (u > theta[c] ? other : out[c]);
    }
}

static void gradient(const Job *j, int64_t from, int64_t to, float *run, double *sums) {
    const int32_t channels = j->channels;
    const float *restrict origin = j->origin;
    float *restrict first = run, *restrict second = run + channels;
    for (int64_t pixel = from; pixel < to;) {
        const int64_t end = to - pixel < RUN ? to : pixel + RUN;
        for (; pixel < end; pixel++) {
            const float *restrict x = j->x + pixel * channels;
            const float *grad = j->grad + pixel * channels;
            if (j->beta) {
                float *out = j->out + pixel * channels;
                through_spike(channels, j->alpha, j->beta, j->scale, j->shift, j->theta, x, grad, out);
                grad = out;
            }
            for (int32_t c = 0; c < channels; c++) {
                first[c] += grad[c];
                second[c] += grad[c] * (x[c] - origin[c]);
            }
        }
        add_run(j, run, sums);
    }
}

static void spread(const Job *j, int64_t from, int64_t to) {
    const int32_t channels = j->channels;
    const float *restrict scale = j->scale, *restrict slope = j->slope, *restrict offset = j->offset;
    for (int64_t pixel = from; pixel < to; pixel++) {
        const float *restrict x = j->x + pixel * channels;
        const float *grad = j->grad + pixel * channels; /* may be where dL/dx goes */
        float *out = j->out + pixel * channels;
        for (int32_t c = 0; c < channels; c++) {
            out[c] = scale[c] * grad[c] + slope[c] * x[c] + offset[c];
        }
    }
}

/* The same behind a pool, for images [from, to): what no window has is not a maximum either. */
static void spread_pooled(const Job *j, int64_t from, int64_t to) {
    const int32_t channels = j->channels;
    const int32_t height = j->height / j->window_y, width = j->width / j->window_x;
    const float *restrict scale = j->scale, *restrict slope = j->slope, *restrict offset = j->offset;
    for (int64_t image = from; image < to; image++) {
        for (int32_t y = 0; y < j->height; y++) {
            const int32_t window_y = y / j->window_y;
            for (int32_t i = 0; i < j->width; i++) {
                const int64_t pixel = (image * j->height + y) * j->width + i;
                const float *restrict x = j->x + pixel * channels;
                float *restrict out = j->out + pixel * channels;
                const int32_t window_x = i / j->window_x;
                if (window_y == height || window_x == width) {
                    for (int32_t c = 0; c < channels; c++) out[c] = slope[c] * x[c] + offset[c];
                    continue;
                }
                const int64_t at = ((image * height + window_y) * width + window_x) * channels;
                const float *restrict grad = j->grad + at;
                const uint8_t *restrict where = j->where + at;
                const int32_t number = y % j->window_y * j->window_x + i % j->window_x;
                for (int32_t c = 0; c < channels; c++) {
                    const float g = where[c] == number ? grad[c] : 0.0f;
                    out[c] = scale[c] * g + slope[c] * x[c] + offset[c];
                }
            }
        }
    }
}

void s3nn_part(const void *job, int32_t part, int32_t parts) {
    const Job *j = job;
    const int64_t from = j->images * part / parts, to = j->images * (part + 1) / parts;
    const int64_t pixels = (int64_t)j->height * j->width;
    float *run = j->run + (int64_t)part * 2 * j->channels;
    double *sums = j->sums + (int64_t)part * 2 * j->channels;
    const int pooled = j->where != 0;
    switch (j->what) {
    case MOMENTS:
        moments(j, from * pixels, to * pixels, run, sums);
        break;
    case FIRE:
        if (pooled) {
            fire_pooled(j, from, to, run);
        } else {
            fire(j, from * pixels, to * pixels);
        }
        break;
    case GRADIENT:
        gradient(j, from * pixels, to * pixels, run, sums);
        break;
    case SPREAD:
        if (pooled) {
            spread_pooled(j, from, to);
        } else {
            spread(j, from * pixels, to * pixels);
        }
        break;
    }
}
