/* Blocks between quantisation and pixels, for a path that inverts LANES of them at a time. */

/* Decoded blocks on their way: LANES blocks are inverted together. Row r of lane l is at [(r * LANES + l) * 8]. */
struct group {
    ALIGNED(64) int16_t coefficients[64 * LANES];
    uint8_t *to[LANES];
    ptrdiff_t stride[LANES];
    int filled;
};

/* One quantised block in zig-zag order. */
struct levels {
    ALIGNED(64) int16_t low[64];      /* the level, or where it is negative the level less one */
    ALIGNED(64) int16_t restored[64]; /* level * step; only where pixels are wanted */
    uint64_t present;                 /* which are not zero, bit k for position k */
    int outside;                      /* not a block of the image, only there to complete an MCU */
};

INLINE int32_t saturated(int32_t value, int32_t low, int32_t high)
{
    return value < low ? low : value > high ? high : value;
}
