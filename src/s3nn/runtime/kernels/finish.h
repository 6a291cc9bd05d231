/* What becomes of the sums of a pixel: those of the WIDTH channels from `first` on that there are.
 *
 * Defined around this text, beside what every kernel has: WIDTH, and SUM, the type of a sum. */

S3NN_MAYBE_UNUSED static inline void NAME(finish)(const SUM *sums, uint32_t first, uint32_t pixel,
                                                  void *out)
{
    const uint32_t left = OUT_C - first < WIDTH ? OUT_C - first : WIDTH;
#if FIRES
    uint32_t *map = (uint32_t *)out + pixel * OUT_WORDS;
    for (uint32_t c = 0; c < left; ++c) {
        const uint32_t fires = sums[c] > NAME(thresholds)[first + c];
        map[(first + c) / 32u] |= fires << ((first + c) % 32u);
    }
#else
    int32_t *values = (int32_t *)out + pixel * OUT_C + first;
    for (uint32_t c = 0; c < left; ++c)
        values[c] = sums[c] * NAME(scales)[first + c] + NAME(offsets)[first + c];
#endif
}
