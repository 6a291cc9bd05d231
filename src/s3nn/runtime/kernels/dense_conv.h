/* A convolution that reads every input, whether it is zero or not: of images, of counts, and of spikes
 * where so many fire that lists cost more than they save.
 *
 * The inputs lie in a field of 16-bit numbers with its padding around it, [row][column][channel], so
 * that a row of a patch is one run of values.  Two neighbours at a time are multiplied by their
 * weights, [tile][ky][pair][lane][2], and added in 32 bits; a run of an odd length ends in a pair whose
 * second weight is zero.
 *
 * Defined around this text: NAME(x); IN_H, IN_W, IN_C; OUT_H, OUT_W, OUT_C, OUT_WORDS; KH, KW, SY, SX,
 * PY, PX; LANES (16 where there are vectors), TILE (of them a tile), TILES; PIXELS a block;
 * WEIGHT_BITS (8 or 16); FIRES; FROM_IMAGE, FROM_SPIKES (or neither: from integers); IN_WORDS. */

#define PAIRS ((KW * IN_C + 1) / 2)
#define FIELD_W (IN_W + 2 * PX)
#define FIELD_H (IN_H + 2 * PY)

#if WEIGHT_BITS == 16
typedef int16_t NAME(weight);
#define DOT s3nn_dot16
#else
typedef int8_t NAME(weight);
#define DOT s3nn_dot8
#endif

static void NAME(lay_out)(const void *in, int16_t *field)
{
#if FROM_IMAGE
    const uint8_t *image = (const uint8_t *)in;
    if (PY || PX)
        for (uint32_t pixel = 0; pixel < FIELD_H * FIELD_W; ++pixel)
            for (uint32_t c = 0; c < IN_C; ++c)
                field[pixel * IN_C + c] = NAME(fill)[c];
    for (uint32_t c = 0; c < IN_C; ++c)
        for (uint32_t y = 0; y < IN_H; ++y) {
            int16_t *row = field + ((y + PY) * FIELD_W + PX) * IN_C + c;
            for (uint32_t x = 0; x < IN_W; ++x)
                row[x * IN_C] = image[(c * IN_H + y) * IN_W + x];
        }
#else
    if (PY || PX)
        memset(field, 0, sizeof(int16_t) * FIELD_H * FIELD_W * IN_C);
    for (uint32_t y = 0; y < IN_H; ++y)
        for (uint32_t x = 0; x < IN_W; ++x) {
            int16_t *pixel = field + ((y + PY) * FIELD_W + x + PX) * IN_C;
            for (uint32_t c = 0; c < IN_C; ++c) {
#if FROM_SPIKES
                const uint32_t word = ((const uint32_t *)in)[(y * IN_W + x) * IN_WORDS + c / 32u];
                pixel[c] = (int16_t)((word >> (c % 32u)) & 1u);
#else
                pixel[c] = (int16_t)((const int32_t *)in)[(y * IN_W + x) * IN_C + c];
#endif
            }
        }
#endif
    field[FIELD_H * FIELD_W * IN_C] = 0; /* what the last pair reads beside its value */
}

#if defined(S3NN_VECTORS)

/* PIXELS neighbours in a row share each load of a weight. */
static inline void NAME(block)(const int16_t *field, uint32_t oy, uint32_t ox, uint32_t tile, void *out)
{
    s3nn_word64 sums[PIXELS][TILE];
    S3NN_UNROLL for (int p = 0; p < PIXELS; ++p)
        S3NN_UNROLL for (int t = 0; t < TILE; ++t)
            sums[p][t] = (s3nn_word64){0};
    for (uint32_t ky = 0; ky < KH; ++ky) {
        const int16_t *run = field + ((oy * SY + ky) * FIELD_W + ox * SX) * IN_C;
        const NAME(weight) *row = NAME(weights) + (tile * KH + ky) * (PAIRS * 2u * WIDTH);
        for (uint32_t pair = 0; pair < PAIRS; ++pair)
            S3NN_UNROLL for (int t = 0; t < TILE; ++t)
                S3NN_UNROLL for (int p = 0; p < PIXELS; ++p)
                    sums[p][t] += DOT(run + (uint32_t)p * (SX * IN_C) + 2u * pair,
                                      row + (pair * TILE + (uint32_t)t) * 32u);
    }
    for (uint32_t p = 0; p < PIXELS; ++p) {
        const uint32_t pixel = oy * OUT_W + ox + p;
#if FIRES
        uint32_t *map = (uint32_t *)out + pixel * OUT_WORDS + tile * (WIDTH / 32u);
        S3NN_UNROLL for (int t = 0; t < TILE; t += 2) {
            const s3nn_word64 *limits =
                (const s3nn_word64 *)(NAME(thresholds) + tile * WIDTH + (uint32_t)t * 16u);
            map[t / 2] = s3nn_bits_of_words(sums[p][t] > limits[0]) |
                         s3nn_bits_of_words(sums[p][t + 1] > limits[1]) << 16;
        }
#else
        int32_t lanes[WIDTH];
        memcpy(lanes, sums[p], sizeof lanes);
        NAME(finish)(lanes, tile * WIDTH, pixel, out);
#endif
    }
}

#else

#undef PIXELS
#define PIXELS 1
#if WIDTH % 4 == 0
#define FEW 4
#else
#define FEW 1
#endif

/* The sums of a FEW channels at a time are in registers; pairs of zeros, of which images are full,
 * are passed over. */
static void NAME(block)(const int16_t *field, uint32_t oy, uint32_t ox, uint32_t tile, void *out)
{
    int32_t sums[WIDTH];
    for (uint32_t c = 0; c < WIDTH; c += FEW) {
        int32_t few[FEW] = {0};
        for (uint32_t ky = 0; ky < KH; ++ky) {
            const int16_t *run = field + ((oy * SY + ky) * FIELD_W + ox * SX) * IN_C;
            const NAME(weight) *row = NAME(weights) + (tile * KH + ky) * (PAIRS * 2u * WIDTH) + 2u * c;
            for (uint32_t pair = 0; pair < PAIRS; ++pair, row += 2 * WIDTH) {
                const int32_t a = run[2u * pair], b = run[2u * pair + 1u];
                if (a | b) {
                    S3NN_UNROLL for (int i = 0; i < FEW; ++i) {
                        few[i] += a * row[2 * i];
                        few[i] += b * row[2 * i + 1];
                    }
                }
            }
        }
        S3NN_UNROLL for (int i = 0; i < FEW; ++i)
            sums[c + (uint32_t)i] = few[i];
    }
    NAME(finish)(sums, tile * WIDTH, oy * OUT_W + ox, out);
}

#undef FEW

#endif

static void NAME(run)(const void *in, void *out, void *scratch)
{
    int16_t *field = (int16_t *)scratch;
    NAME(lay_out)(in, field);
#if FIRES
    memset(out, 0, sizeof(uint32_t) * OUT_H * OUT_W * OUT_WORDS);
#endif
    for (uint32_t oy = 0; oy < OUT_H; ++oy)
        for (uint32_t ox = 0; ox < OUT_W; ox += PIXELS) {
            /* The last block of a row ends where the row ends: it may do a pixel again. */
            const uint32_t first = ox + PIXELS > OUT_W ? OUT_W - PIXELS : ox;
            for (uint32_t tile = 0; tile < TILES; ++tile)
                NAME(block)(field, oy, first, tile, out);
        }
}

#undef PAIRS
#undef FIELD_W
#undef FIELD_H
#undef DOT
