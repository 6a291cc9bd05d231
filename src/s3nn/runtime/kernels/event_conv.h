/* A convolution of spikes: for every output pixel, the weight rows of the active inputs of its patch
 * are added up, and nothing else.  Silence costs a look at where the lists of its columns begin.
 *
 * The spikes of an input row are a list that ascends by column and channel, so that the columns of a
 * patch row are one span of it, and weights [tile][ky][kx][c][lane] are linear in an entry.
 *
 * LANES weights of a row are one vector of bytes.  Up to ROWS8 rows are added as bytes, which no
 * 8-bit sum of them overflows; then the bytes of even and of odd lanes are added to two vectors of
 * 16-bit sums.  Weights are stored so that the even lanes are the first half of the channels.  A
 * layer whose sums may exceed 16 bits adds in 32, lane by lane (SUMS 32).
 *
 * Defined around this text: NAME(x); IN_H, IN_W, IN_C, IN_WORDS; OUT_H, OUT_W, OUT_C, OUT_WORDS;
 * KH, KW, SY, SX, PY, PX; LANES, TILE (vectors a tile), TILES; ROWS8; SUMS; FIRES (0 or 1);
 * BYTES, HALVES and BITS, the types and the function for LANES. */

#define PATCH_ROW (KW * IN_C)

#if defined(S3NN_VECTORS) && SUMS == 16

static inline void NAME(widen)(BYTES *bytes, HALVES *even, HALVES *odd)
{
    S3NN_UNROLL for (int t = 0; t < TILE; ++t) {
        const HALVES pairs = (HALVES)bytes[t];
        even[t] += (HALVES)(pairs << 8) >> 8;
        odd[t] += pairs >> 8;
        bytes[t] = (BYTES){0};
    }
}

static inline void NAME(pixel)(const uint16_t *const *entries, const uint16_t *const *starts,
                               uint32_t first_row, uint32_t end_row, int32_t left, uint32_t tile,
                               uint32_t pixel, void *out)
{
    const uint32_t from = S3NN_CLAMP(left, IN_W), end = S3NN_CLAMP(left + KW, IN_W);
    BYTES bytes[TILE];
    HALVES even[TILE], odd[TILE];
    S3NN_UNROLL for (int t = 0; t < TILE; ++t) {
        bytes[t] = (BYTES){0};
        even[t] = odd[t] = (HALVES){0};
    }
    uint32_t room = ROWS8;
    for (uint32_t ky = first_row; ky < end_row; ++ky) {
        const uint16_t *entry = entries[ky] + starts[ky][from];
        const uint16_t *last = entries[ky] + starts[ky][end];
        const int8_t *weights = NAME(weights) + (tile * KH + ky) * (PATCH_ROW * WIDTH);
        const int32_t shift = left * IN_C;
        while (entry < last) {
            const uint16_t *stop = last - entry > (int32_t)room ? entry + room : last;
            room -= (uint32_t)(stop - entry);
            for (; entry < stop; ++entry) {
                const BYTES *row = (const BYTES *)(weights + ((int32_t)*entry - shift) * WIDTH);
                S3NN_UNROLL for (int t = 0; t < TILE; ++t)
                    bytes[t] += row[t];
            }
            if (!room) {
                NAME(widen)(bytes, even, odd);
                room = ROWS8;
            }
        }
    }
    NAME(widen)(bytes, even, odd);
#if FIRES
    uint32_t *map = (uint32_t *)out + pixel * OUT_WORDS + tile * (WIDTH / 32);
    S3NN_UNROLL for (int t = 0; t < TILE; ++t) {
        const HALVES *limits = (const HALVES *)(NAME(thresholds) + tile * WIDTH + t * LANES);
#if LANES == 64
        map[2 * t] = BITS(even[t] > limits[0]);
        map[2 * t + 1] = BITS(odd[t] > limits[1]);
#elif LANES == 32
        map[t] = BITS(even[t] > limits[0]) | BITS(odd[t] > limits[1]) << 16;
#else /* the only vector */
        *map = BITS(even[t] > limits[0]) | BITS(odd[t] > limits[1]) << 8;
#endif
    }
#else
    S3NN_ALIGNED int16_t sums[WIDTH];
    S3NN_UNROLL for (int t = 0; t < TILE; ++t) {
        memcpy(sums + t * LANES, &even[t], LANES);
        memcpy(sums + t * LANES + LANES / 2, &odd[t], LANES);
    }
    NAME(finish)(sums, tile * WIDTH, pixel, out);
#endif
}

#else

static inline void NAME(pixel)(const uint16_t *const *entries, const uint16_t *const *starts,
                               uint32_t first_row, uint32_t end_row, int32_t left, uint32_t tile,
                               uint32_t pixel, void *out)
{
    const uint32_t from = S3NN_CLAMP(left, IN_W), end = S3NN_CLAMP(left + KW, IN_W);
    SUM lanes[WIDTH], sums[WIDTH];
    for (uint32_t c = 0; c < WIDTH; ++c)
        lanes[c] = 0;
    for (uint32_t ky = first_row; ky < end_row; ++ky) {
        const uint16_t *last = entries[ky] + starts[ky][end];
        const int8_t *weights = NAME(weights) + (tile * KH + ky) * (PATCH_ROW * WIDTH);
        for (const uint16_t *entry = entries[ky] + starts[ky][from]; entry < last; ++entry) {
            const int8_t *row = weights + ((int32_t)*entry - left * IN_C) * WIDTH;
            for (uint32_t c = 0; c < WIDTH; ++c)
                lanes[c] = (SUM)(lanes[c] + row[c]);
        }
    }
    for (uint32_t c = 0; c < WIDTH; ++c) {
        const uint32_t within = c % LANES;
        sums[c - within + within / 2u + (within % 2u) * (LANES / 2u)] = lanes[c];
    }
    NAME(finish)(sums, tile * WIDTH, pixel, out);
}

#endif

static void NAME(run)(const uint32_t *map, void *out, void *scratch)
{
    s3nn_lists lists = {map, (uint16_t *)scratch, IN_W, IN_WORDS, IN_C, KH, 0};
#if FIRES
    memset(out, 0, sizeof(uint32_t) * OUT_H * OUT_W * OUT_WORDS);
#endif
    for (uint32_t oy = 0; oy < OUT_H; ++oy) {
        const int32_t top = (int32_t)(oy * SY) - PY;
        const uint16_t *entries[KH], *starts[KH];
        const uint32_t first_row = S3NN_CLAMP(-top, KH), end_row = S3NN_CLAMP(IN_H - top, KH);
        for (uint32_t ky = first_row; ky < end_row; ++ky) {
            starts[ky] = s3nn_listed(&lists, (uint32_t)(top + (int32_t)ky));
            entries[ky] = starts[ky] + IN_W + 1;
        }
        for (uint32_t ox = 0; ox < OUT_W; ++ox)
            for (uint32_t tile = 0; tile < TILES; ++tile)
                NAME(pixel)(entries, starts, first_row, end_row, (int32_t)(ox * SX) - PX, tile,
                            oy * OUT_W + ox, out);
    }
}

#undef PATCH_ROW
