/* The primitives of one image's evaluation with AVX2, or with AVX-512 where WIDE is defined; what they compute is
 * said in portable.h, which computes the same. */

#ifdef WIDE
#define V __m512i
#define OP(name) _mm512_##name
#define ZERO() _mm512_setzero_si512()
#define LOAD(from) _mm512_load_si512(from)
#define STORE(to, value) _mm512_store_si512(to, value)
#define FLIP_TOP_BITS(value) _mm512_xor_si512(value, _mm512_set1_epi32((int)0x80808080u))
enum { LANES = 4 };
#else
#define V __m256i
#define OP(name) _mm256_##name
#define ZERO() _mm256_setzero_si256()
#define LOAD(from) _mm256_load_si256((const __m256i *)(from))
#define STORE(to, value) _mm256_store_si256((__m256i *)(to), value)
#define FLIP_TOP_BITS(value) _mm256_xor_si256(value, _mm256_set1_epi32((int)0x80808080u))
enum { LANES = 2 };
#endif

#include "blocks.h"

#ifdef WIDE
INLINE void quantise(
    const int16_t *coefficients, const struct quantizer *quantizer, struct levels *levels, int want_pixels)
{
    uint64_t mask = 0;
    for (int k = 0; k < 64; k += 32) {
        const V x = _mm512_loadu_si512(coefficients + k), sign = _mm512_srai_epi16(x, 15);
        const V n = _mm512_add_epi16(_mm512_abs_epi16(x), LOAD(quantizer->bias + k));
        const V scaled = _mm512_mulhi_epu16(n, LOAD(quantizer->reciprocal + k));
        const V magnitude = _mm512_mulhi_epu16(scaled, LOAD(quantizer->scale + k));
        const V flipped = _mm512_xor_si512(magnitude, sign); /* level, or level - 1 where negative */
        STORE(levels->low + k, flipped);
        if (want_pixels)
            STORE(levels->restored + k,
                  _mm512_mullo_epi16(_mm512_sub_epi16(flipped, sign), LOAD(quantizer->step + k)));
        mask |= (uint64_t)_mm512_test_epi16_mask(magnitude, magnitude) << k;
    }
    levels->present = mask;
    levels->outside = 0;
}
#else
INLINE void quantise(
    const int16_t *coefficients, const struct quantizer *quantizer, struct levels *levels, int want_pixels)
{
    uint64_t mask = 0;
    for (int k = 0; k < 64; k += 32) {
        V present[2];
        for (int half = 0; half < 2; half++) {
            const int at = k + 16 * half;
            const V x = _mm256_loadu_si256((const __m256i *)(coefficients + at)), sign = _mm256_srai_epi16(x, 15);
            const V n = _mm256_add_epi16(_mm256_abs_epi16(x), LOAD(quantizer->bias + at));
            const V scaled = _mm256_mulhi_epu16(n, LOAD(quantizer->reciprocal + at));
            const V magnitude = _mm256_mulhi_epu16(scaled, LOAD(quantizer->scale + at));
            const V flipped = _mm256_xor_si256(magnitude, sign);
            STORE(levels->low + at, flipped);
            if (want_pixels)
                STORE(levels->restored + at,
                      _mm256_mullo_epi16(_mm256_sub_epi16(flipped, sign), LOAD(quantizer->step + at)));
            present[half] = _mm256_cmpgt_epi16(magnitude, ZERO());
        }
        const V both = _mm256_permute4x64_epi64(_mm256_packs_epi16(present[0], present[1]), 0xd8);
        mask |= (uint64_t)(uint32_t)_mm256_movemask_epi8(both) << k;
    }
    levels->present = mask;
    levels->outside = 0;
}
#endif

/* Overwrites what comes after the bytes. */
INLINE ptrdiff_t full_bytes(uint8_t *bytes, ptrdiff_t count)
{
    __m256i sums = _mm256_setzero_si256();
    ALIGNED(32) int64_t parts[4];
    memset(bytes + count, 0, 32);
    for (ptrdiff_t i = 0; i < count; i += 32) {
        const __m256i full = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(bytes + i)), _mm256_set1_epi8(-1));
        const __m256i ones = _mm256_sub_epi8(_mm256_setzero_si256(), full);
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(ones, _mm256_setzero_si256()));
    }
    _mm256_store_si256((__m256i *)parts, sums);
    return (ptrdiff_t)(parts[0] + parts[1] + parts[2] + parts[3]);
}

/* Rows and columns of eight registers of eight 16-bit elements exchanged, in each 128-bit lane. */
INLINE void transpose(V *rows)
{
    V a[8], b[8];
    for (int i = 0; i < 4; i++) {
        a[2 * i] = OP(unpacklo_epi16)(rows[2 * i], rows[2 * i + 1]);
        a[2 * i + 1] = OP(unpackhi_epi16)(rows[2 * i], rows[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            b[4 * i + 2 * j] = OP(unpacklo_epi32)(a[4 * i + j], a[4 * i + 2 + j]);
            b[4 * i + 2 * j + 1] = OP(unpackhi_epi32)(a[4 * i + j], a[4 * i + 2 + j]);
        }
    }
    for (int i = 0; i < 4; i++) {
        rows[2 * i] = OP(unpacklo_epi64)(b[i], b[4 + i]);
        rows[2 * i + 1] = OP(unpackhi_epi64)(b[i], b[4 + i]);
    }
}

/* Sums of products with two factors, for elements that were interleaved in pairs. */
INLINE V weighted(V pairs, int first, int second)
{
    return OP(madd_epi16)(pairs, OP(set1_epi32)((int)((uint32_t)second << 16 | (uint16_t)first)));
}

/* One pass of the 1-D inverse on the eight registers, as inverse_pass, for one half of the elements of each lane. */
INLINE void inverse_half(V i04, V i26, V i13, V i57, int bits, V *out)
{
    const V round = OP(set1_epi32)(1 << (bits - 1));
    const V sum = OP(add_epi32)(weighted(i04, 8192, 8192), round);
    const V difference = OP(add_epi32)(weighted(i04, 8192, -8192), round);
    const V wide = weighted(i26, 10703, 4433), narrow = weighted(i26, 4433, -10704);
    const V even[4] = {
        OP(add_epi32)(sum, wide),
        OP(add_epi32)(difference, narrow),
        OP(sub_epi32)(difference, narrow),
        OP(sub_epi32)(sum, wide),
    };
    const V odd[4] = {
        OP(add_epi32)(weighted(i13, 11363, 9633), weighted(i57, 6437, 2260)),
        OP(add_epi32)(weighted(i13, 9633, -2259), weighted(i57, -11362, -6436)),
        OP(add_epi32)(weighted(i13, 6437, -11362), weighted(i57, 2261, 9633)),
        OP(add_epi32)(weighted(i13, 2260, -6436), weighted(i57, 9633, -11363)),
    };
    for (int i = 0; i < 4; i++) {
        out[i] = OP(srai_epi32)(OP(add_epi32)(even[i], odd[i]), (unsigned)bits);
        out[7 - i] = OP(srai_epi32)(OP(sub_epi32)(even[i], odd[i]), (unsigned)bits);
    }
}

INLINE void inverse_pass(V *rows, int bits)
{
    V low[8], high[8];
    inverse_half(
        OP(unpacklo_epi16)(rows[0], rows[4]), OP(unpacklo_epi16)(rows[2], rows[6]),
        OP(unpacklo_epi16)(rows[1], rows[3]), OP(unpacklo_epi16)(rows[5], rows[7]), bits, low);
    inverse_half(
        OP(unpackhi_epi16)(rows[0], rows[4]), OP(unpackhi_epi16)(rows[2], rows[6]),
        OP(unpackhi_epi16)(rows[1], rows[3]), OP(unpackhi_epi16)(rows[5], rows[7]), bits, high);
    for (int i = 0; i < 8; i++)
        rows[i] = OP(packs_epi32)(low[i], high[i]);
}

INLINE __m128i lane(V value, int index)
{
#ifdef WIDE
    switch (index) {
    case 0:
        return _mm512_castsi512_si128(value);
    case 1:
        return _mm512_extracti32x4_epi32(value, 1);
    case 2:
        return _mm512_extracti32x4_epi32(value, 2);
    default:
        return _mm512_extracti32x4_epi32(value, 3);
    }
#else
    return index ? _mm256_extracti128_si256(value, 1) : _mm256_castsi256_si128(value);
#endif
}

INLINE void invert(struct group *group)
{
    V rows[8], pairs[4], quads[4];
    for (int row = 0; row < 8; row++) {
        rows[row] = LOAD(group->coefficients + 8 * LANES * row);
        STORE(group->coefficients + 8 * LANES * row, ZERO());
    }
    inverse_pass(rows, 11);
    transpose(rows);
    inverse_pass(rows, 18);
    /* Back to rows, now of bytes: rows[i] holds column i. */
    for (int i = 0; i < 4; i++)
        pairs[i] = FLIP_TOP_BITS(OP(packs_epi16)(rows[i], rows[4 + i]));
    quads[0] = OP(unpacklo_epi8)(pairs[0], pairs[1]);
    quads[1] = OP(unpackhi_epi8)(pairs[0], pairs[1]);
    quads[2] = OP(unpacklo_epi8)(pairs[2], pairs[3]);
    quads[3] = OP(unpackhi_epi8)(pairs[2], pairs[3]);
    for (int half = 0; half < 2; half++) {
        const V left = half ? OP(unpackhi_epi16)(quads[0], quads[2]) : OP(unpacklo_epi16)(quads[0], quads[2]);
        const V right = half ? OP(unpackhi_epi16)(quads[1], quads[3]) : OP(unpacklo_epi16)(quads[1], quads[3]);
        const V upper = OP(unpacklo_epi32)(left, right), lower = OP(unpackhi_epi32)(left, right);
        for (int l = 0; l < LANES; l++) {
            if (l < group->filled) {
                const ptrdiff_t stride = group->stride[l];
                uint8_t *const to = group->to[l] + 4 * half * stride;
                const __m128i first = lane(upper, l), second = lane(lower, l);
                _mm_storel_pd((double *)(void *)to, _mm_castsi128_pd(first));
                _mm_storeh_pd((double *)(void *)(to + stride), _mm_castsi128_pd(first));
                _mm_storel_pd((double *)(void *)(to + 2 * stride), _mm_castsi128_pd(second));
                _mm_storeh_pd((double *)(void *)(to + 3 * stride), _mm_castsi128_pd(second));
            }
        }
    }
    group->filled = 0;
}

/* Writes whole vectors; rows have ROW_SLACK. */
INLINE void sum_rows(const uint8_t *near_row, const uint8_t *far_row, uint16_t *restrict sums, ptrdiff_t width)
{
    for (ptrdiff_t i = 0; i < width; i += 16) {
        const __m256i n = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(near_row + i)));
        const __m256i f = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(far_row + i)));
        _mm256_storeu_si256((__m256i *)(sums + i), _mm256_add_epi16(_mm256_add_epi16(n, n), _mm256_add_epi16(n, f)));
    }
}

struct colours {
    __m256i red, green, blue;
};

/* Sixteen pixels in 16-bit elements, not yet limited to 0..255. */
INLINE struct colours convert(__m256i y, __m256i cb, __m256i cr)
{
    const __m256i one = _mm256_set1_epi16(1), round = _mm256_set1_epi32(32768);
    const __m256i green_weights = _mm256_set1_epi32((int)((uint32_t)18734 << 16 | (uint16_t)-22554));
    struct colours out;
    cb = _mm256_sub_epi16(cb, _mm256_set1_epi16(128));
    cr = _mm256_sub_epi16(cr, _mm256_set1_epi16(128));
    /* (x >> 16) rounded is ((2x >> 16) + 1) >> 1. */
    const __m256i red = _mm256_srai_epi16(
        _mm256_add_epi16(_mm256_mulhi_epi16(_mm256_add_epi16(cr, cr), _mm256_set1_epi16(26345)), one), 1);
    const __m256i blue = _mm256_mulhrs_epi16(cb, _mm256_set1_epi16(-7471)); /* (x * 2 * -7471 + 2^15) >> 16 */
    const __m256i low = _mm256_madd_epi16(_mm256_unpacklo_epi16(cb, cr), green_weights);
    const __m256i high = _mm256_madd_epi16(_mm256_unpackhi_epi16(cb, cr), green_weights);
    const __m256i green = _mm256_packs_epi32(
        _mm256_srai_epi32(_mm256_add_epi32(low, round), 16), _mm256_srai_epi32(_mm256_add_epi32(high, round), 16));
    out.red = _mm256_add_epi16(_mm256_add_epi16(y, cr), red);
    out.green = _mm256_add_epi16(_mm256_sub_epi16(y, cr), green);
    out.blue = _mm256_add_epi16(_mm256_add_epi16(y, _mm256_add_epi16(cb, cb)), blue);
    return out;
}

/* Writes 32 pixels, given the even and the odd ones: 96 bytes. Byte t of output vector j (of one lane's three) is of
 * channel (16 j + t) mod 3, so that each byte of a channel, moved once to the place it has in its vector, can stay
 * there. */
INLINE void write_pixels(const struct colours *even, const struct colours *odd, uint8_t *pixels)
{
    /* Where pixel p of a lane is once even and odd ones are packed: p / 2, odd ones 8 further. */
#define AT(p) ((p) / 2 + 8 * ((p) % 2))
    const __m256i order_red = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        AT(0), AT(11), AT(6), AT(1), AT(12), AT(7), AT(2), AT(13), AT(8), AT(3), AT(14), AT(9), AT(4), AT(15), AT(10),
        AT(5)));
    const __m256i order_green = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        AT(5), AT(0), AT(11), AT(6), AT(1), AT(12), AT(7), AT(2), AT(13), AT(8), AT(3), AT(14), AT(9), AT(4), AT(15),
        AT(10)));
    const __m256i order_blue = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        AT(10), AT(5), AT(0), AT(11), AT(6), AT(1), AT(12), AT(7), AT(2), AT(13), AT(8), AT(3), AT(14), AT(9), AT(4),
        AT(15)));
#undef AT
    const __m256i thirds_1 = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0)); /* t mod 3 = 1 */
    const __m256i thirds_2 = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0)); /* t mod 3 = 2 */
    const __m256i r = _mm256_shuffle_epi8(_mm256_packus_epi16(even->red, odd->red), order_red);
    const __m256i g = _mm256_shuffle_epi8(_mm256_packus_epi16(even->green, odd->green), order_green);
    const __m256i b = _mm256_shuffle_epi8(_mm256_packus_epi16(even->blue, odd->blue), order_blue);
    const __m256i v0 = _mm256_blendv_epi8(_mm256_blendv_epi8(r, g, thirds_1), b, thirds_2);
    const __m256i v1 = _mm256_blendv_epi8(_mm256_blendv_epi8(g, b, thirds_1), r, thirds_2);
    const __m256i v2 = _mm256_blendv_epi8(_mm256_blendv_epi8(b, r, thirds_1), g, thirds_2);
    _mm256_storeu_si256((__m256i *)pixels, _mm256_permute2x128_si256(v0, v1, 0x20));
    _mm256_storeu_si256((__m256i *)(pixels + 32), _mm256_permute2x128_si256(v2, v0, 0x30));
    _mm256_storeu_si256((__m256i *)(pixels + 64), _mm256_permute2x128_si256(v1, v2, 0x31));
}

INLINE void split(const uint8_t *samples, __m256i *even, __m256i *odd)
{
    const __m256i both = _mm256_loadu_si256((const __m256i *)samples);
    *even = _mm256_and_si256(both, _mm256_set1_epi16(255));
    *odd = _mm256_srli_epi16(both, 8);
}

INLINE void colour_32(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *pixels)
{
    __m256i y_even, y_odd, cb_even, cb_odd, cr_even, cr_odd;
    split(y, &y_even, &y_odd);
    split(cb, &cb_even, &cb_odd);
    split(cr, &cr_even, &cr_odd);
    const struct colours even = convert(y_even, cb_even, cr_even), odd = convert(y_odd, cb_odd, cr_odd);
    write_pixels(&even, &odd, pixels);
}

INLINE void upsample(const uint16_t *sums, __m256i *even, __m256i *odd)
{
    const __m256i middle = _mm256_loadu_si256((const __m256i *)sums);
    const __m256i left = _mm256_loadu_si256((const __m256i *)(sums - 1));
    const __m256i right = _mm256_loadu_si256((const __m256i *)(sums + 1));
    const __m256i thrice = _mm256_add_epi16(middle, _mm256_add_epi16(middle, middle));
    *even = _mm256_srli_epi16(_mm256_add_epi16(_mm256_add_epi16(thrice, left), _mm256_set1_epi16(8)), 4);
    *odd = _mm256_srli_epi16(_mm256_add_epi16(_mm256_add_epi16(thrice, right), _mm256_set1_epi16(7)), 4);
}

INLINE void upsampled_colour_32(const uint8_t *y, const uint16_t *cb, const uint16_t *cr, uint8_t *pixels)
{
    __m256i y_even, y_odd, cb_even, cb_odd, cr_even, cr_odd;
    split(y, &y_even, &y_odd);
    upsample(cb, &cb_even, &cb_odd);
    upsample(cr, &cr_even, &cr_odd);
    const struct colours even = convert(y_even, cb_even, cr_even), odd = convert(y_odd, cb_odd, cr_odd);
    write_pixels(&even, &odd, pixels);
}

INLINE void colour_row(
    const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *restrict pixels, ptrdiff_t width)
{
    ptrdiff_t i = 0;
    for (; i + 32 <= width; i += 32)
        colour_32(y + i, cb + i, cr + i, pixels + 3 * i);
    if (i < width) {
        uint8_t rest[96];
        colour_32(y + i, cb + i, cr + i, rest);
        memcpy(pixels + 3 * i, rest, (size_t)(3 * (width - i)));
    }
}

INLINE void upsampled_colour_row(
    const uint8_t *y, const uint16_t *cb, const uint16_t *cr, uint8_t *restrict pixels, ptrdiff_t width)
{
    ptrdiff_t i = 0;
    for (; i + 32 <= width; i += 32)
        upsampled_colour_32(y + i, cb + i / 2, cr + i / 2, pixels + 3 * i);
    if (i < width) {
        uint8_t rest[96];
        upsampled_colour_32(y + i, cb + i / 2, cr + i / 2, rest);
        memcpy(pixels + 3 * i, rest, (size_t)(3 * (width - i)));
    }
}
