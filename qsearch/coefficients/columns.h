/* One component of many images by entry of its table: what each step 1..255 of an entry costs while the others stay. */
#ifndef QSEARCH_COLUMNS_H
#define QSEARCH_COLUMNS_H

#include "common.h"

enum { STEPS = 256 }; /* results are by step; the one at 0 means nothing */

/* Magnitudes uint16 [64][blocks] of all coefficients of ``component`` (scaled by 8, a row per zig-zag position), the sums
 * of their squared errors, double [64][STEPS], and the bits of the DC coefficients, int64 [STEPS]. Returns 0 where memory
 * is short. */
int fill_columns(
    const struct layout *at, ptrdiff_t images, int component, const int16_t *coefficients, uint16_t *magnitudes,
    double *squared_error, int64_t *dc_bits);

/* Brings the AC coefficients at ``position`` to ``step``: their sizes, and for each block, bit ``position`` of
 * ``present``, whether they are not zero. */
void set_step(
    int position, int step, ptrdiff_t blocks, const uint16_t *magnitudes, uint8_t *sizes, uint64_t *present);

/* Bits at the steps ``lowest`` to ``highest`` of the AC entry at ``position``, more than where all its coefficients are
 * zero. ``sizes`` uint8 [64][blocks] and ``present`` [blocks] say what the others are. Returns 0 where memory is short.
 */
int entry_bits(
    int position, const struct huffman *huffman, int lowest, int highest, ptrdiff_t blocks, const uint16_t *magnitudes,
    const uint8_t *sizes, const uint64_t *present, int64_t *bits);

#endif
