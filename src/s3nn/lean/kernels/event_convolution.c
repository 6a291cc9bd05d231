/* Convolutions in training whose inputs are spikes: only what fired is worked on.
 *
 * A map is [image][row][column][channel].  An image's events are the places that fired, in order,
 * each by its place in its row, column * channels + channel: `events + offsets[image]`, of which
 * pixel p has [starts[p], starts[p + 1]).  Weights are [block][tap][input channel][lane], a block
 * being up to MOST_WIDTH vectors of output channels, so that what one event adds lies together:
 *
 *     y[o][:]  = sum over taps t and events c of pixel(o, t) of weights[t][c][:]
 *     dw[t][c] = sum over outputs o whose pixel(o, t) has the event c of dy[o][:]
 *
 * Both are one addition an event, tap and output channel, and no product. */

#include <stdint.h>
#include <string.h>

#define LANES 16
#define MOST_WIDTH 4
#define CACHED (48 * 1024 / 4) /* numbers */
#define INLINE static inline __attribute__((always_inline))

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

typedef struct {
    int32_t height, width, channels;        /* of the input */
    int32_t out_height, out_width, outputs; /* of the output */
    int32_t kernel_y, kernel_x, stride_y, stride_x, pad_y, pad_x;
    int32_t blocks, vectors; /* blocks * vectors * LANES is outputs, rounded up */
} Geometry;

typedef struct {
    uint16_t *events;
    int64_t *offsets; /* [image] */
    int32_t *starts;  /* [image][pixel + 1] */
} Spikes;

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

/* The events themselves; one more than an image has may be overwritten behind its last. */
static void list(const Geometry *g, const float *x, const Spikes *s, int64_t from, int64_t to) {
    const int32_t row = g->width * g->channels;
    x += from * g->height * row;
    for (int64_t image = from; image < to; image++) {
        uint16_t *next = s->events + s->offsets[image];
        for (int32_t y = 0; y < g->height; y++, x += row) {
            for (int32_t i = 0; i < row; i++) {
                *next = (uint16_t)i;
                next += x[i] != 0.0f;
            }
        }
    }
}

/* sum += the weights of the events [event, end), two pairs at a time; `first` is the place that has
 * the first weights. */
INLINE void gather(const int vectors, Vector *sum, const uint16_t *event, const uint16_t *end,
                   const float *weights, int32_t first) {
    const int lanes = vectors * LANES;
    for (; event + 3 < end; event += 4) {
        const Vector *a = (const Vector *)(weights + (event[0] - first) * lanes);
        const Vector *b = (const Vector *)(weights + (event[1] - first) * lanes);
        const Vector *c = (const Vector *)(weights + (event[2] - first) * lanes);
        const Vector *d = (const Vector *)(weights + (event[3] - first) * lanes);
        for (int v = 0; v < vectors; v++) sum[v] += (a[v] + b[v]) + (c[v] + d[v]);
    }
    for (; event < end; event++) {
        const Vector *a = (const Vector *)(weights + (event[0] - first) * lanes);
        for (int v = 0; v < vectors; v++) sum[v] += a[v];
    }
}

/* gradient[event] += what flows into one output, for its events [event, end). */
INLINE void scatter(const int vectors, const Vector *flow, const uint16_t *event,
                    const uint16_t *end, float *gradient, int32_t first) {
    for (; event < end; event++) {
        Vector *row = (Vector *)(gradient + (event[0] - first) * vectors * LANES);
        for (int v = 0; v < vectors; v++) row[v] += flow[v];
    }
}

/* Neighbouring taps of a row, [kx, kx + taps), one image and one block: every output and the events of
 * its window in one input row.  These lie side by side, and so do the taps' weights: an event's are as
 * far from the window's first as the event is.  `map` is the block's channels of the image, `step`
 * numbers to a pixel. */
INLINE void some_taps(const int vectors, const int forward, const Geometry *g, const Spikes *s,
                      int64_t image, int32_t ky, int32_t kx, int32_t taps, float *weights,
                      float *map, int64_t step) {
    const int64_t pixels = (int64_t)g->height * g->width;
    const uint16_t *events = s->events + s->offsets[image];
    const int32_t *starts = s->starts + image * (pixels + 1);
    for (int32_t y = 0; y < g->out_height; y++) {
        const int32_t in_y = y * g->stride_y + ky - g->pad_y;
        if (in_y < 0 || in_y >= g->height) continue;
        const int32_t *row = starts + (int64_t)in_y * g->width;
        Vector *at = (Vector *)(map + (int64_t)y * g->out_width * step);
        for (int32_t x = 0; x < g->out_width; x++, at = (Vector *)((float *)at + step)) {
            const int32_t left = x * g->stride_x + kx - g->pad_x, right = left + taps;
            const int32_t first = left < 0 ? 0 : left, last = right > g->width ? g->width : right;
            if (first >= last) continue;
            const uint16_t *event = events + row[first], *end = events + row[last];
            const int32_t place = left * g->channels;
            Vector value[MOST_WIDTH];
            for (int v = 0; v < vectors; v++) value[v] = at[v];
            if (forward) {
                gather(vectors, value, event, end, weights, place);
                for (int v = 0; v < vectors; v++) at[v] = value[v];
            } else {
                scatter(vectors, value, event, end, weights, place);
            }
        }
    }
}

/* A block's channels of an image between its map and `own`, where they are whole vectors. */
INLINE void move_block(const int forward, const Geometry *g, float *map, float *own,
                       int32_t block) {
    const int32_t lanes = g->vectors * LANES, first = block * lanes;
    const int32_t count = g->outputs - first < lanes ? g->outputs - first : lanes;
    const size_t bytes = (size_t)count * sizeof(float);
    for (int64_t p = 0; p < (int64_t)g->out_height * g->out_width; p++) {
        float *mine = own + p * lanes, *theirs = map + p * g->outputs + first;
        if (forward) {
            memcpy(theirs, mine, bytes);
        } else {
            memcpy(mine, theirs, bytes);
            memset(mine + count, 0, (size_t)(lanes - count) * sizeof(float));
        }
    }
}

/* All images, blocks and taps.  The weights of a tap stay in the first cache for one image and those
 * of a block in the second. */
INLINE void convolve(const int vectors, const int forward, const Geometry *g, const Spikes *s,
                     int64_t from, int64_t to, float *weights, float *maps, float *own) {
    const int32_t lanes = vectors * LANES;
    const int64_t outputs = (int64_t)g->out_height * g->out_width;
    const int64_t tap_size = (int64_t)g->channels * lanes;
    const int moved = g->outputs % lanes != 0;
    /* A whole row of taps at once where their weights stay in the first cache. */
    const int32_t taps = g->kernel_x * tap_size <= CACHED ? g->kernel_x : 1;
    for (int64_t image = from; image < to; image++) {
        float *map = maps + image * outputs * g->outputs;
        if (forward && !moved) memset(map, 0, (size_t)(outputs * g->outputs) * sizeof(float));
        for (int32_t block = 0; block < g->blocks; block++) {
            float *of_block = weights + block * g->kernel_y * g->kernel_x * tap_size;
            float *mine = moved ? own : map + block * lanes;
            const int64_t step = moved ? lanes : g->outputs;
            if (moved && forward) memset(own, 0, (size_t)(outputs * lanes) * sizeof(float));
            if (moved && !forward) move_block(0, g, map, own, block);
            for (int32_t tap = 0; tap < g->kernel_y * g->kernel_x; tap += taps) {
                const int32_t ky = tap / g->kernel_x, kx = tap % g->kernel_x;
                some_taps(vectors, forward, g, s, image, ky, kx, taps, of_block + tap * tap_size,
                          mine, step);
            }
            if (moved && forward) move_block(1, g, map, own, block);
        }
    }
}

enum { COUNT, LIST, FORWARD, WEIGHT_GRADIENT };

typedef struct {
    int32_t what;
    Geometry geometry;
    int64_t images;
    Spikes spikes;
    float *maps;    /* COUNT, LIST: x, read.  FORWARD: y, written.  WEIGHT_GRADIENT: dL/dy, read. */
    float *weights; /* FORWARD: w, read.  WEIGHT_GRADIENT: dL/dw, added to, one a part. */
    float *own;     /* room for a block of an image, one a part */
    int64_t weights_apart, own_apart; /* from one part's to the next's */
    int (*part)(void), (*parts)(void); /* OpenMP's number of a thread, and of threads */
} Job;

#define CASE(n)                                                                           \
    case n:                                                                               \
        if (job->what == FORWARD)                                                         \
            convolve(n, 1, g, s, from, to, job->weights, job->maps, own);                 \
        else                                                                              \
            convolve(n, 0, g, s, from, to, job->weights + part * job->weights_apart, job->maps, own); \
        break

/* The images of one part of so many. */
void s3nn_part(const Job *job, int32_t part, int32_t parts) {
    const Geometry *g = &job->geometry;
    const Spikes *s = &job->spikes;
    const int64_t from = job->images * part / parts, to = job->images * (part + 1) / parts;
    float *own = job->own + part * job->own_apart;
    if (job->what == COUNT) {
        count(g, job->maps, s, from, to);
    } else if (job->what == LIST) {
        list(g, job->maps, s, from, to);
    } else {
        switch (g->vectors) {
            CASE(1);
            CASE(2);
            CASE(3);
            CASE(4);
        }
    }
}

/* What every thread of an OpenMP team is to run. */
void s3nn_team(void *job) {
    const Job *ours = job;
    s3nn_part(ours, ours->part(), ours->parts());
}
