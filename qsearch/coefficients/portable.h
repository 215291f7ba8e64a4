/* The primitives of one image's evaluation in plain C, for every compiler and processor. */

enum { LANES = 1 };

#include "blocks.h"

INLINE void quantise(
    const int16_t *coefficients, const struct quantizer *quantizer, struct levels *levels, int want_pixels)
{
    ALIGNED(64) uint8_t present[64];
    uint64_t mask = 0;
    for (int k = 0; k < 64; k++) {
        const int16_t x = coefficients[k], sign = (int16_t)(x >> 15);
        const uint16_t n = (uint16_t)((uint16_t)((x ^ sign) - sign) + quantizer->bias[k]);
        const uint16_t scaled = (uint16_t)(((uint32_t)n * quantizer->reciprocal[k]) >> 16);
        const uint16_t magnitude = (uint16_t)(((uint32_t)scaled * quantizer->scale[k]) >> 16);
        const int16_t level = (int16_t)((magnitude ^ sign) - sign);
        levels->low[k] = (int16_t)(level + (level >> 15));
        if (want_pixels)
            levels->restored[k] = (int16_t)(uint16_t)((uint32_t)(uint16_t)level * (uint32_t)quantizer->step[k]);
        present[k] = magnitude != 0;
    }
    for (int byte = 0; byte < 8; byte++) {
        unsigned bits = 0;
        for (int bit = 0; bit < 8; bit++)
            bits |= (unsigned)present[8 * byte + bit] << bit;
        mask |= (uint64_t)bits << (8 * byte);
    }
    levels->present = mask;
    levels->outside = 0;
}

/* How many of ``count`` bytes are 0xFF. */
INLINE ptrdiff_t full_bytes(uint8_t *bytes, ptrdiff_t count)
{
    ptrdiff_t full = 0;
    for (ptrdiff_t i = 0; i < count; i++)
        full += bytes[i] == 0xff;
    return full;
}

/* One pass of the 1-D inverse over eight lines at once; element i of line j is at [8 * i + j]. */
INLINE void inverse_pass(const int32_t *restrict in, int32_t *restrict out, int bits)
{
    const int32_t round = 1 << (bits - 1);
    for (int j = 0; j < 8; j++) {
        const int32_t i0 = in[j], i1 = in[8 + j], i2 = in[16 + j], i3 = in[24 + j];
        const int32_t i4 = in[32 + j], i5 = in[40 + j], i6 = in[48 + j], i7 = in[56 + j];
        const int32_t sum = (i0 + i4) * 8192 + round, difference = (i0 - i4) * 8192 + round;
        const int32_t wide = 10703 * i2 + 4433 * i6, narrow = 4433 * i2 - 10704 * i6;
        const int32_t e0 = sum + wide, e3 = sum - wide, e1 = difference + narrow, e2 = difference - narrow;
        const int32_t o0 = 11363 * i1 + 9633 * i3 + 6437 * i5 + 2260 * i7;
        const int32_t o1 = 9633 * i1 - 2259 * i3 - 11362 * i5 - 6436 * i7;
        const int32_t o2 = 6437 * i1 - 11362 * i3 + 2261 * i5 + 9633 * i7;
        const int32_t o3 = 2260 * i1 - 6436 * i3 + 9633 * i5 - 11363 * i7;
        out[j] = (e0 + o0) >> bits;
        out[56 + j] = (e0 - o0) >> bits;
        out[8 + j] = (e1 + o1) >> bits;
        out[48 + j] = (e1 - o1) >> bits;
        out[16 + j] = (e2 + o2) >> bits;
        out[40 + j] = (e2 - o2) >> bits;
        out[24 + j] = (e3 + o3) >> bits;
        out[32 + j] = (e3 - o3) >> bits;
    }
}

/* Inverts the blocks of a group into their places and empties it. */
INLINE void invert(struct group *group)
{
    ALIGNED(64) int32_t a[64], b[64];
    for (int i = 0; i < 64; i++)
        a[i] = group->coefficients[i];
    inverse_pass(a, b, 11);
    for (int row = 0; row < 8; row++)
        for (int column = 0; column < 8; column++)
            a[8 * column + row] = saturated(b[8 * row + column], INT16_MIN, INT16_MAX);
    inverse_pass(a, b, 18);
    for (int row = 0; row < 8; row++)
        for (int column = 0; column < 8; column++)
            group->to[0][row * group->stride[0] + column] = (uint8_t)(saturated(b[8 * column + row], -128, 127) + 128);
    memset(group->coefficients, 0, sizeof group->coefficients);
    group->filled = 0;
}

/* Three parts of the nearer chroma row and one of the farther. */
INLINE void sum_rows(const uint8_t *near_row, const uint8_t *far_row, uint16_t *restrict sums, ptrdiff_t width)
{
    for (ptrdiff_t i = 0; i < width; i++)
        sums[i] = (uint16_t)(3 * near_row[i] + far_row[i]);
}

enum { PART = 64 }; /* pixels whose channels are kept apart for a while */

INLINE uint8_t clamped(int16_t value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* A row of pixels from samples of full resolution: R = Y + 1.402 Cr, G = Y - 0.34414 Cb - 0.71414 Cr, B = Y + 1.772 Cb
 * with factors times 2^16, of which whole multiples of 2^16 are left out of the products: 91881 = 2^16 + 26345,
 * -46802 = 18734 - 2^16, 116130 = 2 * 2^16 - 14942. First by channel, which compilers do in vectors. */
INLINE void colour_row(
    const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *restrict pixels, ptrdiff_t width)
{
    for (ptrdiff_t start = 0; start < width; start += PART) {
        const ptrdiff_t count = width - start < PART ? width - start : PART;
        uint8_t red[PART], green[PART], blue[PART];
        for (ptrdiff_t i = 0; i < count; i++) {
            const int16_t luma = y[start + i], b = (int16_t)(cb[start + i] - 128), r = (int16_t)(cr[start + i] - 128);
            /* (x + 2^15) >> 16 is ((2x >> 16) + 1) >> 1. */
            const int16_t more_red = (int16_t)(((((int16_t)(2 * r) * 26345) >> 16) + 1) >> 1);
            const int16_t less_blue = (int16_t)(((((int16_t)(2 * b) * -14942) >> 16) + 1) >> 1);
            const int32_t more_green = (b * -22554 + r * 18734 + 32768) >> 16;
            red[i] = clamped((int16_t)(luma + r + more_red));
            green[i] = clamped((int16_t)(luma - r + (int16_t)more_green));
            blue[i] = clamped((int16_t)(luma + 2 * b + less_blue));
        }
        for (ptrdiff_t i = 0; i < count; i++) {
            pixels[3 * (start + i)] = red[i];
            pixels[3 * (start + i) + 1] = green[i];
            pixels[3 * (start + i) + 2] = blue[i];
        }
    }
}

/* Chroma samples of full resolution from sums of two rows: three parts of the nearer column and one of the farther. */
INLINE void upsample(const uint16_t *sums, uint8_t *restrict samples, ptrdiff_t pairs)
{
    for (ptrdiff_t i = 0; i < pairs; i++) {
        samples[2 * i] = (uint8_t)((3 * sums[i] + sums[i - 1] + 8) >> 4);
        samples[2 * i + 1] = (uint8_t)((3 * sums[i] + sums[i + 1] + 7) >> 4);
    }
}

/* A row of pixels from sums of chroma rows at half resolution; sums[-1] and the one after the last repeat their
 * neighbours. */
INLINE void upsampled_colour_row(
    const uint8_t *y, const uint16_t *cb_sums, const uint16_t *cr_sums, uint8_t *restrict pixels, ptrdiff_t width)
{
    uint8_t cb[PART], cr[PART];
    for (ptrdiff_t start = 0; start < width; start += PART) {
        const ptrdiff_t count = width - start < PART ? width - start : PART;
        upsample(cb_sums + start / 2, cb, (count + 1) / 2);
        upsample(cr_sums + start / 2, cr, (count + 1) / 2);
        colour_row(y + start, cb, cr, pixels + 3 * start, count);
    }
}
