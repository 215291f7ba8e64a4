/* One image at one set of tables: quantise, count the file's bits and stuffed bytes, invert, convert. Included once by
 * each path of the dispatch after its primitives. */

#if defined(_MSC_VER) && !defined(__clang__)
INLINE int lowest_bit(uint64_t value)
{
    unsigned long index = 0;
    _BitScanForward64(&index, value);
    return (int)index;
}

INLINE unsigned bit_length(uint32_t value)
{
    unsigned long index = 0;
    return _BitScanReverse(&index, value) ? (unsigned)index + 1 : 0;
}
#else
INLINE int lowest_bit(uint64_t value)
{
    return __builtin_ctzll(value);
}

INLINE unsigned bit_length(uint32_t value)
{
    return value ? 32 - (unsigned)__builtin_clz(value) : 0;
}
#endif

/* The entropy-coded data as it passes by: of each 8 bytes only how many of them are 0xFF is kept. */
struct bitstream {
    uint64_t held; /* the latest bits, at the bottom */
    int free;      /* how many more fit */
    int64_t words; /* of 8 bytes */
    int64_t stuffed;
};

INLINE int64_t full_bytes(uint64_t word)
{
    /* The top bit of each byte that is 0xFF. No carry leaves a byte. */
    const uint64_t sevens = 0x7f7f7f7f7f7f7f7fu, ones = 0x0101010101010101u;
    const uint64_t full = word & ((word & sevens) + ones) & (sevens + ones);
    return (int64_t)(((full >> 7) * ones) >> 56);
}

INLINE void put(struct bitstream *stream, uint64_t bits, int length)
{
    stream->free -= length;
    if (stream->free >= 0) {
        stream->held = stream->held << length | bits;
        return;
    }
    stream->stuffed += full_bytes(stream->held << (length + stream->free) | bits >> -stream->free);
    stream->words++;
    stream->held = bits;
    stream->free += 64;
}

/* Bytes of the entropy-coded data with the stuffed zeros; the last byte is filled up with ones. */
INLINE int64_t bytes_of(struct bitstream *stream)
{
    const int used = 64 - stream->free, bytes = (used + 7) / 8;
    int64_t total = 8 * stream->words + bytes + stream->stuffed;
    if (used) {
        const int fill = 8 * bytes - used;
        const uint64_t last = (stream->held << fill | ((1u << fill) - 1)) << (8 * (8 - bytes));
        total += full_bytes(last);
    }
    return total;
}

INLINE void put_value(struct bitstream *stream, uint32_t entry, unsigned size, int low)
{
    const uint64_t value = (uint32_t)low & ((1u << size) - 1);
    put(stream, entry >> 5 | value, (int)(entry & 31));
}

/* A component on its way through an image. */
struct component {
    const struct quantizer *quantizer;
    const struct huffman *huffman;
    const int16_t *coefficients;
    ptrdiff_t columns;
    int previous_dc;
    uint8_t *samples;
    ptrdiff_t stride;
};

INLINE void fill_flat(uint8_t *to, ptrdiff_t stride, int dc)
{
    const int sample = saturated((dc + 4) >> 3, -128, 127) + 128;
    for (int row = 0; row < 8; row++)
        memset(to + row * stride, sample, 8);
}

INLINE void block(
    struct bitstream *stream, struct group *group, struct component *component, ptrdiff_t row, ptrdiff_t column,
    const uint16_t *places, int want_pixels)
{
    struct levels levels;
    const struct huffman *const huffman = component->huffman;
    const int16_t *const coefficients = component->coefficients + 64 * (row * component->columns + column);
    uint64_t left = quantise(coefficients, component->quantizer, &levels, want_pixels) & ~(uint64_t)1;
    const int dc = levels.low[0] - (levels.low[0] >> 15), change = dc - component->previous_dc;
    const unsigned dc_size = bit_length((uint32_t)(change < 0 ? -change : change));
    int16_t *slot = NULL;
    component->previous_dc = dc;
    put_value(stream, huffman->dc[dc_size], dc_size, change + (change >> 31));
    if (want_pixels) {
        uint8_t *const to = component->samples + 8 * (row * component->stride + column);
        if (left == 0) {
            fill_flat(to, component->stride, levels.restored[0]);
        } else {
            if (group->filled == LANES)
                invert(group);
            slot = group->coefficients + 8 * group->filled;
            slot[0] = levels.restored[0];
            group->to[group->filled] = to;
            group->stride[group->filled] = component->stride;
            group->filled++;
        }
    }
    int position = 0;
    while (left) {
        const int next = lowest_bit(left);
        int run = next - position - 1;
        for (; run > 15; run -= 16)
            put(stream, huffman->ac[0xf0] >> 5, (int)(huffman->ac[0xf0] & 31));
        const unsigned size = bit_length(levels.magnitude[next]);
        put_value(stream, huffman->ac[16 * run + (int)size], size, levels.low[next]);
        if (want_pixels)
            slot[places[next]] = levels.restored[next];
        position = next;
        left &= left - 1;
    }
    if (position < 63)
        put(stream, huffman->ac[0] >> 5, (int)(huffman->ac[0] & 31));
}

/* A block outside the image that completes an MCU: the DC of the block before it, nothing else. */
INLINE void filler_block(struct bitstream *stream, const struct huffman *huffman)
{
    put(stream, huffman->dc[0] >> 5, (int)(huffman->dc[0] & 31));
    put(stream, huffman->ac[0] >> 5, (int)(huffman->ac[0] & 31));
}

INLINE int64_t scan(
    const struct layout *at, struct planes *planes, const int16_t *coefficients, const struct quantizer *quantizers,
    int want_pixels)
{
    struct bitstream stream = {0, 64, 0, 0};
    struct group group;
    struct component components[COMPONENTS];
    ALIGNED(64) uint16_t places[64];
    const ptrdiff_t factor = at->factor;
    memset(&group, 0, sizeof group);
    for (int k = 0; k < 64; k++)
        places[k] = (uint16_t)((ZIGZAG[k] >> 3) * 8 * LANES + (ZIGZAG[k] & 7));
    for (int c = LUMA; c < COMPONENTS; c++) {
        components[c].quantizer = quantizers + c;
        components[c].huffman = c == LUMA ? &constants.luma : &constants.chroma;
        components[c].columns = c == LUMA ? at->luma_columns : at->chroma_columns;
        components[c].coefficients = coefficients;
        components[c].previous_dc = 0;
        components[c].samples = want_pixels ? planes->samples[c] : NULL;
        components[c].stride = want_pixels ? planes->stride[c] : 0;
        coefficients += 64 * components[c].columns * (c == LUMA ? at->luma_rows : at->chroma_rows);
    }
    for (ptrdiff_t row = 0; row < at->chroma_rows; row++) {
        for (ptrdiff_t column = 0; column < at->chroma_columns; column++) {
            for (ptrdiff_t v = factor * row; v < factor * (row + 1); v++) {
                for (ptrdiff_t h = factor * column; h < factor * (column + 1); h++) {
                    if (v < at->luma_rows && h < at->luma_columns)
                        block(&stream, &group, &components[LUMA], v, h, places, want_pixels);
                    else
                        filler_block(&stream, &constants.luma);
                }
            }
            block(&stream, &group, &components[CB], row, column, places, want_pixels);
            block(&stream, &group, &components[CR], row, column, places, want_pixels);
        }
    }
    if (want_pixels && group.filled)
        invert(&group);
    return bytes_of(&stream);
}

/* Chroma no wider than two samples is repeated, not interpolated, as libjpeg does. */
static void narrow_image(const struct layout *at, const struct planes *planes, uint8_t *pixels)
{
    uint8_t cb[4] = {0}, cr[4] = {0};
    for (ptrdiff_t row = 0; row < at->height; row++) {
        for (ptrdiff_t i = 0; i < at->width; i++) {
            cb[i] = planes->samples[CB][row / 2 * planes->stride[CB] + i / 2];
            cr[i] = planes->samples[CR][row / 2 * planes->stride[CR] + i / 2];
        }
        for (ptrdiff_t i = 0; i < at->width; i++)
            colour_pixel(
                planes->samples[LUMA][row * planes->stride[LUMA] + i], cb[i], cr[i],
                pixels + 3 * (row * at->width + i));
    }
}

INLINE void upsampled_image(const struct layout *at, const struct planes *planes, uint8_t *pixels)
{
    const ptrdiff_t width = at->chroma_width;
    for (ptrdiff_t row = 0; row < at->height; row++) {
        ptrdiff_t nearer = row / 2, farther = row & 1 ? nearer + 1 : nearer - 1;
        if (farther < 0 || farther == at->chroma_height)
            farther = nearer;
        for (int c = CB; c <= CR; c++) {
            uint16_t *const sums = planes->sums[c - CB] + 1;
            const uint8_t *const samples = planes->samples[c];
            sum_rows(samples + nearer * planes->stride[c], samples + farther * planes->stride[c], sums, width);
            sums[-1] = sums[0];
            sums[width] = sums[width - 1];
        }
        upsampled_colour_row(
            planes->samples[LUMA] + row * planes->stride[LUMA], planes->sums[0] + 1, planes->sums[1] + 1,
            pixels + 3 * row * at->width, at->width);
    }
}

static int64_t size_of_image(
    const struct layout *at, const int16_t *coefficients, const struct quantizer *quantizers)
{
    return scan(at, NULL, coefficients, quantizers, 0);
}

static int64_t encode_image(
    const struct layout *at, struct planes *planes, const int16_t *coefficients, const struct quantizer *quantizers,
    uint8_t *pixels)
{
    const int64_t bytes = scan(at, planes, coefficients, quantizers, 1);
    if (at->factor == 1) {
        for (ptrdiff_t row = 0; row < at->height; row++)
            colour_row(
                planes->samples[LUMA] + row * planes->stride[LUMA], planes->samples[CB] + row * planes->stride[CB],
                planes->samples[CR] + row * planes->stride[CR], pixels + 3 * row * at->width, at->width);
    } else if (at->chroma_width <= 2) {
        narrow_image(at, planes, pixels);
    } else {
        upsampled_image(at, planes, pixels);
    }
    return bytes;
}
