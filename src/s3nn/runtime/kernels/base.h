/* What all layers share.  A map of spikes is bits: [row][column][word], channel c of a pixel in bit
 * c % 32 of its word c / 32.  A map of integers is int32_t [row][column][channel]. */

#if defined(__GNUC__) && !defined(S3NN_SCALAR) && \
    (defined(__SSE2__) || defined(__ARM_NEON) || defined(__AVX2__))
#define S3NN_VECTORS 1
#endif

#if defined(S3NN_VECTORS) && defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__GNUC__) && !defined(S3NN_SCALAR)
#define S3NN_ALIGNED __attribute__((aligned(64)))
#else
#define S3NN_ALIGNED
#endif

#if defined(__GNUC__)
#define S3NN_MAYBE_UNUSED __attribute__((unused))
#define S3NN_APART __attribute__((noinline))
#else
#define S3NN_MAYBE_UNUSED
#define S3NN_APART
#endif

#if defined(S3NN_VECTORS)
/* Vectors go between functions of this file only, so that it matters to nobody how. */
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

/* In front of a loop over the vectors of a tile, so that they stay in registers. */
#if defined(__clang__)
#define S3NN_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define S3NN_UNROLL _Pragma("GCC unroll 16")
#else
#define S3NN_UNROLL
#endif

/* `value`, between 0 and `most`. */
#define S3NN_CLAMP(value, most) ((value) < 0 ? 0u : (value) > (most) ? (most) : (uint32_t)(value))

/* The position of the lowest bit of a word that is not zero. */
S3NN_MAYBE_UNUSED static inline uint32_t s3nn_lowest(uint32_t word)
{
#if defined(__GNUC__)
    return (uint32_t)__builtin_ctz(word);
#else
    uint32_t position = 0;
    while (!(word & 1u)) {
        word >>= 1;
        ++position;
    }
    return position;
#endif
}

#if defined(S3NN_VECTORS)
/* Vectors of 64, 32 and 16 bytes; where the machine has none so long, the compiler splits them. */
typedef int8_t s3nn_byte64 __attribute__((vector_size(64), may_alias));
typedef int8_t s3nn_byte32 __attribute__((vector_size(32), may_alias));
typedef int8_t s3nn_byte16 __attribute__((vector_size(16), may_alias));
typedef int32_t s3nn_word64 __attribute__((vector_size(64), may_alias));
typedef int16_t s3nn_half64 __attribute__((vector_size(64), may_alias));
typedef int16_t s3nn_half32 __attribute__((vector_size(32), may_alias));
typedef int16_t s3nn_half16 __attribute__((vector_size(16), may_alias));
typedef uint16_t s3nn_modular64 __attribute__((vector_size(64), may_alias));
typedef uint16_t s3nn_modular32 __attribute__((vector_size(32), may_alias));
typedef uint16_t s3nn_modular16 __attribute__((vector_size(16), may_alias));

/* One bit a lane of a comparison (0 or -1 a lane), the first lane lowest. */
S3NN_MAYBE_UNUSED static inline uint32_t s3nn_bits64(s3nn_half64 lanes)
{
#if defined(__AVX512BW__)
    return _mm512_movepi16_mask((__m512i)lanes);
#elif defined(__AVX2__)
    __m256i low, high;
    memcpy(&low, &lanes, 32);
    memcpy(&high, (const char *)&lanes + 32, 32);
    const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xd8);
    return (uint32_t)_mm256_movemask_epi8(bytes);
#else
    uint32_t bits = 0;
    for (int lane = 0; lane < 32; ++lane)
        bits |= ((uint32_t)lanes[lane] & 1u) << lane;
    return bits;
#endif
}

S3NN_MAYBE_UNUSED static inline uint32_t s3nn_bits32(s3nn_half32 lanes)
{
#if defined(__AVX512BW__) && defined(__AVX512VL__)
    return _mm256_movepi16_mask((__m256i)lanes);
#elif defined(__AVX2__)
    const __m256i packed = _mm256_packs_epi16((__m256i)lanes, _mm256_setzero_si256());
    return (uint32_t)_mm256_movemask_epi8(_mm256_permute4x64_epi64(packed, 0xd8)) & 0xffffu;
#else
    uint32_t bits = 0;
    for (int lane = 0; lane < 16; ++lane)
        bits |= ((uint32_t)lanes[lane] & 1u) << lane;
    return bits;
#endif
}

S3NN_MAYBE_UNUSED static inline uint32_t s3nn_bits16(s3nn_half16 lanes)
{
#if defined(__SSE2__)
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16((__m128i)lanes, _mm_setzero_si128()));
#else
    uint32_t bits = 0;
    for (int lane = 0; lane < 8; ++lane)
        bits |= ((uint32_t)lanes[lane] & 1u) << lane;
    return bits;
#endif
}

S3NN_MAYBE_UNUSED static inline uint32_t s3nn_bits_of_words(s3nn_word64 lanes)
{
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    return _mm512_movepi32_mask((__m512i)lanes);
#elif defined(__AVX2__)
    __m256 low, high;
    memcpy(&low, &lanes, 32);
    memcpy(&high, (const char *)&lanes + 32, 32);
    return (uint32_t)_mm256_movemask_ps(low) | (uint32_t)_mm256_movemask_ps(high) << 8;
#else
    uint32_t bits = 0;
    for (int lane = 0; lane < 16; ++lane)
        bits |= ((uint32_t)lanes[lane] & 1u) << lane;
    return bits;
#endif
}

/* For each of 16 lanes the sum of two products: pair[0] weights[2 lane] + pair[1] weights[2 lane + 1]. */
S3NN_MAYBE_UNUSED static inline s3nn_word64 s3nn_dot16(const int16_t *pair, const int16_t *weights)
{
    s3nn_word64 found;
    int32_t both;
    memcpy(&both, pair, 4);
#if defined(__AVX512BW__)
    found = (s3nn_word64)_mm512_madd_epi16(_mm512_set1_epi32(both), _mm512_loadu_si512(weights));
#elif defined(__AVX2__)
    const __m256i values = _mm256_set1_epi32(both);
    const __m256i *rows = (const __m256i *)(const void *)weights;
    const __m256i low = _mm256_madd_epi16(values, _mm256_loadu_si256(rows));
    const __m256i high = _mm256_madd_epi16(values, _mm256_loadu_si256(rows + 1));
    memcpy(&found, &low, 32);
    memcpy((char *)&found + 32, &high, 32);
#else
    (void)both;
    for (int lane = 0; lane < 16; ++lane)
        found[lane] = pair[0] * weights[2 * lane] + pair[1] * weights[2 * lane + 1];
#endif
    return found;
}

S3NN_MAYBE_UNUSED static inline s3nn_word64 s3nn_dot8(const int16_t *pair, const int8_t *weights)
{
#if defined(__AVX512BW__)
    int32_t both;
    memcpy(&both, pair, 4);
    const __m512i wide =
        _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)weights));
    return (s3nn_word64)_mm512_madd_epi16(_mm512_set1_epi32(both), wide);
#else
    S3NN_ALIGNED int16_t wide[32];
    for (int lane = 0; lane < 32; ++lane)
        wide[lane] = weights[lane];
    return s3nn_dot16(pair, wide);
#endif
}
#endif

/* The list of one row's active inputs, ascending: entry x * channels + c for a spike of channel c at
 * column x.  starts[x] is where the entries of column x begin, starts[width] how many there are.  A
 * whole vector may be written behind the last entry. */
#define S3NN_LIST_SLACK 32
#define S3NN_LIST_SIZE(width, channels) ((width) + 1 + (width) * (channels) + S3NN_LIST_SLACK)

S3NN_MAYBE_UNUSED static void s3nn_list_row(const uint32_t *map, uint16_t *entries,
                                            uint16_t *starts, uint32_t width, uint32_t words,
                                            uint32_t channels)
{
    uint32_t count = 0;
#if defined(S3NN_VECTORS) && defined(__AVX512VBMI2__)
    S3NN_ALIGNED uint16_t numbers[32];
    for (uint16_t lane = 0; lane < 32; ++lane)
        numbers[lane] = lane;
    const __m512i lanes = _mm512_load_si512(numbers);
#endif
    for (uint32_t x = 0; x < width; ++x) {
        starts[x] = (uint16_t)count;
        for (uint32_t w = 0; w < words; ++w) {
            const uint32_t base = x * channels + 32u * w;
            uint32_t bits = map[x * words + w];
#if defined(S3NN_VECTORS) && defined(__AVX512VBMI2__)
            const __m512i positions = _mm512_add_epi16(lanes, _mm512_set1_epi16((int16_t)base));
            _mm512_storeu_si512(entries + count, _mm512_maskz_compress_epi16(bits, positions));
            count += (uint32_t)__builtin_popcount(bits);
#else
            for (; bits; bits &= bits - 1u)
                entries[count++] = (uint16_t)(base + s3nn_lowest(bits));
#endif
        }
    }
    starts[width] = (uint16_t)count;
}

/* The lists of the last `slots` rows of a map; row y lies in slot y % slots. */
typedef struct {
    const uint32_t *map;
    uint16_t *memory;
    uint32_t width, words, channels, slots, listed;
} s3nn_lists;

/* The list of row y, made when it is first asked for: where its columns start, then its entries. */
S3NN_MAYBE_UNUSED static inline const uint16_t *s3nn_listed(s3nn_lists *lists, uint32_t y)
{
    const uint32_t width = lists->width, size = S3NN_LIST_SIZE(width, lists->channels);
    uint16_t *slot = lists->memory + (y % lists->slots) * size;
    if (y >= lists->listed) {
        s3nn_list_row(lists->map + y * width * lists->words, slot + width + 1, slot, width,
                      lists->words, lists->channels);
        lists->listed = y + 1u;
    }
    return slot;
}

/* A copy of `count` entries with `shift` added to each, modulo 2^16.  Whole vectors are read and
 * written: there is slack behind every list. */
S3NN_MAYBE_UNUSED static inline void s3nn_shift_entries(uint16_t *to, const uint16_t *from,
                                                        uint32_t count, uint16_t shift)
{
#if defined(S3NN_VECTORS)
    uint32_t done = 0;
    do {
        s3nn_modular64 entries;
        memcpy(&entries, from + done, sizeof entries);
        entries += shift;
        memcpy(to + done, &entries, sizeof entries);
        done += S3NN_LIST_SLACK;
    } while (done < count);
#else
    for (uint32_t i = 0; i < count; ++i)
        to[i] = (uint16_t)(from[i] + shift);
#endif
}
