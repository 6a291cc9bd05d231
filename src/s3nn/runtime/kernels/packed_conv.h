/* A convolution of spikes for machines without vectors: as event_conv.h, with several weights in a
 * word of 32 bits, so that one addition adds a weight to each of several sums.
 *
 * A word holds fields of WEIGHT_BITS, weights plus HALF so that none is negative.  Every SPREAD-th
 * field, cut out with MASK, is a word of lanes of LANE bits that is added to a word of sums.  All of
 * it is arithmetic modulo 2^32, so a lane may run over into the next: once HALF a row is taken off
 * again and each lane's sum is within LANE bits, as ROWS rows make sure, so does nothing.  For the
 * same reason the lowest fields need not be cut out: whole words are added up, and what the other
 * fields add to them is taken off at the end.
 *
 * Weights are [ky][kx][c][word], linear in an entry of a list, with BLOCK words behind the last.
 * BLOCK words of a row at a time are added up in registers, and the list is read again for the next.
 *
 * Defined around this text: NAME(x); IN_H, IN_W, IN_C, IN_WORDS; OUT_H, OUT_W, OUT_C, OUT_WORDS;
 * KH, KW, SY, SX, PY, PX; WEIGHT_BITS (2, 4 or 8), LANE, ROW (words a row), BLOCK, ROWS; SUMS,
 * the bits of a threshold; FIRES. */

#define SPREAD (LANE / WEIGHT_BITS)
#define LANES (32 / LANE)
#define ONES (LANE == 8 ? 0x01010101u : 0x00010001u)
#define MASK (ONES * ((1u << WEIGHT_BITS) - 1u))
#define HALF (1u << (WEIGHT_BITS - 1))
#define MIDDLE (1u << (LANE - 1))
#define FULL ((1u << LANE) - 1u)

#if FIRES && SUMS == 16
typedef int16_t NAME(limit);
#elif FIRES
typedef int32_t NAME(limit);
#endif

/* Where a patch lies in the lists of its rows; its left edge is entry `shift`. */
typedef struct {
    const uint16_t *first[KH], *last[KH];
    uint32_t first_row, end_row;
    int32_t shift;
} NAME(patch);

/* On its own, so that the sums have the registers to themselves. */
S3NN_APART static void NAME(add)(uint32_t *packed, const uint16_t *entry, const uint16_t *stop,
                                 const uint32_t *weights, int32_t shift)
{
    uint32_t sums[BLOCK * SPREAD];
    S3NN_UNROLL for (int k = 0; k < BLOCK * SPREAD; ++k)
        sums[k] = packed[k];
    for (; entry < stop; ++entry) {
        const uint32_t *row = weights + ((int32_t)*entry - shift) * ROW;
        S3NN_UNROLL for (int w = 0; w < BLOCK; ++w) {
            const uint32_t word = row[w];
            sums[w * SPREAD] += word;
            S3NN_UNROLL for (int k = 1; k < SPREAD; ++k)
                sums[w * SPREAD + k] += (word >> (WEIGHT_BITS * k)) & MASK;
        }
    }
    S3NN_UNROLL for (int k = 0; k < BLOCK * SPREAD; ++k)
        packed[k] = sums[k];
}

/* Words of sums as words of lanes, each MIDDLE more than its sum. */
static inline void NAME(straighten)(uint32_t *packed, uint32_t rows)
{
    const uint32_t correction = ONES * (MIDDLE - rows * HALF);
    for (uint32_t w = 0; w < BLOCK; ++w, packed += SPREAD) {
        S3NN_UNROLL for (int k = 1; k < SPREAD; ++k) {
            packed[0] -= packed[k] << (WEIGHT_BITS * k);
            packed[k] += correction;
        }
        packed[0] += correction;
    }
}

/* Make room for more rows. */
S3NN_APART static void NAME(widen)(uint32_t *packed, int32_t *sums)
{
    NAME(straighten)(packed, ROWS);
    for (uint32_t k = 0; k < BLOCK * SPREAD; ++k) {
        const uint32_t lanes = packed[k];
        S3NN_UNROLL for (int j = 0; j < LANES; ++j)
            sums[j] += (int32_t)((lanes >> (LANE * j)) & FULL) - (int32_t)MIDDLE;
        sums += LANES;
        packed[k] = 0;
    }
}

/* The channels of the words from word `begin` on, at one pixel.  Lane j of word k of the sums is
 * channel k LANES + j of these. */
static void NAME(block)(const NAME(patch) *patch, uint32_t begin, uint32_t pixel, void *out)
{
    uint32_t packed[BLOCK * SPREAD];
    int32_t sums[BLOCK * SPREAD * LANES];
    for (uint32_t k = 0; k < BLOCK * SPREAD; ++k) {
        packed[k] = 0;
        S3NN_UNROLL for (int j = 0; j < LANES; ++j)
            sums[k * LANES + (uint32_t)j] = -(int32_t)MIDDLE;
    }
    uint32_t room = ROWS;
    for (uint32_t ky = patch->first_row; ky < patch->end_row; ++ky) {
        const uint16_t *entry = patch->first[ky], *const last = patch->last[ky];
        const uint32_t *weights = NAME(weights) + ky * (KW * IN_C * ROW) + begin;
        while (entry < last) {
            const uint16_t *stop = last - entry > (int32_t)room ? entry + room : last;
            NAME(add)(packed, entry, stop, weights, patch->shift);
            room -= (uint32_t)(stop - entry);
            entry = stop;
            if (!room) {
                NAME(widen)(packed, sums);
                room = ROWS;
            }
        }
    }
    NAME(straighten)(packed, ROWS - room);
    const uint32_t first = begin * (SPREAD * LANES);
#if FIRES
    const NAME(limit) *limits = NAME(thresholds) + first;
    uint32_t bits = 0;
    for (int k = BLOCK * SPREAD - 1; k >= 0; --k) {
        uint32_t lanes = packed[k];
        S3NN_UNROLL for (int j = 0; j < LANES; ++j) {
            const int c = (k + 1) * LANES - 1 - j;
            const int32_t sum = (int32_t)(lanes >> (32 - LANE)) + sums[c];
            lanes <<= LANE;
            bits = bits + bits + (sum > limits[c]);
        }
    }
    ((uint32_t *)out)[pixel * OUT_WORDS + first / 32u] |= bits << (first % 32u);
#else
    int32_t *values = (int32_t *)out + pixel * OUT_C + first;
    for (uint32_t c = 0; c < BLOCK * SPREAD * LANES && first + c < OUT_C; ++c) {
        const int32_t sum = (int32_t)((packed[c / LANES] >> (LANE * (c % LANES))) & FULL) + sums[c];
        values[c] = sum * NAME(scales)[first + c] + NAME(offsets)[first + c];
    }
#endif
}

static void NAME(run)(const uint32_t *map, void *out, void *scratch)
{
    s3nn_lists lists = {map, (uint16_t *)scratch, IN_W, IN_WORDS, IN_C, KH, 0};
#if FIRES
    memset(out, 0, sizeof(uint32_t) * OUT_H * OUT_W * OUT_WORDS);
#endif
    for (uint32_t oy = 0; oy < OUT_H; ++oy) {
        const int32_t top = (int32_t)(oy * SY) - PY;
        NAME(patch) patch;
        patch.first_row = S3NN_CLAMP(-top, KH);
        patch.end_row = S3NN_CLAMP(IN_H - top, KH);
        const uint16_t *rows[KH];
        for (uint32_t ky = patch.first_row; ky < patch.end_row; ++ky)
            rows[ky] = s3nn_listed(&lists, (uint32_t)(top + (int32_t)ky));
        for (uint32_t ox = 0; ox < OUT_W; ++ox) {
            const int32_t left = (int32_t)(ox * SX) - PX;
            const uint32_t from = S3NN_CLAMP(left, IN_W), end = S3NN_CLAMP(left + KW, IN_W);
            patch.shift = left * IN_C;
            for (uint32_t ky = patch.first_row; ky < patch.end_row; ++ky) {
                patch.first[ky] = rows[ky] + IN_W + 1 + rows[ky][from];
                patch.last[ky] = rows[ky] + IN_W + 1 + rows[ky][end];
            }
            for (uint32_t begin = 0; begin < ROW; begin += BLOCK)
                NAME(block)(&patch, begin, oy * OUT_W + ox, out);
        }
    }
}

#undef SPREAD
#undef LANES
#undef ONES
#undef MASK
#undef HALF
#undef MIDDLE
#undef FULL
