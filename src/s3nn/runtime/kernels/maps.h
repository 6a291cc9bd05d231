/* What is done to whole maps between convolutions.  A window that hangs over the end is cut off. */

typedef struct {
    int32_t in_h, in_w, out_h, out_w, kh, kw, sy, sx, py, px;
} s3nn_window;

/* The part of window `position` that lies on an axis of `size` pixels: from first to end. */
S3NN_MAYBE_UNUSED static inline void s3nn_span(int32_t position, int32_t kernel, int32_t stride,
                                               int32_t padding, int32_t size, int32_t *first,
                                               int32_t *end)
{
    const int32_t start = position * stride - padding;
    *first = start < 0 ? 0 : start;
    *end = start + kernel > size ? size : start + kernel;
}

#define S3NN_EACH_WINDOW(window, y, x)         \
    for (int32_t y = 0; y < (window).out_h; ++y) \
        for (int32_t x = 0; x < (window).out_w; ++x)

#define S3NN_EACH_PIXEL(window, y, x, row, column)                                                \
    int32_t row##_first, row##_end, column##_first, column##_end;                                 \
    s3nn_span(y, (window).kh, (window).sy, (window).py, (window).in_h, &row##_first, &row##_end); \
    s3nn_span(x, (window).kw, (window).sx, (window).px, (window).in_w, &column##_first,           \
              &column##_end);                                                                     \
    for (int32_t row = row##_first; row < row##_end; ++row)                                       \
        for (int32_t column = column##_first; column < column##_end; ++column)

/* The largest of spikes is whether there is one. */
S3NN_MAYBE_UNUSED static void s3nn_or_pool(const uint32_t *in, uint32_t *out, s3nn_window window,
                                           int32_t words)
{
    memset(out, 0, sizeof(uint32_t) * (size_t)(window.out_h * window.out_w * words));
    S3NN_EACH_WINDOW(window, y, x) {
        uint32_t *into = out + (y * window.out_w + x) * words;
        S3NN_EACH_PIXEL(window, y, x, row, column)
            for (int32_t w = 0; w < words; ++w)
                into[w] |= in[(row * window.in_w + column) * words + w];
    }
}

S3NN_MAYBE_UNUSED static void s3nn_count_pool(const uint32_t *in, int32_t *out, s3nn_window window,
                                              int32_t words, int32_t channels)
{
    memset(out, 0, sizeof(int32_t) * (size_t)(window.out_h * window.out_w * channels));
    S3NN_EACH_WINDOW(window, y, x) {
        int32_t *into = out + (y * window.out_w + x) * channels;
        S3NN_EACH_PIXEL(window, y, x, row, column)
            for (int32_t w = 0; w < words; ++w)
                for (uint32_t bits = in[(row * window.in_w + column) * words + w]; bits;
                     bits &= bits - 1u)
                    ++into[32 * w + (int32_t)s3nn_lowest(bits)];
    }
}

S3NN_MAYBE_UNUSED static void s3nn_max_pool(const int32_t *in, int32_t *out, s3nn_window window,
                                            int32_t channels)
{
    S3NN_EACH_WINDOW(window, y, x) {
        int32_t *into = out + (y * window.out_w + x) * channels;
        for (int32_t c = 0; c < channels; ++c)
            into[c] = INT32_MIN;
        S3NN_EACH_PIXEL(window, y, x, row, column)
            for (int32_t c = 0; c < channels; ++c) {
                const int32_t value = in[(row * window.in_w + column) * channels + c];
                into[c] = value > into[c] ? value : into[c];
            }
    }
}

/* Sums, or means where `mean`: floor((2 sum + n) / 2n), n the pixels of the window. */
S3NN_MAYBE_UNUSED static void s3nn_sum_pool(const int32_t *in, int32_t *out, s3nn_window window,
                                            int32_t channels, int mean)
{
    S3NN_EACH_WINDOW(window, y, x) {
        int32_t *into = out + (y * window.out_w + x) * channels;
        for (int32_t c = 0; c < channels; ++c) {
            int64_t sum = 0, count = 0;
            S3NN_EACH_PIXEL(window, y, x, row, column) {
                sum += in[(row * window.in_w + column) * channels + c];
                ++count;
            }
            if (mean) {
                const int64_t above = 2 * sum + count, below = 2 * count;
                const int64_t down = above / below;
                sum = down - (above % below < 0);
            }
            into[c] = (int32_t)sum;
        }
    }
}

S3NN_MAYBE_UNUSED static void s3nn_fire(const int32_t *in, uint32_t *out, int32_t pixels,
                                        int32_t channels, int32_t words,
                                        const int32_t *thresholds)
{
    for (int32_t p = 0; p < pixels; ++p)
        for (int32_t w = 0; w < words; ++w) {
            const int32_t first = 32 * w, left = channels - first;
            const int32_t end = left < 0 ? 0 : left < 32 ? left : 32;
            uint32_t bits = 0;
            for (int32_t c = 0; c < end; ++c)
                bits |= (uint32_t)(in[p * channels + first + c] > thresholds[first + c]) << c;
            out[p * words + w] = bits;
        }
}

S3NN_MAYBE_UNUSED static void s3nn_affine(const int32_t *in, int32_t *out, int32_t pixels,
                                          int32_t channels, const int32_t *scales,
                                          const int32_t *offsets)
{
    for (int32_t p = 0; p < pixels; ++p)
        for (int32_t c = 0; c < channels; ++c)
            out[p * channels + c] = in[p * channels + c] * scales[c] + offsets[c];
}

S3NN_MAYBE_UNUSED static void s3nn_add(const int32_t *a, const int32_t *b, int32_t *out, int32_t size)
{
    for (int32_t i = 0; i < size; ++i)
        out[i] = a[i] + b[i];
}

/* Spikes as integers 0 and 1. */
S3NN_MAYBE_UNUSED static void s3nn_widen(const uint32_t *in, int32_t *out, int32_t pixels,
                                         int32_t channels, int32_t words)
{
    for (int32_t p = 0; p < pixels; ++p)
        for (int32_t c = 0; c < channels; ++c)
            out[p * channels + c] = (int32_t)((in[p * words + c / 32] >> (c % 32)) & 1u);
}

/* Channels first, as torch flattens an image. */
S3NN_MAYBE_UNUSED static void s3nn_flatten(const int32_t *in, int32_t *out, int32_t pixels,
                                           int32_t channels)
{
    for (int32_t c = 0; c < channels; ++c)
        for (int32_t p = 0; p < pixels; ++p)
            out[c * pixels + p] = in[p * channels + c];
}

S3NN_MAYBE_UNUSED static void s3nn_channels(const int32_t *in, int32_t *out, int32_t pixels,
                                            int32_t in_channels, int32_t out_channels,
                                            const int32_t *index)
{
    for (int32_t p = 0; p < pixels; ++p)
        for (int32_t c = 0; c < out_channels; ++c)
            out[p * out_channels + c] = in[p * in_channels + index[c]];
}
