/* Buffers and shapes of a call, checked before anything is read. */
#include "batch.h"

#include <string.h>

int open_buffer(struct batch *batch, PyObject *object, unsigned long long expected, int writable, const char *what)
{
    Py_buffer *const buffer = &batch->buffers[batch->opened];
    if (PyObject_GetBuffer(object, buffer, writable ? PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS : PyBUF_C_CONTIGUOUS) < 0)
        return 0;
    batch->opened++;
    if ((unsigned long long)buffer->len == expected)
        return 1;
    PyErr_Format(PyExc_ValueError, "%s have %llu bytes, got %zd", what, expected, buffer->len);
    return 0;
}

int open_images(struct batch *batch, PyObject *object, enum content content, int writable)
{
    static const char *const NAMES[] = {"coefficients", "pixels", "tables", "sizes", "bits", "sums by entry"};
    const unsigned long long images = (unsigned long long)batch->images;
    const struct layout *const at = &batch->at;
    const unsigned long long bytes[] = {
        (unsigned long long)at->blocks * 64 * sizeof(int16_t),
        (unsigned long long)at->height * (unsigned long long)at->width * 3,
        COMPONENTS * 64,
        sizeof(int64_t),
        sizeof(int64_t),
        COMPONENTS * 64 * sizeof(int64_t),
    };
    char what[80];
    PyOS_snprintf(what, sizeof what, "%s: %llu images of this shape", NAMES[content], images);
    return open_buffer(batch, object, images * bytes[content], writable, what);
}

void close_buffers(struct batch *batch)
{
    while (batch->opened)
        PyBuffer_Release(&batch->buffers[--batch->opened]);
}

int open_batch(struct batch *batch, Py_ssize_t images, Py_ssize_t height, Py_ssize_t width, int factor)
{
    memset(batch, 0, sizeof *batch);
    if (height < 1 || width < 1 || height > LARGEST_SIDE || width > LARGEST_SIDE) {
        PyErr_Format(
            PyExc_ValueError, "a JPEG image has 1 to %d rows and columns, got %zd and %zd", (int)LARGEST_SIDE, height,
            width);
        return 0;
    }
    if (factor != 1 && factor != 2) {
        PyErr_Format(PyExc_ValueError, "chroma is subsampled by 1 or 2, got %d", factor);
        return 0;
    }
    batch->images = images;
    batch->at = layout_of(height, width, factor);
    /* 64 pixels or coefficients a block, and eight bytes for each entry of an image's tables. */
    if (images < 0 || images > PY_SSIZE_T_MAX / batch->at.blocks / (COMPONENTS * 64 * (Py_ssize_t)sizeof(int64_t))) {
        PyErr_Format(PyExc_ValueError, "a batch of this shape cannot have %zd images", images);
        return 0;
    }
    return 1;
}
