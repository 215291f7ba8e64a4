/* What a call of the extension works on: images of one shape, and buffers checked before anything is read. */
#ifndef QSEARCH_BATCH_H
#define QSEARCH_BATCH_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include "common.h"

enum { MOST_BUFFERS = 8 };

struct batch {
    Py_ssize_t images;
    struct layout at;
    Py_buffer buffers[MOST_BUFFERS];
    int opened;
};

/* What a buffer holds for all images; BY_ENTRY: an int64 for each entry of their tables. */
enum content { COEFFICIENTS, PIXELS, TABLES, SIZES, BITS, BY_ENTRY };

/* The number of images and their layout, or 0 with an error set. */
int open_batch(struct batch *batch, Py_ssize_t images, Py_ssize_t height, Py_ssize_t width, int factor);

/* The next buffer, or 0 with an error set unless it is contiguous and has exactly as many bytes as the shapes say. */
int open_images(struct batch *batch, PyObject *object, enum content content, int writable);

/* The same where it is to have ``expected`` bytes; the error is about ``what``, a format that tells them and got %zd. */
int open_buffer(struct batch *batch, PyObject *object, unsigned long long expected, int writable, const char *what);

void close_buffers(struct batch *batch);

/* In columns_calls.c. */
PyObject *columns(PyObject *module, PyObject *arguments);
PyObject *set_step_(PyObject *module, PyObject *arguments);
PyObject *entry_bits_(PyObject *module, PyObject *arguments);

#endif
