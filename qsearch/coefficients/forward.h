/* Pixels to DCT coefficients, as libjpeg's baseline encoder computes them before it quantises. */

enum { FRACTION_BITS = 16 };

/* RGB to YCbCr (JFIF) in 16-bit fixed point; pads on the right to whole MCUs by repeating the last pixel. */
INLINE void colour_row_forward(
    const uint8_t *pixels, uint8_t *y, uint8_t *cb, uint8_t *cr, ptrdiff_t width, ptrdiff_t padded)
{
    const int32_t offset = (128 << FRACTION_BITS) + (1 << (FRACTION_BITS - 1)) - 1;
    for (ptrdiff_t i = 0; i < width; i++) {
        const int32_t r = pixels[3 * i], g = pixels[3 * i + 1], b = pixels[3 * i + 2];
        y[i] = (uint8_t)((19595 * r + 38470 * g + 7471 * b + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS);
        cb[i] = (uint8_t)((-11059 * r - 21709 * g + 32768 * b + offset) >> FRACTION_BITS);
        cr[i] = (uint8_t)((32768 * r - 27439 * g - 5329 * b + offset) >> FRACTION_BITS);
    }
    memset(y + width, y[width - 1], (size_t)(padded - width));
    memset(cb + width, cb[width - 1], (size_t)(padded - width));
    memset(cr + width, cr[width - 1], (size_t)(padded - width));
}

/* Means of 2x2 samples; the rounding goes down and up in turn along a row, so that it does not shift the mean. */
INLINE void halve_row(const uint8_t *upper, const uint8_t *lower, uint8_t *half, ptrdiff_t width)
{
    for (ptrdiff_t i = 0; i < width; i++) {
        const int sum = upper[2 * i] + upper[2 * i + 1] + lower[2 * i] + lower[2 * i + 1];
        half[i] = (uint8_t)((sum + 1 + (int)(i & 1)) >> 2);
    }
}

INLINE int32_t descale(int32_t value, int bits)
{
    return (value + (1 << (bits - 1))) >> bits;
}

/* One pass of the 1-D transform over eight lines at once (Loeffler, Ligtenberg, Moschytz 1989, in 13-bit fixed point).
 * Element i of line j is at [8 * i + j]; ``up`` and ``down`` are the shifts of the two elements that need no
 * multiplication, ``bits`` the shift of the others. */
INLINE void forward_pass(const int32_t *restrict in, int32_t *restrict out, int up, int down, int bits)
{
    for (int j = 0; j < 8; j++) {
        const int32_t s0 = in[j] + in[56 + j], d0 = in[j] - in[56 + j];
        const int32_t s1 = in[8 + j] + in[48 + j], d1 = in[8 + j] - in[48 + j];
        const int32_t s2 = in[16 + j] + in[40 + j], d2 = in[16 + j] - in[40 + j];
        const int32_t s3 = in[24 + j] + in[32 + j], d3 = in[24 + j] - in[32 + j];
        const int32_t e0 = s0 + s3, e3 = s0 - s3, e1 = s1 + s2, e2 = s1 - s2;
        const int32_t round = down ? 1 << (down - 1) : 0;
        out[j] = (((e0 + e1) * (1 << up)) + round) >> down;
        out[32 + j] = (((e0 - e1) * (1 << up)) + round) >> down;
        out[16 + j] = descale(10703 * e3 + 4433 * e2, bits);
        out[48 + j] = descale(4433 * e3 - 10704 * e2, bits);
        out[8 + j] = descale(11363 * d0 + 9633 * d1 + 6437 * d2 + 2260 * d3, bits);
        out[24 + j] = descale(9633 * d0 - 2259 * d1 - 11362 * d2 - 6436 * d3, bits);
        out[40 + j] = descale(6437 * d0 - 11362 * d1 + 2261 * d2 + 9633 * d3, bits);
        out[56 + j] = descale(2260 * d0 - 6436 * d1 + 9633 * d2 - 11363 * d3, bits);
    }
}

/* The 8x8 transform, scaled by 8, to zig-zag order. */
INLINE void forward_block(const uint8_t *samples, ptrdiff_t stride, int16_t *coefficients)
{
    ALIGNED(64) int32_t columns[64], rows[64];
    for (int row = 0; row < 8; row++)
        for (int column = 0; column < 8; column++)
            columns[8 * column + row] = samples[row * stride + column] - 128;
    forward_pass(columns, rows, 2, 0, 11); /* along the rows; element = horizontal frequency, line = row */
    for (int row = 0; row < 8; row++)
        for (int column = 0; column < 8; column++)
            columns[8 * row + column] = rows[8 * column + row];
    forward_pass(columns, rows, 0, 2, 15);
    for (int k = 0; k < 64; k++)
        coefficients[k] = (int16_t)rows[ZIGZAG[k]];
}

INLINE int16_t *forward_plane(
    const uint8_t *samples, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t columns, int16_t *coefficients)
{
    for (ptrdiff_t row = 0; row < rows; row++)
        for (ptrdiff_t column = 0; column < columns; column++, coefficients += 64)
            forward_block(samples + 8 * (row * stride + column), stride, coefficients);
    return coefficients;
}

static void forward_image(
    const struct layout *at, struct workspace *workspace, const uint8_t *pixels, int16_t *coefficients)
{
    const ptrdiff_t stride = workspace->stride, padded = 8 * at->factor * at->chroma_columns;
    uint8_t *const y = workspace->samples[LUMA], *const cb = workspace->samples[CB], *const cr = workspace->samples[CR];
    for (ptrdiff_t row = 0; row < at->height; row++)
        colour_row_forward(
            pixels + 3 * row * at->width, y + row * stride, cb + row * stride, cr + row * stride, at->width, padded);
    for (ptrdiff_t row = at->height; row < 8 * at->luma_rows; row++)
        memcpy(y + row * stride, y + (at->height - 1) * stride, (size_t)padded);
    for (int component = CB; component <= CR; component++) {
        uint8_t *const plane = workspace->samples[component];
        if (at->factor == 2) {
            /* In place: row r of the result is not read again once rows 2r and 2r + 1 are. */
            for (ptrdiff_t row = 0; row < at->chroma_height; row++) {
                const uint8_t *const upper = plane + 2 * row * stride;
                const uint8_t *const lower = 2 * row + 1 < at->height ? upper + stride : upper;
                halve_row(upper, lower, plane + row * stride, 8 * at->chroma_columns);
            }
        }
        for (ptrdiff_t row = at->chroma_height; row < 8 * at->chroma_rows; row++)
            memcpy(plane + row * stride, plane + (at->chroma_height - 1) * stride, (size_t)padded);
    }
    coefficients = forward_plane(y, stride, at->luma_rows, at->luma_columns, coefficients);
    coefficients = forward_plane(cb, stride, at->chroma_rows, at->chroma_columns, coefficients);
    forward_plane(cr, stride, at->chroma_rows, at->chroma_columns, coefficients);
}
