/* Convolutions in training whose inputs are spikes: only what fired is worked on.
 *
 * A map is [image][row][column][channel].  Weights are [block][tap][input channel][lane], a block
 * being up to MOST_WIDTH vectors of output channels, so that what one event adds lies together:
 *
 *     y[o][:]  = sum over taps t and events c of pixel(o, t) of weights[t][c][:]
 *     dw[t][c] = sum over outputs o whose pixel(o, t) has the event c of dy[o][:]
 *
 * Both are one addition an event, tap and output channel, and no product.  Each is summed in
 * registers, and for that each wants the events in an order of its own:
 *
 *   by pixel    `events + offsets[image]`, each by its place in its row, column * channels +
 *               channel; pixel p of an image has [starts[p], starts[p + 1]) of them.
 *   by channel  `events + offsets[group's first image]`, each by its pixel in a strip; channel c of
 *               a strip has [starts[c], starts[c + 1]).  A strip is some rows of one image, or a few
 *               whole images: what of dL/dy its events meet stays in the first cache.
 *
 * A strip's pixels are numbered as those of dL/dy around it are, all that a tap can reach: rows of
 * width + kernel_x - 1, height of strip + kernel_y - 1 of them an image. */

#include <stdint.h>
#include <string.h>
#ifdef __AVX512VBMI2__
#include <immintrin.h>
static const uint16_t FIRST[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                   16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
#endif

#define LANES 16
#define MOST_WIDTH 4
#define CACHED (48 * 1024 / 4) /* numbers */
#if defined __AVX512F__
#define STEP 16     /* numbers in a register */
#define MOST_TAPS 3 /* whose sums are in registers together */
#elif defined __AVX__
#define STEP 8
#define MOST_TAPS 1
#else
#define STEP 4
#define MOST_TAPS 1
#endif
#define EACH (LANES / STEP) /* registers to a vector */
#ifdef __clang__ /* either way, vectors in an array are registers */
#define UNROLLED
#else
#define UNROLLED _Pragma("GCC unroll 16")
#endif
#define INLINE static inline __attribute__((always_inline))

typedef float Register __attribute__((vector_size(4 * STEP), aligned(4), may_alias));

typedef struct {
    int32_t height, width, channels;        /* of the input */
    int32_t out_height, out_width, outputs; /* of the output */
    int32_t kernel_y, kernel_x, stride_y, stride_x, pad_y, pad_x;
    int32_t blocks, vectors; /* blocks * vectors * LANES is outputs, rounded up */
    int32_t group, rows;     /* images and, in each of them, rows of a strip; 1 or all */
} Geometry;

typedef struct {
    uint16_t *events;
    const int64_t *offsets; /* [image] */
    int32_t *starts;        /* [image][pixel + 1] or [group][strip][channel + 1] */
} Spikes;

/* Weights [output][tap][channel] to or from blocks, for (block, tap) in [from, to), by tiles. */
static void move_weights(const Geometry *g, int packing, float *plain, float *packed, int64_t from,
                         int64_t to) {
    const int32_t taps = g->kernel_y * g->kernel_x, lanes = g->vectors * LANES;
    for (int64_t both = from; both < to; both++) {
        const int64_t block = both / taps, tap = both % taps;
        for (int32_t tile = 0; tile < lanes; tile += LANES) {
            for (int32_t c = 0; c < g->channels; c++) {
                float *row = packed + (both * g->channels + c) * lanes + tile;
                for (int32_t lane = 0; lane < LANES; lane++) {
                    const int64_t output = block * lanes + tile + lane;
                    float *one = plain + (output * taps + tap) * g->channels + c;
                    if (packing) {
                        row[lane] = output < g->outputs ? *one : 0.0f;
                    } else if (output < g->outputs) {
                        *one = row[lane];
                    }
                }
            }
        }
    }
}

/* starts[image][pixel + 1]: the events of an image in front of each pixel. */
static void count(const Geometry *g, const float *x, const Spikes *s, int64_t from, int64_t to) {
    const int64_t pixels = (int64_t)g->height * g->width;
    int32_t *starts = s->starts + from * (pixels + 1);
    x += from * pixels * g->channels;
    for (int64_t image = from; image < to; image++) {
        *starts++ = 0;
        for (int64_t p = 0; p < pixels; p++, x += g->channels, starts++) {
            int32_t found = 0;
            for (int32_t c = 0; c < g->channels; c++) found += x[c] != 0.0f;
            *starts = starts[-1] + found;
        }
    }
}

/* Writes the numbers below `count` of what fired; up to SPARE behind the last may be overwritten. */
INLINE uint16_t *list_row(const float *x, int32_t count, uint16_t *next) {
    int32_t i = 0;
#ifdef __AVX512VBMI2__
    for (; i + 32 <= count; i += 32) {
        const __m512 low = _mm512_loadu_ps(x + i), high = _mm512_loadu_ps(x + i + 16);
        const __m512 zero = _mm512_setzero_ps();
        const __mmask32 fired = _mm512_kunpackw(_mm512_cmp_ps_mask(high, zero, _CMP_NEQ_UQ),
                                                _mm512_cmp_ps_mask(low, zero, _CMP_NEQ_UQ));
        const __m512i numbers = _mm512_add_epi16(_mm512_loadu_si512(FIRST), _mm512_set1_epi16((short)i));
        _mm512_storeu_si512(next, _mm512_maskz_compress_epi16(fired, numbers));
        next += __builtin_popcount(fired);
    }
#endif
    for (; i < count; i++) {
        *next = (uint16_t)i;
        next += x[i] != 0.0f;
    }
    return next;
}

/* The events themselves, by pixel. */
static void list(const Geometry *g, const float *x, const Spikes *s, int64_t from, int64_t to) {
    const int32_t row = g->width * g->channels;
    x += from * g->height * row;
    for (int64_t image = from; image < to; image++) {
        uint16_t *next = s->events + s->offsets[image];
        for (int32_t y = 0; y < g->height; y++, x += row) next = list_row(x, row, next);
    }
}

/* at += the weights of the events [event, end), two pairs at a time; `weights` are those of the place
 * 0, which may not be among them. */
INLINE void gather(const int vectors, const uint16_t *event, const uint16_t *end,
                   const float *weights, float *at) {
    const unsigned lanes = (unsigned)vectors * LANES;
    Register sum[MOST_WIDTH * EACH], *to = (Register *)at;
    const int registers = vectors * EACH;
    UNROLLED for (int v = 0; v < registers; v++) sum[v] = to[v];
    for (; event + 3 < end; event += 4) {
        const Register *a = (const Register *)(weights + event[0] * lanes);
        const Register *b = (const Register *)(weights + event[1] * lanes);
        const Register *c = (const Register *)(weights + event[2] * lanes);
        const Register *d = (const Register *)(weights + event[3] * lanes);
        UNROLLED for (int v = 0; v < registers; v++) sum[v] += (a[v] + b[v]) + (c[v] + d[v]);
    }
    for (; event < end; event++) {
        const Register *a = (const Register *)(weights + event[0] * lanes);
        UNROLLED for (int v = 0; v < registers; v++) sum[v] += a[v];
    }
    UNROLLED for (int v = 0; v < registers; v++) to[v] = sum[v];
}

/* gradient of some taps += dL/dy at the pixels [event, end); the last tap's is at `flow`, those in
 * front of it follow there and lie `apart` numbers back. */
INLINE void add_up(const int vectors, const int taps, const uint16_t *event, const uint16_t *end,
                   const float *flow, float *gradient, int64_t apart) {
    const unsigned lanes = (unsigned)vectors * LANES;
    Register sum[MOST_TAPS * MOST_WIDTH * EACH];
    const int registers = vectors * EACH;
    UNROLLED for (int t = 0; t < taps; t++) {
        const Register *at = (const Register *)(gradient - t * apart);
        UNROLLED for (int v = 0; v < registers; v++) sum[t * registers + v] = at[v];
    }
    for (; event < end; event++) {
        const Register *at = (const Register *)(flow + *event * lanes);
        UNROLLED for (int v = 0; v < taps * registers; v++) sum[v] += at[v];
    }
    UNROLLED for (int t = 0; t < taps; t++) {
        Register *at = (Register *)(gradient - t * apart);
        UNROLLED for (int v = 0; v < registers; v++) at[v] = sum[t * registers + v];
    }
}

/* Both for each number of vectors, as functions: their loops want the registers for themselves. */
typedef void Gather(const uint16_t *, const uint16_t *, const float *, float *);
typedef void AddUp(const uint16_t *, const uint16_t *, const float *, float *, int64_t);

#define FOR_VECTORS(n)                                                                          \
    static void gather_##n(const uint16_t *event, const uint16_t *end, const float *weights,    \
                           float *at) {                                                         \
        gather(n, event, end, weights, at);                                                     \
    }                                                                                           \
    static void add_up_##n(const uint16_t *event, const uint16_t *end, const float *flow,       \
                           float *gradient, int64_t apart) {                                    \
        add_up(n, MOST_TAPS, event, end, flow, gradient, apart);                                \
    }                                                                                           \
    static void add_up_tap_##n(const uint16_t *event, const uint16_t *end, const float *flow,   \
                               float *gradient, int64_t apart) {                                \
        add_up(n, 1, event, end, flow, gradient, apart);                                        \
    }

FOR_VECTORS(1)
FOR_VECTORS(2)
FOR_VECTORS(3)
FOR_VECTORS(4)

static Gather *const GATHER[MOST_WIDTH] = {gather_1, gather_2, gather_3, gather_4};
static AddUp *const ADD_UP[MOST_WIDTH] = {add_up_1, add_up_2, add_up_3, add_up_4};
static AddUp *const ADD_UP_TAP[MOST_WIDTH] = {add_up_tap_1, add_up_tap_2, add_up_tap_3,
                                              add_up_tap_4};

/* Neighbouring taps of a row, [kx, kx + taps), one image and one block: every output and the events of
 * its window in one input row.  These lie side by side, and so do the taps' weights: an event's are as
 * far from the window's first as the event is.  `map` is the block's channels of the image, `step`
 * numbers to a pixel. */
static void some_taps(const Geometry *g, const Spikes *s, int64_t image, int32_t ky, int32_t kx,
                      int32_t taps, const float *weights, float *map, int64_t step) {
    Gather *const gather = GATHER[g->vectors - 1];
    const int64_t to_pixel = (int64_t)g->channels * g->vectors * LANES;
    const int64_t pixels = (int64_t)g->height * g->width;
    const uint16_t *events = s->events + s->offsets[image];
    const int32_t *starts = s->starts + image * (pixels + 1);
    for (int32_t y = 0; y < g->out_height; y++) {
        const int32_t in_y = y * g->stride_y + ky - g->pad_y;
        if (in_y < 0 || in_y >= g->height) continue;
        const int32_t *row = starts + (int64_t)in_y * g->width;
        float *at = map + (int64_t)y * g->out_width * step;
        for (int32_t x = 0; x < g->out_width; x++, at += step) {
            const int32_t left = x * g->stride_x + kx - g->pad_x, right = left + taps;
            const int32_t first = left < 0 ? 0 : left, last = right > g->width ? g->width : right;
            if (first >= last) continue;
            gather(events + row[first], events + row[last],
                   weights - left * to_pixel, at);
        }
    }
}

/* All images, blocks and taps.  The weights of a tap stay in the first cache for one image and those
 * of a block in the second. */
static void forward(const Geometry *g, const Spikes *s, int64_t from, int64_t to,
                    const float *weights, float *maps, float *own) {
    const int32_t lanes = g->vectors * LANES;
    const int64_t outputs = (int64_t)g->out_height * g->out_width;
    const int64_t tap_size = (int64_t)g->channels * lanes;
    const int moved = g->outputs % lanes != 0;
    /* A whole row of taps at once where their weights stay in the first cache. */
    const int32_t taps = g->kernel_x * tap_size <= CACHED ? g->kernel_x : 1;
    for (int64_t image = from; image < to; image++) {
        float *map = maps + image * outputs * g->outputs;
        if (!moved) memset(map, 0, (size_t)(outputs * g->outputs) * sizeof(float));
        for (int32_t block = 0; block < g->blocks; block++) {
            const float *of_block = weights + block * g->kernel_y * g->kernel_x * tap_size;
            const int32_t first = block * lanes;
            float *mine = moved ? own : map + first;
            const int64_t step = moved ? lanes : g->outputs;
            if (moved) memset(own, 0, (size_t)(outputs * lanes) * sizeof(float));
            for (int32_t tap = 0; tap < g->kernel_y * g->kernel_x; tap += taps) {
                const int32_t ky = tap / g->kernel_x, kx = tap % g->kernel_x;
                some_taps(g, s, image, ky, kx, taps, of_block + tap * tap_size, mine, step);
            }
            if (!moved) continue;
            const int32_t count = g->outputs - first < lanes ? g->outputs - first : lanes;
            for (int64_t p = 0; p < outputs; p++) {
                memcpy(map + p * g->outputs + first, own + p * lanes, (size_t)count * sizeof(float));
            }
        }
    }
}

/* Events by channel, of groups [from, to), from events by pixel. */
static void sort(const Geometry *g, const Spikes *by_pixel, const Spikes *by_channel, int64_t from,
                 int64_t to, int64_t images, int32_t *next) {
    const int64_t pixels = (int64_t)g->height * g->width;
    const int32_t reach = g->width + g->kernel_x - 1, room = (g->rows + g->kernel_y - 1) * reach;
    const int32_t strips = (g->height + g->rows - 1) / g->rows;
    for (int64_t group = from; group < to; group++) {
        const int64_t first = group * g->group;
        const int64_t last = first + g->group < images ? first + g->group : images;
        uint16_t *events = by_channel->events + by_channel->offsets[first];
        int32_t *starts = by_channel->starts + group * strips * (g->channels + 1), found = 0;
        for (int32_t strip = 0; strip < strips; strip++, starts += g->channels + 1) {
            const int32_t top = strip * g->rows;
            const int32_t bottom = top + g->rows < g->height ? top + g->rows : g->height;
            memset(starts, 0, (size_t)(g->channels + 1) * sizeof *starts);
            for (int pass = 0; pass < 2; pass++) { /* to count, then to place */
                for (int64_t image = first; image < last; image++) {
                    const uint16_t *listed = by_pixel->events + by_pixel->offsets[image];
                    const int32_t *in = by_pixel->starts + image * (pixels + 1) + top * g->width;
                    for (int32_t y = top; y < bottom; y++) {
                        int32_t number = (int32_t)(image - first) * room + (y - top) * reach;
                        for (int32_t x = 0; x < g->width; x++, in++, number++) {
                            for (int32_t e = in[0]; e < in[1]; e++) {
                                const int32_t channel = listed[e] - x * g->channels;
                                if (pass == 0) {
                                    starts[channel + 1]++;
                                } else {
                                    events[next[channel]++] = (uint16_t)number;
                                }
                            }
                        }
                    }
                }
                if (pass == 1) break;
                starts[0] = found;
                for (int32_t c = 0; c < g->channels; c++) {
                    starts[c + 1] += starts[c];
                    next[c] = starts[c];
                }
                found = starts[g->channels];
            }
        }
    }
}

/* What a strip's events can reach of a block of dL/dy, zeros where there is none. */
static void bring(const Geometry *g, const float *map, int32_t top, int32_t first, int32_t lanes,
                  float *to) {
    const int32_t count = g->outputs - first < lanes ? g->outputs - first : lanes;
    for (int32_t row = 0; row < g->rows + g->kernel_y - 1; row++) {
        const int32_t y = top + row + g->pad_y - (g->kernel_y - 1), out_y = y / g->stride_y;
        const int inside = y >= 0 && y % g->stride_y == 0 && out_y < g->out_height;
        for (int32_t column = 0; column < g->width + g->kernel_x - 1; column++, to += lanes) {
            const int32_t x = column + g->pad_x - (g->kernel_x - 1), out_x = x / g->stride_x;
            if (inside && x >= 0 && x % g->stride_x == 0 && out_x < g->out_width) {
                const float *pixel = map + ((int64_t)out_y * g->out_width + out_x) * g->outputs;
                memcpy(to, pixel + first, (size_t)count * sizeof(float));
                if (count < lanes) memset(to + count, 0, (size_t)(lanes - count) * sizeof(float));
            } else {
                memset(to, 0, (size_t)lanes * sizeof(float));
            }
        }
    }
}

/* Blocks [block, blocks) and groups [from, to).  The gradient of a block stays in the second cache. */
static void weight_gradient(const Geometry *g, const Spikes *s, int32_t block, int32_t blocks,
                            int64_t from, int64_t to, int64_t images, float *gradients,
                            const float *maps, float *own) {
    AddUp *const add_up = ADD_UP[g->vectors - 1], *const add_up_tap = ADD_UP_TAP[g->vectors - 1];
    const int32_t lanes = g->vectors * LANES, reach = g->width + g->kernel_x - 1;
    const int64_t outputs = (int64_t)g->out_height * g->out_width * g->outputs;
    const int64_t tap_size = (int64_t)g->channels * lanes;
    const int64_t room = (int64_t)(g->rows + g->kernel_y - 1) * reach * lanes;
    const int32_t strips = (g->height + g->rows - 1) / g->rows;
    for (; block < blocks; block++) {
        float *of_block = gradients + block * g->kernel_y * g->kernel_x * tap_size;
        for (int64_t group = from; group < to; group++) {
            const int64_t first = group * g->group;
            const int64_t last = first + g->group < images ? first + g->group : images;
            const uint16_t *events = s->events + s->offsets[first];
            const int32_t *starts = s->starts + group * strips * (g->channels + 1);
            for (int32_t strip = 0; strip < strips; strip++, starts += g->channels + 1) {
                for (int64_t image = first; image < last; image++) {
                    bring(g, maps + image * outputs, strip * g->rows, block * lanes, lanes,
                          own + (image - first) * room);
                }
                for (int32_t c = 0; c < g->channels; c++) {
                    const uint16_t *event = events + starts[c], *end = events + starts[c + 1];
                    if (event == end) continue;
                    for (int32_t ky = 0; ky < g->kernel_y; ky++) {
                        const float *flow = own + (int64_t)(g->kernel_y - 1 - ky) * reach * lanes;
                        float *last_tap =
                            of_block + ((ky + 1) * g->kernel_x - 1) * tap_size + c * lanes;
                        int32_t left = g->kernel_x;
                        for (; left >= MOST_TAPS; left -= MOST_TAPS) {
                            add_up(event, end, flow, last_tap, tap_size);
                            flow += MOST_TAPS * lanes;
                            last_tap -= MOST_TAPS * tap_size;
                        }
                        for (; left > 0; left--, flow += lanes, last_tap -= tap_size) {
                            add_up_tap(event, end, flow, last_tap, tap_size);
                        }
                    }
                }
            }
        }
    }
}

enum { PACK, UNPACK, COUNT, LIST, SORT, FORWARD, WEIGHT_GRADIENT };

typedef struct {
    int32_t what;
    Geometry geometry;
    int64_t images;
    Spikes spikes; /* by pixel; WEIGHT_GRADIENT: by channel */
    Spikes sorted; /* SORT: by channel */
    float *maps;   /* COUNT, LIST: x.  FORWARD: y.  WEIGHT_GRADIENT: dL/dy.  Else plain weights. */
    float *weights;                   /* in blocks; WEIGHT_GRADIENT: dL/dw, added to */
    void *own;                        /* room to work in, one a part */
    int64_t weights_apart, own_apart; /* numbers from one part's to the next's */
} Job;

/* One part of so many: of the images, of the groups of them or of the blocks. */
void s3nn_part(const void *of, int32_t part, int32_t parts) {
    const Job *job = of;
    const Geometry *g = &job->geometry;
    const Spikes *s = &job->spikes;
    float *own = (float *)job->own + part * job->own_apart;
    const int64_t tiles = (int64_t)g->blocks * g->kernel_y * g->kernel_x;
    const int64_t groups = (job->images + g->group - 1) / g->group;
    const int moves = job->what == PACK || job->what == UNPACK;
    const int grouped = job->what == SORT || job->what == WEIGHT_GRADIENT;
    const int64_t all = moves ? tiles : grouped ? groups : job->images;
    const int64_t from = all * part / parts, to = all * (part + 1) / parts;
    switch (job->what) {
    case PACK:
    case UNPACK:
        move_weights(g, job->what == PACK, job->maps, job->weights, from, to);
        break;
    case COUNT:
        count(g, job->maps, s, from, to);
        break;
    case LIST:
        list(g, job->maps, s, from, to);
        break;
    case SORT:
        sort(g, s, &job->sorted, from, to, job->images, (int32_t *)own);
        break;
    case FORWARD:
        forward(g, s, from, to, job->weights, job->maps, own);
        break;
    case WEIGHT_GRADIENT:
        if (job->weights_apart) { /* each part has a gradient of its own, of some images */
            weight_gradient(g, s, 0, g->blocks, from, to, job->images,
                            job->weights + part * job->weights_apart, job->maps, own);
        } else { /* some blocks of the one that there is, of all images */
            weight_gradient(g, s, g->blocks * part / parts, g->blocks * (part + 1) / parts, 0,
                            groups, job->images, job->weights, job->maps, own);
        }
        break;
    }
}
