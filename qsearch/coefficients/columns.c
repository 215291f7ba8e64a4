/* Tables by coordinate: the distributions behind the cost of one entry. */
#include <stdlib.h>
#include <string.h>

#include "columns.h"

enum { BLOCKS_TOGETHER = 32 };

static void fill_magnitudes(const int16_t *coefficients, ptrdiff_t blocks, ptrdiff_t stride, uint16_t *magnitudes)
{
    for (ptrdiff_t start = 0; start < blocks; start += BLOCKS_TOGETHER) {
        const ptrdiff_t end = start + BLOCKS_TOGETHER < blocks ? start + BLOCKS_TOGETHER : blocks;
        for (int k = 0; k < 64; k++)
            for (ptrdiff_t block = start; block < end; block++)
                magnitudes[k * stride + block] = (uint16_t)abs(coefficients[64 * block + k]);
    }
}

static uint16_t largest_of(const uint16_t *magnitudes, ptrdiff_t blocks)
{
    uint16_t largest = 0;
    for (ptrdiff_t block = 0; block < blocks; block++)
        largest = magnitudes[block] > largest ? magnitudes[block] : largest;
    return largest;
}

/* A magnitude x becomes level l from 4q(2l - 1) on. With N and S the number and the sum of magnitudes from a threshold
 * on, the squared error is the sum of x^2 - 16q S + 64 q^2 (2l - 1) N over all l. */
static int fill_errors(ptrdiff_t blocks, const uint16_t *magnitudes, double *squared_error)
{
    const int largest = largest_of(magnitudes, blocks);
    double squares = 0;
    double *const count = calloc(2 * ((size_t)largest + 2), sizeof(double)); /* exact: whole numbers below 2^53 */
    if (count == NULL)
        return 0;
    double *const sum = count + largest + 2;
    for (ptrdiff_t block = 0; block < blocks; block++)
        count[magnitudes[block]]++;
    for (int x = largest; x >= 0; x--) {
        const double total = count[x] * x;
        squares += total * x;
        sum[x] = sum[x + 1] + total;
        count[x] += count[x + 1];
    }
    squared_error[0] = 0;
    for (int step = 1; step < STEPS; step++) {
        double error = squares;
        for (int twice = 1; 4 * step * twice <= largest; twice += 2)
            error += 64.0 * step * step * twice * count[4 * step * twice] - 16.0 * step * sum[4 * step * twice];
        squared_error[step] = error;
    }
    free(count);
    return 1;
}

/* The DC coefficients of one image in the order in which a file holds them. */
static ptrdiff_t scan_order(const struct layout *at, int component, const int16_t *coefficients, int16_t *dc)
{
    const int factor = component == LUMA ? at->factor : 1;
    const ptrdiff_t rows = component == LUMA ? at->luma_rows : at->chroma_rows;
    const ptrdiff_t columns = component == LUMA ? at->luma_columns : at->chroma_columns;
    ptrdiff_t count = 0;
    for (ptrdiff_t row = 0; row < at->chroma_rows; row++)
        for (ptrdiff_t column = 0; column < at->chroma_columns; column++)
            for (ptrdiff_t v = factor * row; v < factor * (row + 1) && v < rows; v++)
                for (ptrdiff_t h = factor * column; h < factor * (column + 1) && h < columns; h++)
                    dc[count++] = coefficients[64 * (v * columns + h)];
    return count;
}

/* See ``constants`` for the quotient; where no image has such a value it is another one, and no more. */
static void fill_levels(const int16_t *coefficients, ptrdiff_t blocks, int step, int16_t *levels)
{
    const uint16_t bias = (uint16_t)(4 * step), reciprocal = constants.reciprocal[step], scale = constants.scale[step];
    for (ptrdiff_t block = 0; block < blocks; block++) {
        const int16_t sign = (int16_t)(coefficients[block] >> 15);
        const uint16_t n = (uint16_t)((uint16_t)((coefficients[block] ^ sign) - sign) + bias);
        const uint16_t scaled = (uint16_t)(((uint32_t)n * reciprocal) >> 16);
        const uint16_t magnitude = (uint16_t)(((uint32_t)scaled * scale) >> 16);
        levels[block] = (int16_t)((magnitude ^ sign) - sign);
    }
}

static void add_dc_bits(
    const int16_t *dc, ptrdiff_t blocks, const struct huffman *huffman, int16_t *levels, int64_t *dc_bits)
{
    for (int step = 1; step < STEPS; step++) {
        int previous = 0;
        fill_levels(dc, blocks, step, levels);
        for (ptrdiff_t block = 0; block < blocks; block++) {
            const uint32_t change = (uint32_t)abs(levels[block] - previous);
            dc_bits[step] += huffman->dc_bits[change ? bit_length(change) : 0];
            previous = levels[block];
        }
    }
}

int fill_columns(
    const struct layout *at, ptrdiff_t images, int component, const int16_t *coefficients, uint16_t *magnitudes,
    double *squared_error, int64_t *dc_bits)
{
    const ptrdiff_t luma = at->luma_rows * at->luma_columns, chroma = at->chroma_rows * at->chroma_columns;
    const ptrdiff_t blocks = component == LUMA ? luma : chroma, stride = images * blocks;
    const ptrdiff_t start = component == LUMA ? 0 : luma + (component - CB) * chroma;
    const struct huffman *const huffman = component == LUMA ? &constants.luma : &constants.chroma;
    int16_t *const dc = malloc(2 * sizeof(int16_t) * (size_t)blocks); /* and their levels */
    int enough = 1;
    if (dc == NULL)
        return 0;
    memset(dc_bits, 0, STEPS * sizeof *dc_bits);
    for (ptrdiff_t image = 0; image < images; image++) {
        const int16_t *const own = coefficients + 64 * (image * at->blocks + start);
        fill_magnitudes(own, blocks, stride, magnitudes + image * blocks);
        add_dc_bits(dc, scan_order(at, component, own, dc), huffman, dc + blocks, dc_bits);
    }
    free(dc);
    for (int k = 0; enough && k < 64; k++)
        enough = fill_errors(stride, magnitudes + k * stride, squared_error + k * STEPS);
    return enough;
}

/* A level has at least ``size`` bits from the magnitude 4q(2^size - 1) on. */
void set_step(int position, int step, ptrdiff_t blocks, const uint16_t *magnitudes, uint8_t *sizes, uint64_t *present)
{
    const uint16_t *const own = magnitudes + position * blocks;
    uint8_t *const size = sizes + position * blocks;
    const int largest = largest_of(own, blocks);
    for (ptrdiff_t block = 0; block < blocks; block++)
        size[block] = 0;
    for (int bits = 1; 4 * step * ((1 << bits) - 1) <= largest; bits++) {
        const uint16_t threshold = (uint16_t)(4 * step * ((1 << bits) - 1));
        for (ptrdiff_t block = 0; block < blocks; block++)
            size[block] = (uint8_t)(size[block] + (own[block] >= threshold));
    }
    for (ptrdiff_t block = 0; block < blocks; block++)
        present[block] = (present[block] & ~((uint64_t)1 << position)) | (uint64_t)(size[block] != 0) << position;
}

/* Bits of the coefficients around this one when it is not zero, more than when it is. ``others`` are not zero. */
INLINE int bits_around(
    const struct huffman *huffman, unsigned position, unsigned before, uint64_t others, const uint8_t *sizes,
    ptrdiff_t blocks)
{
    const uint64_t above = others >> position;
    if (!above)
        return position < 63 ? 0 : -huffman->end_bits;
    const unsigned next = position + lowest_bit(above);
    const unsigned size = sizes[next * blocks] & 15u;
    return huffman->ac_bits[next - position - 1][size] - huffman->ac_bits[next - before - 1][size];
}

int entry_bits(
    int position, const struct huffman *huffman, int lowest, int highest, ptrdiff_t blocks, const uint16_t *magnitudes,
    const uint8_t *sizes, const uint64_t *present, int64_t *bits)
{
    const uint16_t *const own = magnitudes + position * blocks;
    const uint64_t self = (uint64_t)1 << position;
    /* Thresholds of sizes are 4q(2^size - 1): quarters of magnitudes tell all. Run r and quarter m are at
     * [r * quarters + m]; the bits around are in a row of their own. */
    const size_t quarters = (size_t)largest_of(own, blocks) / 4 + 1;
    uint32_t *const counts = calloc((size_t)position * quarters, sizeof(uint32_t));
    int64_t *const around = calloc(quarters, sizeof(int64_t));
    if (counts == NULL || around == NULL) {
        free(counts);
        free(around);
        return 0;
    }
    for (ptrdiff_t block = 0; block < blocks; block++) {
        const unsigned quarter = own[block] / 4u;
        if (quarter < (unsigned)lowest)
            continue;
        const uint64_t others = present[block] & ~self, below = others & (self - 1);
        const unsigned before = below ? highest_bit(below) : 0;
        counts[((unsigned)position - before - 1) * quarters + quarter]++;
        around[quarter] += bits_around(huffman, (unsigned)position, before, others, sizes + block, blocks);
    }
    for (size_t quarter = quarters - 1; quarter-- > 0;)
        around[quarter] += around[quarter + 1];
    for (int step = lowest; step <= highest; step++)
        bits[step] = (size_t)step < quarters ? around[step] : 0;
    for (int run = 0; run < position; run++) {
        uint32_t *const count = counts + (size_t)run * quarters;
        for (size_t quarter = quarters - 1; quarter-- > 0;)
            count[quarter] += count[quarter + 1];
        for (int step = lowest; step <= highest; step++)
            for (int size = 1; (size_t)step * ((1u << size) - 1) < quarters; size++)
                bits[step] += (int64_t)count[(size_t)step * ((1u << size) - 1)] *
                              (huffman->ac_bits[run][size] - huffman->ac_bits[run][size - 1]);
    }
    free(counts);
    free(around);
    return 1;
}
