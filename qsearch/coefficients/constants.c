/* Huffman tables, zig-zag order and exact reciprocals: the constants of baseline JPEG. */
#include <stdlib.h>
#include <string.h>

#include "common.h"

const uint8_t ZIGZAG[64] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48,
    41, 34, 27, 20, 13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23,
    30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
};

struct constants constants;

/* T.81 Annex K.3: how many codes of each length 1..16, and the symbols in the order of their codes. */
static const uint8_t LUMA_DC_LENGTHS[16] = {0, 1, 5, 1, 1, 1, 1, 1, 1};
static const uint8_t CHROMA_DC_LENGTHS[16] = {0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static const uint8_t DC_SYMBOLS[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
static const uint8_t LUMA_AC_LENGTHS[16] = {0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125};
static const uint8_t LUMA_AC_SYMBOLS[162] = {
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
    0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72,
    0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
    0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
    0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83,
    0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
    0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
    0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
    0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
};
static const uint8_t CHROMA_AC_LENGTHS[16] = {0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119};
static const uint8_t CHROMA_AC_SYMBOLS[162] = {
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
    0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1,
    0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36,
    0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
    0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a,
    0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
    0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
    0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
    0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
};

/* Codes of one length count up; the next length goes on from twice the next free code (T.81 Annex C). */
static void fill_codes(uint32_t *entries, const uint8_t *lengths, const uint8_t *symbols)
{
    uint32_t code = 0;
    for (uint32_t length = 1; length <= 16; length++) {
        for (int count = lengths[length - 1]; count > 0; count--) {
            const uint32_t symbol = *symbols++, value_bits = symbol & 15;
            entries[symbol] = (code << value_bits) << 5 | (length + value_bits);
            code++;
        }
        code <<= 1;
    }
}

static void fill_small(struct huffman *huffman)
{
    for (uint32_t run = 0; run < 16; run++) {
        for (int low = -SMALL; low < SMALL; low++) {
            uint32_t magnitude = (uint32_t)(low < 0 ? -low - 1 : low), size = 0;
            while (magnitude >> size)
                size++;
            huffman->small[run][low + SMALL] =
                huffman->ac[16 * run + size] | ((uint32_t)low & ((1u << size) - 1)) << 5;
        }
    }
}

static void fill_bits(struct huffman *huffman)
{
    for (int size = 0; size < 16; size++)
        huffman->dc_bits[size] = (uint8_t)(huffman->dc[size] & 31);
    for (int run = 0; run < 64; run++)
        for (int size = 1; size < 16; size++)
            huffman->ac_bits[run][size] =
                (uint8_t)((run >> 4) * (int)(huffman->ac[0xf0] & 31) + (int)(huffman->ac[16 * (run & 15) + size] & 31));
    huffman->end_bits = (uint8_t)(huffman->ac[0] & 31);
}

void fill_constants(void)
{
    fill_codes(constants.luma.dc, LUMA_DC_LENGTHS, DC_SYMBOLS);
    fill_codes(constants.luma.ac, LUMA_AC_LENGTHS, LUMA_AC_SYMBOLS);
    fill_codes(constants.chroma.dc, CHROMA_DC_LENGTHS, DC_SYMBOLS);
    fill_codes(constants.chroma.ac, CHROMA_AC_LENGTHS, CHROMA_AC_SYMBOLS);
    fill_small(&constants.luma);
    fill_small(&constants.chroma);
    fill_bits(&constants.luma);
    fill_bits(&constants.chroma);
    for (uint32_t q = 1; q < 256; q++) {
        const uint32_t divisor = 8 * q;
        uint32_t magnitude = 3;
        while (divisor >> (magnitude + 1))
            magnitude++;
        constants.reciprocal[q] = (uint16_t)(((1u << (15 + magnitude)) + divisor - 1) / divisor);
        constants.scale[q] = (uint16_t)(1u << (17 - magnitude));
    }
}

void fill_quantizer(struct quantizer *quantizer, const uint8_t *table)
{
    for (int k = 0; k < 64; k++) {
        const int q = table[ZIGZAG[k]];
        quantizer->bias[k] = (uint16_t)(4 * q);
        quantizer->reciprocal[k] = constants.reciprocal[q];
        quantizer->scale[k] = constants.scale[q];
        quantizer->step[k] = (int16_t)q;
    }
}

int allocate(struct workspace *workspace, const struct layout *at, int with_samples)
{
    /* The forward transform fills chroma at full resolution before it halves it: as many rows and columns as luma. */
    const size_t rows = with_samples ? (size_t)(8 * at->factor * at->chroma_rows) : 0;
    const size_t stride = (size_t)(8 * at->factor * at->chroma_columns) + ROW_SLACK;
    const size_t sums_length = (size_t)(8 * at->chroma_columns) + ROW_SLACK;
    const size_t blocks = (size_t)(at->factor * at->factor + 2) * (size_t)at->chroma_columns;
    uint16_t *const sums = workspace->memory[0] = calloc(2 * sums_length, sizeof(uint16_t));
    uint8_t *const stream = workspace->memory[1] = calloc(blocks * BLOCK_BYTES + 2 * STREAM_SLACK, 1);
    uint8_t *const samples = workspace->memory[2] = calloc(3 * rows * stride + 1, 1);
    if (sums == NULL || stream == NULL || samples == NULL) {
        release(workspace);
        return 0;
    }
    for (int component = 0; component < 2; component++)
        workspace->sums[component] = sums + (size_t)component * sums_length;
    workspace->stream = stream + STREAM_SLACK;
    workspace->stride = (ptrdiff_t)stride;
    for (int component = 0; component < COMPONENTS; component++)
        workspace->samples[component] = with_samples ? samples + (size_t)component * rows * stride : NULL;
    return 1;
}

void release(struct workspace *workspace)
{
    for (int part = 0; part < 3; part++) {
        free(workspace->memory[part]);
        workspace->memory[part] = NULL;
    }
}
