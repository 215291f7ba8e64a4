/* One image at one set of tables: quantise, count the file's bits and stuffed bytes, invert, convert. Included once by
 * each path of the dispatch after its primitives. */

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
INLINE void store_big_endian(uint8_t *to, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(to, &value, 8);
}
#else
INLINE void store_big_endian(uint8_t *to, uint64_t value)
{
    for (int byte = 0; byte < 8; byte++)
        to[byte] = (uint8_t)(value >> (56 - 8 * byte));
}
#endif

/* The entropy-coded data of one row of MCUs; of rows before it only the number of bytes is kept, stuffed ones included.
 */
struct bitstream {
    uint64_t held; /* the last bits, at the bottom */
    uint64_t bits; /* in the row so far, and what was left of the byte before */
    uint8_t *row;
    int64_t bytes;
};

/* Writes the last bits once more with those that are new: bytes on either side of a boundary between stores are the
 * same in both. At most 57 bits at a time. */
INLINE void put(struct bitstream *stream, uint64_t bits, uint64_t length)
{
    stream->held = stream->held << length | bits;
    stream->bits += length;
    store_big_endian(stream->row + ((stream->bits + 7) >> 3) - 8, stream->held << (-stream->bits & 7));
}

INLINE void put_entry(struct bitstream *stream, uint32_t entry)
{
    put(stream, entry >> 5, entry & 31);
}

INLINE void finish_row(struct bitstream *stream)
{
    const ptrdiff_t whole = (ptrdiff_t)(stream->bits >> 3);
    stream->bytes += whole + full_bytes(stream->row, whole);
    stream->bits &= 7;
}

/* Bytes of all rows; the last byte is filled up with ones. */
INLINE int64_t finish(struct bitstream *stream)
{
    if (stream->bits) {
        const uint64_t fill = -stream->bits & 7;
        put(stream, (1u << fill) - 1, fill);
        finish_row(stream);
    }
    return stream->bytes;
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

/* The code of the size of a value, and the value. ``entries`` is by size. */
INLINE uint32_t entry_of(const uint32_t *entries, int low)
{
    const uint32_t magnitude = (uint32_t)(low ^ (low >> 31));
    const unsigned size = magnitude ? bit_length(magnitude) : 0;
    return entries[size] | ((uint32_t)low & ((1u << size) - 1)) << 5;
}

INLINE void fill_flat(uint8_t *to, ptrdiff_t stride, int dc)
{
    const int sample = saturated((dc + 4) >> 3, -128, 127) + 128;
    for (int row = 0; row < 8; row++)
        memset(to + row * stride, sample, 8);
}

enum { LARGEST_MCU = 6 };

INLINE uint8_t *quantise_block(
    const struct component *component, ptrdiff_t row, ptrdiff_t column, struct levels *levels, int want_pixels)
{
    quantise(
        component->coefficients + 64 * (row * component->columns + column), component->quantizer, levels, want_pixels);
    return want_pixels ? component->samples + 8 * (row * component->stride + column) : NULL;
}

/* Takes a place in the group for a block that is not flat, which is where its values belong. */
INLINE int16_t *slot_for(struct group *group, uint8_t *to, ptrdiff_t stride)
{
    if (group->filled == LANES)
        invert(group);
    group->to[group->filled] = to;
    group->stride[group->filled] = stride;
    return group->coefficients + 8 * group->filled++;
}

INLINE void code_block(
    struct bitstream *stream, struct group *group, struct component *component, const struct levels *levels,
    uint8_t *to, const uint16_t *places, int want_pixels)
{
    const struct huffman *const huffman = component->huffman;
    const int dc = levels->low[0] - (levels->low[0] >> 15), change = dc - component->previous_dc;
    uint64_t left = levels->present & ~(uint64_t)1;
    int16_t *slot = NULL;
    component->previous_dc = dc;
    put_entry(stream, entry_of(huffman->dc, change + (change >> 31)));
    if (want_pixels && left == 0) {
        fill_flat(to, component->stride, levels->restored[0]);
    } else if (want_pixels) {
        slot = slot_for(group, to, component->stride);
        slot[0] = levels->restored[0];
    }
    unsigned position = 0;
    while (left) {
        const unsigned next = lowest_bit(left);
        const int low = levels->low[next];
        unsigned run = next - position - 1;
        if (want_pixels)
            slot[places[next]] = levels->restored[next];
        for (; run > 15; run -= 16)
            put_entry(stream, huffman->ac[0xf0]);
        if (low >= -SMALL && low < SMALL)
            put_entry(stream, huffman->small[run][low + SMALL]);
        else
            put_entry(stream, entry_of(huffman->ac + 16 * run, low));
        position = next;
        left &= left - 1;
    }
    if (position < 63)
        put_entry(stream, huffman->ac[0]);
}

/* A block outside the image that completes an MCU: the DC of the block before it, nothing else. */
INLINE void code_filler(struct bitstream *stream, const struct huffman *huffman)
{
    put_entry(stream, huffman->dc[0]);
    put_entry(stream, huffman->ac[0]);
}

/* All blocks of an MCU are quantised before the first is coded: the processor mispredicts the end of nearly every
 * block's coding, and would then have no levels to go on with. */
INLINE void code_mcu(
    const struct layout *at, struct bitstream *stream, struct group *group, struct component *components,
    ptrdiff_t row, ptrdiff_t column, const uint16_t *places, int want_pixels)
{
    struct levels levels[LARGEST_MCU];
    uint8_t *to[LARGEST_MCU];
    const int luma_blocks = at->factor * at->factor;
    int count = 0;
    for (ptrdiff_t v = at->factor * row; v < at->factor * (row + 1); v++) {
        for (ptrdiff_t h = at->factor * column; h < at->factor * (column + 1); h++) {
            if (v < at->luma_rows && h < at->luma_columns)
                to[count] = quantise_block(&components[LUMA], v, h, &levels[count], want_pixels);
            else
                levels[count].outside = 1;
            count++;
        }
    }
    for (int c = CB; c <= CR; c++, count++)
        to[count] = quantise_block(&components[c], row, column, &levels[count], want_pixels);
    for (int i = 0; i < luma_blocks; i++) {
        if (levels[i].outside)
            code_filler(stream, components[LUMA].huffman);
        else
            code_block(stream, group, &components[LUMA], &levels[i], to[i], places, want_pixels);
    }
    for (int c = CB, i = luma_blocks; c <= CR; c++, i++)
        code_block(stream, group, &components[c], &levels[i], to[i], places, want_pixels);
}

/* Counts, and where pixels are wanted leaves the decoded samples in the workspace. */
INLINE int64_t scan(
    const struct layout *at, struct workspace *workspace, const int16_t *coefficients,
    const struct quantizer *quantizers, int want_pixels)
{
    struct bitstream stream = {0, 0, workspace->stream, 0};
    struct group group;
    struct component components[COMPONENTS];
    ALIGNED(64) uint16_t places[64];
    memset(&group, 0, sizeof group);
    for (int k = 0; k < 64; k++)
        places[k] = (uint16_t)((ZIGZAG[k] >> 3) * 8 * LANES + (ZIGZAG[k] & 7));
    for (int c = LUMA; c < COMPONENTS; c++) {
        components[c].quantizer = quantizers + c;
        components[c].huffman = c == LUMA ? &constants.luma : &constants.chroma;
        components[c].columns = c == LUMA ? at->luma_columns : at->chroma_columns;
        components[c].coefficients = coefficients;
        components[c].previous_dc = 0;
        components[c].samples = want_pixels ? workspace->samples[c] : NULL;
        components[c].stride = want_pixels ? workspace->stride : 0;
        coefficients += 64 * components[c].columns * (c == LUMA ? at->luma_rows : at->chroma_rows);
    }
    for (ptrdiff_t row = 0; row < at->chroma_rows; row++) {
        for (ptrdiff_t column = 0; column < at->chroma_columns; column++)
            code_mcu(at, &stream, &group, components, row, column, places, want_pixels);
        finish_row(&stream);
    }
    if (want_pixels && group.filled)
        invert(&group);
    return finish(&stream);
}

/* Chroma no wider than two samples is repeated, not interpolated, as libjpeg does. */
static void narrow_image(const struct layout *at, const struct workspace *workspace, uint8_t *pixels)
{
    uint8_t cb[ROW_SLACK] = {0}, cr[ROW_SLACK] = {0};
    for (ptrdiff_t row = 0; row < at->height; row++) {
        for (ptrdiff_t i = 0; i < at->width; i++) {
            cb[i] = workspace->samples[CB][row / 2 * workspace->stride + i / 2];
            cr[i] = workspace->samples[CR][row / 2 * workspace->stride + i / 2];
        }
        colour_row(
            workspace->samples[LUMA] + row * workspace->stride, cb, cr, pixels + 3 * row * at->width, at->width);
    }
}

INLINE void upsampled_image(const struct layout *at, const struct workspace *workspace, uint8_t *pixels)
{
    const ptrdiff_t width = at->chroma_width;
    for (ptrdiff_t row = 0; row < at->height; row++) {
        ptrdiff_t nearer = row / 2, farther = row & 1 ? nearer + 1 : nearer - 1;
        if (farther < 0 || farther == at->chroma_height)
            farther = nearer;
        for (int c = CB; c <= CR; c++) {
            uint16_t *const sums = workspace->sums[c - CB] + 1;
            const uint8_t *const samples = workspace->samples[c];
            sum_rows(samples + nearer * workspace->stride, samples + farther * workspace->stride, sums, width);
            sums[-1] = sums[0];
            sums[width] = sums[width - 1];
        }
        upsampled_colour_row(
            workspace->samples[LUMA] + row * workspace->stride, workspace->sums[0] + 1, workspace->sums[1] + 1,
            pixels + 3 * row * at->width, at->width);
    }
}

static int64_t size_of_image(
    const struct layout *at, struct workspace *workspace, const int16_t *coefficients,
    const struct quantizer *quantizers)
{
    return scan(at, workspace, coefficients, quantizers, 0);
}

static int64_t encode_image(
    const struct layout *at, struct workspace *workspace, const int16_t *coefficients, const struct quantizer *quantizers,
    uint8_t *pixels)
{
    const int64_t bytes = scan(at, workspace, coefficients, quantizers, 1);
    if (at->factor == 1) {
        for (ptrdiff_t row = 0; row < at->height; row++)
            colour_row(
                workspace->samples[LUMA] + row * workspace->stride, workspace->samples[CB] + row * workspace->stride,
                workspace->samples[CR] + row * workspace->stride, pixels + 3 * row * at->width, at->width);
    } else if (at->chroma_width <= 2) {
        narrow_image(at, workspace, pixels);
    } else {
        upsampled_image(at, workspace, pixels);
    }
    return bytes;
}
