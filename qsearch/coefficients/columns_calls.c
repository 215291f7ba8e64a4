/* The functions of the extension module that work on columns of coefficients. */
#include "batch.h"

#include <string.h>

#include "columns.h"

/* So many blocks are counted in 32 bits, and their coefficients in any size. */
enum { MOST_BLOCKS = 1 << 30 };

PyObject *columns(PyObject *module, PyObject *arguments)
{
    PyObject *coefficients, *magnitudes, *squared_error, *dc_bits, *result = NULL;
    Py_ssize_t images, height, width;
    int factor, component, enough = 1;
    struct batch batch;
    (void)module;
    if (!PyArg_ParseTuple(
            arguments, "nnniiOOOO:columns", &images, &height, &width, &factor, &component, &coefficients, &magnitudes,
            &squared_error, &dc_bits))
        return NULL;
    if (!open_batch(&batch, images, height, width, factor))
        return NULL;
    const ptrdiff_t blocks = component == LUMA ? batch.at.luma_rows * batch.at.luma_columns
                                               : batch.at.chroma_rows * batch.at.chroma_columns;
    if (component < LUMA || component >= COMPONENTS || images > MOST_BLOCKS / blocks) {
        PyErr_Format(
            PyExc_ValueError, "components are 0 to 2 and of at most %d blocks, got component %d of %zd images",
            (int)MOST_BLOCKS, component, images);
        return NULL;
    }
    const unsigned long long all_bytes = (unsigned long long)images * (unsigned long long)blocks * 64 * sizeof(uint16_t);
    if (open_images(&batch, coefficients, COEFFICIENTS, 0) &&
        open_buffer(&batch, magnitudes, all_bytes, 1, "magnitudes: 64 rows of all blocks") &&
        open_buffer(&batch, squared_error, 64 * STEPS * sizeof(double), 1, "squared errors: 64 rows of 256 steps") &&
        open_buffer(&batch, dc_bits, STEPS * sizeof(int64_t), 1, "bits: 256 steps")) {
        Py_BEGIN_ALLOW_THREADS
        enough = fill_columns(
            &batch.at, images, component, batch.buffers[0].buf, batch.buffers[1].buf, batch.buffers[2].buf,
            batch.buffers[3].buf);
        Py_END_ALLOW_THREADS
        result = enough ? Py_NewRef(Py_None) : PyErr_NoMemory();
    }
    close_buffers(&batch);
    return result;
}

/* Magnitudes, sizes and present of so many blocks, for the entry at a position. */
static int open_blocks(
    struct batch *batch, int position, Py_ssize_t blocks, PyObject *magnitudes, PyObject *sizes, PyObject *present,
    int writable)
{
    memset(batch, 0, sizeof *batch);
    if (position < 1 || position > 63 || blocks < 0 || blocks > MOST_BLOCKS) {
        PyErr_Format(
            PyExc_ValueError, "AC entries are at 1 to 63 and of at most %d blocks, got position %d of %zd blocks",
            (int)MOST_BLOCKS, position, blocks);
        return 0;
    }
    const unsigned long long count = (unsigned long long)blocks;
    return open_buffer(batch, magnitudes, count * 64 * sizeof(uint16_t), 0, "magnitudes: 64 rows of all blocks") &&
           open_buffer(batch, sizes, count * 64, writable, "sizes: 64 rows of all blocks") &&
           open_buffer(batch, present, count * sizeof(uint64_t), writable, "present: all blocks");
}

static int are_steps(int lowest, int highest)
{
    if (1 <= lowest && lowest <= highest && highest < STEPS)
        return 1;
    PyErr_Format(PyExc_ValueError, "steps are 1 to 255, got %d to %d", lowest, highest);
    return 0;
}

PyObject *set_step_(PyObject *module, PyObject *arguments)
{
    PyObject *magnitudes, *sizes, *present, *result = NULL;
    Py_ssize_t blocks;
    int position, step;
    struct batch batch;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "iinOOO:set_step", &position, &step, &blocks, &magnitudes, &sizes, &present))
        return NULL;
    if (open_blocks(&batch, position, blocks, magnitudes, sizes, present, 1) && are_steps(step, step)) {
        Py_BEGIN_ALLOW_THREADS
        set_step(position, step, blocks, batch.buffers[0].buf, batch.buffers[1].buf, batch.buffers[2].buf);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    close_buffers(&batch);
    return result;
}

PyObject *entry_bits_(PyObject *module, PyObject *arguments)
{
    PyObject *magnitudes, *sizes, *present, *bits, *result = NULL;
    Py_ssize_t blocks;
    int position, component, lowest, highest, enough = 1;
    struct batch batch;
    (void)module;
    if (!PyArg_ParseTuple(
            arguments, "iiiinOOOO:entry_bits", &position, &component, &lowest, &highest, &blocks, &magnitudes, &sizes,
            &present, &bits))
        return NULL;
    if (open_blocks(&batch, position, blocks, magnitudes, sizes, present, 0) && are_steps(lowest, highest) &&
        open_buffer(&batch, bits, STEPS * sizeof(int64_t), 1, "bits: 256 steps")) {
        const struct huffman *const huffman = component == LUMA ? &constants.luma : &constants.chroma;
        Py_BEGIN_ALLOW_THREADS
        enough = entry_bits(
            position, huffman, lowest, highest, blocks, batch.buffers[0].buf, batch.buffers[1].buf,
            batch.buffers[2].buf, batch.buffers[3].buf);
        Py_END_ALLOW_THREADS
        result = enough ? Py_NewRef(Py_None) : PyErr_NoMemory();
    }
    close_buffers(&batch);
    return result;
}
