/* A convolution of spikes with stride 1, column by column: the spikes of one input column touch the
 * KW output pixels whose patches hold it.  The sums of these pixels stay in registers; each spike
 * adds KW neighbouring vectors of weights, and when the sweep moves on the oldest pixel is done.
 *
 * As in event_conv.h, up to ROWS8 rows are added as bytes before they are added to 16-bit sums, and
 * even lanes hold the first half of a vector's channels.  Weights are [tile][ky][c][slot][lane]: slot
 * j belongs to the pixel that sees the column at kx = KW - 1 - j, so that slot 0 is done next.
 *
 * Where hardly any rows can be added as bytes (WIDE), they are added as 16-bit pairs of weights.
 *
 * Defined around this text: as for event_conv.h, and WIDE, MODULAR.  SUMS is 16. */

#define ROW (KW * WIDTH)
#define SILENT_WORDS (OUT_WORDS / TILES)

#if defined(S3NN_VECTORS) && WIDE

/* `pairs` is the sum, modulo 2^16, of rows taken as 16-bit numbers: 256 odd + even + 128, the even
 * weight stored as a byte without a sign.  With the sum of the odd ones that of the even ones is what
 * remains, since it is known to fit 16 bits. */
typedef struct {
    MODULAR pairs[TILE];
    HALVES even[TILE], odd[TILE];
    uint32_t count;
} NAME(slot);

static inline void NAME(clear)(NAME(slot) *slot)
{
    slot->count = 0;
    S3NN_UNROLL for (int t = 0; t < TILE; ++t) {
        slot->pairs[t] = (MODULAR){0};
        slot->odd[t] = (HALVES){0};
    }
}

static inline void NAME(expect)(NAME(slot) *slot, uint32_t rows) { slot->count += rows; }

static inline void NAME(widen)(NAME(slot) *slot)
{
    const uint16_t bias = (uint16_t)(128u * slot->count);
    S3NN_UNROLL for (int t = 0; t < TILE; ++t)
        slot->even[t] = (HALVES)(slot->pairs[t] - ((MODULAR)slot->odd[t] << 8) - bias);
}

static inline void NAME(add)(NAME(slot) *slot, const int8_t *weights)
{
    const MODULAR *row = (const MODULAR *)(const void *)weights;
    S3NN_UNROLL for (int t = 0; t < TILE; ++t) {
        slot->pairs[t] += row[t];
        slot->odd[t] += (HALVES)row[t] >> 8;
    }
}

#elif defined(S3NN_VECTORS)

typedef struct {
    BYTES bytes[TILE];
    HALVES even[TILE], odd[TILE];
} NAME(slot);

static inline void NAME(expect)(NAME(slot) *slot, uint32_t rows)
{
    (void)slot;
    (void)rows;
}

static inline void NAME(clear)(NAME(slot) *slot)
{
    S3NN_UNROLL for (int t = 0; t < TILE; ++t) {
        slot->bytes[t] = (BYTES){0};
        slot->even[t] = slot->odd[t] = (HALVES){0};
    }
}

static inline void NAME(widen)(NAME(slot) *slot)
{
    S3NN_UNROLL for (int t = 0; t < TILE; ++t) {
        const HALVES pairs = (HALVES)slot->bytes[t];
        slot->even[t] += (HALVES)(pairs << 8) >> 8;
        slot->odd[t] += pairs >> 8;
        slot->bytes[t] = (BYTES){0};
    }
}

static inline void NAME(add)(NAME(slot) *slot, const int8_t *weights)
{
    const BYTES *row = (const BYTES *)weights;
    S3NN_UNROLL for (int t = 0; t < TILE; ++t)
        slot->bytes[t] += row[t];
}

#endif

#if defined(S3NN_VECTORS)

S3NN_MAYBE_UNUSED static inline void NAME(sums)(const NAME(slot) *slot, int16_t *sums)
{
    S3NN_UNROLL for (int t = 0; t < TILE; ++t) {
        memcpy(sums + t * LANES, &slot->even[t], LANES);
        memcpy(sums + t * LANES + LANES / 2, &slot->odd[t], LANES);
    }
}

#else

typedef struct {
    int16_t lanes[WIDTH];
} NAME(slot);

static inline void NAME(clear)(NAME(slot) *slot) { memset(slot, 0, sizeof *slot); }

static inline void NAME(widen)(NAME(slot) *slot) { (void)slot; }

static inline void NAME(expect)(NAME(slot) *slot, uint32_t rows)
{
    (void)slot;
    (void)rows;
}

static inline void NAME(add)(NAME(slot) *slot, const int8_t *weights)
{
    for (uint32_t c = 0; c < WIDTH; ++c) {
#if WIDE
        const int weight = c % 2u ? weights[c] : (uint8_t)weights[c] - 128;
#else
        const int weight = weights[c];
#endif
        slot->lanes[c] = (int16_t)(slot->lanes[c] + weight);
    }
}

S3NN_MAYBE_UNUSED static inline void NAME(sums)(const NAME(slot) *slot, int16_t *sums)
{
    for (uint32_t c = 0; c < WIDTH; ++c) {
        const uint32_t within = c % LANES;
        sums[c - within + within / 2u + (within % 2u) * (LANES / 2u)] = slot->lanes[c];
    }
}

#endif

S3NN_MAYBE_UNUSED static inline void NAME(complete)(NAME(slot) *slot, uint32_t tile,
                                                    uint32_t pixel, void *out)
{
    NAME(widen)(slot);
#if defined(S3NN_VECTORS) && FIRES
    uint32_t *map = (uint32_t *)out + pixel * OUT_WORDS + tile * (WIDTH / 32);
    S3NN_UNROLL for (int t = 0; t < TILE; ++t) {
        const HALVES *limits = (const HALVES *)(NAME(thresholds) + tile * WIDTH + t * LANES);
#if LANES == 64
        map[2 * t] = BITS(slot->even[t] > limits[0]);
        map[2 * t + 1] = BITS(slot->odd[t] > limits[1]);
#elif LANES == 32
        map[t] = BITS(slot->even[t] > limits[0]) | BITS(slot->odd[t] > limits[1]) << 16;
#else /* the only vector */
        *map = BITS(slot->even[t] > limits[0]) | BITS(slot->odd[t] > limits[1]) << 8;
#endif
    }
#else
    S3NN_ALIGNED int16_t sums[WIDTH];
    NAME(sums)(slot, sums);
    NAME(finish)(sums, tile * WIDTH, pixel, out);
#endif
}

static inline void NAME(add_all)(NAME(slot) *slots, const uint16_t *entry, const uint16_t *last,
                                 const int8_t *weights)
{
    for (; entry < last; ++entry) {
        const int8_t *row = weights + (uint32_t)*entry * ROW;
        S3NN_UNROLL for (int j = 0; j < KW; ++j)
            NAME(add)(&slots[j], row + j * WIDTH);
    }
}

/* What a pixel gives whose patch is empty. */
static inline void NAME(stay_silent)(uint32_t tile, uint32_t pixel, void *out)
{
#if FIRES
    memcpy((uint32_t *)out + pixel * OUT_WORDS + tile * SILENT_WORDS,
           NAME(silent) + tile * SILENT_WORDS, sizeof(uint32_t) * SILENT_WORDS);
#else
    const uint32_t first = tile * WIDTH;
    const uint32_t left = OUT_C - first < WIDTH ? OUT_C - first : WIDTH;
    memcpy((int32_t *)out + pixel * OUT_C + first, NAME(offsets) + first, sizeof(int32_t) * left);
#endif
}

/* One output row of one tile.  entries[ky] and starts[ky] are the lists of the input rows. */
static inline void NAME(row)(const uint16_t *const *entries, const uint16_t *const *starts,
                             uint32_t first_row, uint32_t end_row, uint32_t tile, uint32_t first_pixel,
                             void *out)
{
    NAME(slot) slots[KW];
    S3NN_UNROLL for (int j = 0; j < KW; ++j)
        NAME(clear)(&slots[j]);
#if !WIDE
    uint32_t room = ROWS8;
#endif
    const int8_t *weights = NAME(weights) + tile * (KH * IN_C * ROW);
    uint32_t quiet = KW; /* columns without a spike so far: after KW of them all sums are zero */
    for (int32_t x = -PX; x < IN_W + PX; ++x) {
        const int32_t done = x + PX - (KW - 1);
        uint32_t spikes = 0;
        if (x >= 0 && x < IN_W)
            for (uint32_t ky = first_row; ky < end_row; ++ky)
                spikes += (uint32_t)(starts[ky][x + 1] - starts[ky][x]);
        quiet = spikes ? 0 : quiet + 1u;
        if (quiet >= KW) {
            if (done >= 0)
                NAME(stay_silent)(tile, first_pixel + (uint32_t)done, out);
            continue;
        }
        if (spikes) {
            /* The spikes of all rows, one behind the other: one loop whose length is not foreseen. */
            uint16_t column[KH * IN_C + S3NN_LIST_SLACK];
            uint32_t count = 0;
            for (uint32_t ky = first_row; ky < end_row; ++ky) {
                const uint32_t start = starts[ky][x], found = starts[ky][x + 1] - start;
                s3nn_shift_entries(column + count, entries[ky] + start, found,
                                   (uint16_t)((int32_t)ky * IN_C - x * IN_C));
                count += found;
            }
            S3NN_UNROLL for (int j = 0; j < KW; ++j)
                NAME(expect)(&slots[j], count);
            const uint16_t *entry = column, *last = column + count;
#if !WIDE
            /* A sum of bytes that might overflow is added to the others first. */
            while (count > room) {
                const uint32_t part = room < ROWS8 ? 0 : ROWS8;
                NAME(add_all)(slots, entry, entry + part, weights);
                entry += part;
                count -= part;
                S3NN_UNROLL for (int j = 0; j < KW; ++j)
                    NAME(widen)(&slots[j]);
                room = ROWS8;
            }
            room -= count;
#endif
            NAME(add_all)(slots, entry, last, weights);
        }
        if (done >= 0)
            NAME(complete)(&slots[0], tile, first_pixel + (uint32_t)done, out);
        S3NN_UNROLL for (int j = 0; j + 1 < KW; ++j)
            slots[j] = slots[j + 1];
        NAME(clear)(&slots[KW - 1]);
    }
}

static void NAME(run)(const uint32_t *map, void *out, void *scratch)
{
    s3nn_lists lists = {map, (uint16_t *)scratch, IN_W, IN_WORDS, IN_C, KH, 0};
#if FIRES
    memset(out, 0, sizeof(uint32_t) * OUT_H * OUT_W * OUT_WORDS);
#endif
    for (uint32_t oy = 0; oy < OUT_H; ++oy) {
        const int32_t top = (int32_t)oy - PY;
        const uint16_t *entries[KH], *starts[KH];
        const uint32_t first_row = S3NN_CLAMP(-top, KH), end_row = S3NN_CLAMP(IN_H - top, KH);
        for (uint32_t ky = first_row; ky < end_row; ++ky) {
            starts[ky] = s3nn_listed(&lists, (uint32_t)(top + (int32_t)ky));
            entries[ky] = starts[ky] + IN_W + 1;
        }
        for (uint32_t tile = 0; tile < TILES; ++tile)
            NAME(row)(entries, starts, first_row, end_row, tile, oy * OUT_W, out);
    }
}

#undef ROW
#undef SILENT_WORDS
