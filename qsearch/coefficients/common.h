/* What all parts of the kernel share: the block layout of an image, the constants of the format, small portability. */
#ifndef QSEARCH_COMMON_H
#define QSEARCH_COMMON_H

#include <stddef.h>
#include <stdint.h>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#define ALIGNED(bytes) __declspec(align(bytes))
#define INLINE static __forceinline
#define restrict __restrict
#else
#define ALIGNED(bytes) __attribute__((aligned(bytes)))
#define INLINE static inline __attribute__((always_inline))
#endif

/* Which bit is the lowest or highest one of a value that is not 0. */
#if defined(_MSC_VER) && !defined(__clang__)
INLINE unsigned lowest_bit(uint64_t value)
{
    unsigned long index = 0;
    _BitScanForward64(&index, value);
    return (unsigned)index;
}

INLINE unsigned highest_bit(uint64_t value)
{
    unsigned long index = 0;
    _BitScanReverse64(&index, value);
    return (unsigned)index;
}

INLINE unsigned bit_length(uint32_t value)
{
    unsigned long index = 0;
    return _BitScanReverse(&index, value) ? (unsigned)index + 1 : 0;
}
#else
INLINE unsigned lowest_bit(uint64_t value)
{
    return (unsigned)__builtin_ctzll(value);
}

INLINE unsigned highest_bit(uint64_t value)
{
    return 63 - (unsigned)__builtin_clzll(value);
}

/* Of a value that is not 0. */
INLINE unsigned bit_length(uint32_t value)
{
    return 32 - (unsigned)__builtin_clz(value);
}
#endif

/* Largest side of a JPEG image that libjpeg writes. */
enum { LARGEST_SIDE = 65500 };

/* SOI to EOI without entropy-coded data: JFIF header, two 8-bit quantization tables, standard Huffman tables. */
enum { HEADER_BYTES = 625, TABLE_BYTES = 69 };

enum { LUMA, CB, CR, COMPONENTS };

/* The tables of an image, and those with lower and upper entries between which changes are taken. */
enum { CHOSEN, LOWER, UPPER, TABLE_SETS };

/* Where an image's blocks are. Its coefficients are int16 [blocks][64]: the luma blocks row by row, then Cb, then Cr;
 * inside a block zig-zag order. Only blocks that hold pixels are kept, not those that fill up the last MCUs. */
struct layout {
    ptrdiff_t height, width;               /* pixels */
    ptrdiff_t chroma_height, chroma_width; /* samples */
    int factor;                            /* 2: 4:2:0; 1: 4:4:4 */
    ptrdiff_t luma_rows, luma_columns;     /* blocks */
    ptrdiff_t chroma_rows, chroma_columns; /* blocks, and MCUs */
    ptrdiff_t blocks;
};

INLINE struct layout layout_of(ptrdiff_t height, ptrdiff_t width, int factor)
{
    struct layout at;
    at.height = height;
    at.width = width;
    at.factor = factor;
    at.chroma_height = (height + factor - 1) / factor;
    at.chroma_width = (width + factor - 1) / factor;
    at.luma_rows = (height + 7) / 8;
    at.luma_columns = (width + 7) / 8;
    at.chroma_rows = (at.chroma_height + 7) / 8;
    at.chroma_columns = (at.chroma_width + 7) / 8;
    at.blocks = at.luma_rows * at.luma_columns + 2 * at.chroma_rows * at.chroma_columns;
    return at;
}

/* Raster index (8 * row + column) of each zig-zag position. */
extern const uint8_t ZIGZAG[64];

/* The codes of one component. An entry is (bits << 5 | length): a code followed by its value's low bits, and the length
 * of both together. What a file holds of a value is "low": the value, or where it is negative the value less one. */
enum { SMALL = 64 };

struct huffman {
    uint32_t dc[16];                /* by size; zeros where the low bits belong */
    uint32_t ac[256];               /* by 16 * run + size; the same */
    uint32_t small[16][2 * SMALL];  /* whole entries by run and low + SMALL */
    uint8_t dc_bits[16];            /* lengths of entries by size */
    uint8_t ac_bits[64][16];        /* by run and size, codes for each 16 zeros of the run included; 0 for size 0 */
    uint8_t end_bits;               /* of the code that ends a block */
};

/* Everything that is computed once, when the module is imported. */
struct constants {
    struct huffman luma, chroma;
    /* libjpeg quantises x8-scaled coefficients by (|x| + 4q) / (8q). For n < 2^14 the quotient n / (8q) is exactly
     * ((n * reciprocal >> 16) * scale) >> 16. Proof: with 2^J <= 8q < 2^(J+1) the reciprocal is 2^(15+J) / (8q)
     * rounded up, off by e / (8q) with e < 8q; n * e < 2^(15+J), so the floor does not change. */
    uint16_t reciprocal[256], scale[256];
};

extern struct constants constants;

void fill_constants(void);

/* One quantization table in zig-zag order, ready to use. */
struct quantizer {
    ALIGNED(64) uint16_t bias[64];
    ALIGNED(64) uint16_t reciprocal[64];
    ALIGNED(64) uint16_t scale[64];
    ALIGNED(64) int16_t step[64];
};

/* ``table``: 64 entries 1..255 in raster order. */
void fill_quantizer(struct quantizer *quantizer, const uint8_t *table);

/* Memory for one image; each row of samples is ROW_SLACK longer than it needs, for whole vectors. */
enum { ROW_SLACK = 64 };

struct workspace {
    ptrdiff_t stride; /* samples, of each component */
    uint8_t *samples[COMPONENTS];
    uint16_t *sums[2]; /* of one row of Cb and Cr, each with one more element in front */
    uint8_t *stream;   /* entropy-coded data of one row of MCUs, with STREAM_SLACK bytes in front and behind */
    void *memory[3];   /* apart, so that a sanitizer sees where one ends */
};

/* A block is at most 64 codes of 31 bits, also where a damaged cache holds what no image has. */
enum { STREAM_SLACK = 64, BLOCK_BYTES = 256 };

/* Returns 0 where memory is short. Samples only on request. */
int allocate(struct workspace *workspace, const struct layout *at, int with_samples);
void release(struct workspace *workspace);

/* What each path of the dispatch does with one image. */
struct path {
    const char *name;
    int (*available)(void);
    /* pixels uint8 [height][width][3] -> coefficients int16 [blocks][64], scaled by 8. */
    void (*forward)(const struct layout *, struct workspace *, const uint8_t *pixels, int16_t *coefficients);
    /* The file's size in bytes, without the header. */
    int64_t (*size)(
        const struct layout *, struct workspace *, const int16_t *coefficients, const struct quantizer *);
    /* The same, and the decoded pixels. */
    int64_t (*encode)(
        const struct layout *, struct workspace *, const int16_t *coefficients, const struct quantizer *,
        uint8_t *pixels);
    /* The bits of the coefficients, without stuffed ones and those that fill the last byte; the squared error of each
     * entry, of coefficients scaled by 8; and by how much both change with that entry at UPPER in place of LOWER.
     * quantizers [TABLE_SETS][COMPONENTS], results [COMPONENTS][64] in raster order. */
    int64_t (*statistics)(
        const struct layout *, const int16_t *coefficients, const struct quantizer *const *, int64_t *squared_error,
        int64_t *bits_change, int64_t *error_change);
};

#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))
#define QSEARCH_X86_PATHS 1
extern const struct path path_avx2, path_avx512;
#endif
extern const struct path path_plain;

#endif
