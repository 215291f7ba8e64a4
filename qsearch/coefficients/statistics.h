/* One image at one set of tables: the bits of its coefficients, their squared error, and how both change with each
 * entry of the tables while the others stay. Included once by each path of the dispatch after its primitives. */

/* Squared errors of this many blocks fit into 32 bits: each is at most (4 * 255)^2. */
enum { BLOCKS_AT_A_TIME = 1024 };

struct tally {
    const struct quantizer *quantizers[TABLE_SETS];
    const struct huffman *huffman;
    const int16_t *coefficients;
    ptrdiff_t columns;
    int previous_dc[TABLE_SETS];
    int64_t bits;
    int pending; /* blocks whose errors are not yet in the totals */
    ALIGNED(64) uint32_t recent_error[64];
    ALIGNED(64) uint32_t recent_error_change[64];
    int64_t squared_error[64], error_change[64], bits_change[64];
};

INLINE void add_recent(struct tally *tally)
{
    for (int k = 0; k < 64; k++) {
        tally->squared_error[k] += tally->recent_error[k];
        tally->error_change[k] += (int32_t)tally->recent_error_change[k];
        tally->recent_error[k] = tally->recent_error_change[k] = 0;
    }
    tally->pending = 0;
}

INLINE unsigned size_of(int low)
{
    const uint32_t magnitude = (uint32_t)(low ^ (low >> 31));
    return magnitude ? bit_length(magnitude) : 0;
}

/* What values that no image has would make too large wraps around. */
INLINE uint32_t square(int16_t coefficient, int16_t restored)
{
    const int16_t error = (int16_t)(uint16_t)((uint32_t)(uint16_t)coefficient - 8u * (uint32_t)(uint16_t)restored);
    return (uint32_t)((int32_t)error * error);
}

INLINE void tally_errors(struct tally *tally, const int16_t *coefficients, const struct levels *levels)
{
    if (tally->pending == BLOCKS_AT_A_TIME)
        add_recent(tally);
    tally->pending++;
    for (int k = 0; k < 64; k++) {
        tally->recent_error[k] += square(coefficients[k], levels[CHOSEN].restored[k]);
        tally->recent_error_change[k] += square(coefficients[k], levels[UPPER].restored[k]) -
                                         square(coefficients[k], levels[LOWER].restored[k]);
    }
}

INLINE void tally_dc(struct tally *tally, const struct levels *levels)
{
    int bits[TABLE_SETS];
    for (int set = CHOSEN; set < TABLE_SETS; set++) {
        const int dc = levels[set].low[0] - (levels[set].low[0] >> 15), change = dc - tally->previous_dc[set];
        tally->previous_dc[set] = dc;
        bits[set] = tally->huffman->dc_bits[size_of(change + (change >> 31))];
    }
    tally->bits += bits[CHOSEN];
    tally->bits_change[0] += bits[UPPER] - bits[LOWER];
}

/* Of the entry at ``position`` only this coefficient changes; what that costs follows from its neighbours. */
INLINE void tally_ac_change(struct tally *tally, const struct levels *levels, unsigned position)
{
    const struct huffman *const huffman = tally->huffman;
    const unsigned lower = size_of(levels[LOWER].low[position]), upper = size_of(levels[UPPER].low[position]);
    if (lower == upper)
        return;
    const uint64_t others = levels[CHOSEN].present & ~(uint64_t)1 & ~((uint64_t)1 << position);
    const uint64_t above = others >> position, below = others & (((uint64_t)1 << position) - 1);
    const unsigned before = below ? highest_bit(below) : 0, run = position - before - 1;
    int change = huffman->ac_bits[run][upper] - huffman->ac_bits[run][lower];
    if (lower == 0 || upper == 0) {
        int apart, together; /* the next coefficient's bits with this one before it, and without */
        if (above) {
            const unsigned next = position + lowest_bit(above), size = size_of(levels[CHOSEN].low[next]);
            apart = huffman->ac_bits[next - position - 1][size];
            together = huffman->ac_bits[next - before - 1][size];
        } else {
            apart = position < 63 ? huffman->end_bits : 0;
            together = huffman->end_bits;
        }
        change += upper ? apart - together : together - apart;
    }
    tally->bits_change[position] += change;
}

INLINE void tally_ac(struct tally *tally, const struct levels *levels)
{
    const struct huffman *const huffman = tally->huffman;
    uint64_t left = levels[CHOSEN].present & ~(uint64_t)1;
    unsigned position = 0, bits = 0;
    while (left) {
        const unsigned next = lowest_bit(left);
        bits += huffman->ac_bits[next - position - 1][size_of(levels[CHOSEN].low[next])];
        position = next;
        left &= left - 1;
    }
    tally->bits += bits + (position < 63 ? huffman->end_bits : 0);
    for (left = (levels[LOWER].present | levels[UPPER].present) & ~(uint64_t)1; left; left &= left - 1)
        tally_ac_change(tally, levels, lowest_bit(left));
}

INLINE void tally_block(struct tally *tally, ptrdiff_t row, ptrdiff_t column)
{
    const int16_t *const coefficients = tally->coefficients + 64 * (row * tally->columns + column);
    struct levels levels[TABLE_SETS];
    for (int set = CHOSEN; set < TABLE_SETS; set++)
        quantise(coefficients, tally->quantizers[set], &levels[set], 1);
    tally_errors(tally, coefficients, levels);
    tally_dc(tally, levels);
    tally_ac(tally, levels);
}

/* The bits of the image, without stuffed ones and those that fill the last byte. */
static int64_t statistics_of_image(
    const struct layout *at, const int16_t *coefficients, const struct quantizer *const *quantizers,
    int64_t *squared_error, int64_t *bits_change, int64_t *error_change)
{
    struct tally tallies[COMPONENTS];
    const int filler_bits = constants.luma.dc_bits[0] + constants.luma.end_bits;
    int64_t bits = 0;
    memset(tallies, 0, sizeof tallies);
    for (int c = LUMA; c < COMPONENTS; c++) {
        struct tally *const tally = &tallies[c];
        for (int set = CHOSEN; set < TABLE_SETS; set++)
            tally->quantizers[set] = quantizers[set] + c;
        tally->huffman = c == LUMA ? &constants.luma : &constants.chroma;
        tally->columns = c == LUMA ? at->luma_columns : at->chroma_columns;
        tally->coefficients = coefficients;
        coefficients += 64 * tally->columns * (c == LUMA ? at->luma_rows : at->chroma_rows);
    }
    for (ptrdiff_t row = 0; row < at->chroma_rows; row++) {
        for (ptrdiff_t column = 0; column < at->chroma_columns; column++) {
            for (ptrdiff_t v = at->factor * row; v < at->factor * (row + 1); v++) {
                for (ptrdiff_t h = at->factor * column; h < at->factor * (column + 1); h++) {
                    if (v < at->luma_rows && h < at->luma_columns)
                        tally_block(&tallies[LUMA], v, h);
                    else
                        bits += filler_bits;
                }
            }
            for (int c = CB; c <= CR; c++)
                tally_block(&tallies[c], row, column);
        }
    }
    for (int c = LUMA; c < COMPONENTS; c++) {
        add_recent(&tallies[c]);
        bits += tallies[c].bits;
        for (int k = 0; k < 64; k++) {
            squared_error[64 * c + ZIGZAG[k]] = tallies[c].squared_error[k];
            bits_change[64 * c + ZIGZAG[k]] = tallies[c].bits_change[k];
            error_change[64 * c + ZIGZAG[k]] = tallies[c].error_change[k];
        }
    }
    return bits;
}
