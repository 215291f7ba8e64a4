/* The extension module qsearch.coefficients._kernel: JPEG sizes and pixels from DCT coefficients, bit for bit as
 * libjpeg-turbo computes them. All work runs without the interpreter's lock. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <string.h>

#include "common.h"

static const struct path *const PATHS[] = {
#ifdef QSEARCH_X86_PATHS
    &path_avx512,
    &path_avx2,
#endif
    &path_plain,
};
enum { PATH_COUNT = sizeof PATHS / sizeof *PATHS };

static const struct path *chosen;

static const struct path *best_path(void)
{
    int index = 0;
    while (!PATHS[index]->available()) /* the last one always is */
        index++;
    return PATHS[index];
}

/* What a call works on; each buffer is checked against the shapes before anything is read. */
struct batch {
    Py_ssize_t images;
    struct layout at;
    Py_buffer buffers[4];
    int opened;
};

enum content { COEFFICIENTS, PIXELS, TABLES, SIZES };

/* Whether a buffer is contiguous and has exactly as many bytes as the shapes say. */
static int open_buffer(struct batch *batch, PyObject *object, enum content content, int writable)
{
    static const char *const NAMES[] = {"coefficients", "pixels", "tables", "sizes"};
    const unsigned long long images = (unsigned long long)batch->images;
    unsigned long long expected = 0;
    Py_buffer *const buffer = &batch->buffers[batch->opened];
    if (PyObject_GetBuffer(object, buffer, writable ? PyBUF_WRITABLE | PyBUF_C_CONTIGUOUS : PyBUF_C_CONTIGUOUS) < 0)
        return 0;
    batch->opened++;
    switch (content) {
    case COEFFICIENTS:
        expected = images * (unsigned long long)batch->at.blocks * 64 * sizeof(int16_t);
        break;
    case PIXELS:
        expected = images * (unsigned long long)batch->at.height * (unsigned long long)batch->at.width * 3;
        break;
    case TABLES:
        expected = images * COMPONENTS * 64;
        break;
    case SIZES:
        expected = images * sizeof(int64_t);
        break;
    }
    if ((unsigned long long)buffer->len != expected) {
        PyErr_Format(
            PyExc_ValueError, "%s: %zd images of this shape have %llu bytes, got %zd", NAMES[content], batch->images,
            expected, buffer->len);
        return 0;
    }
    return 1;
}

static void close_buffers(struct batch *batch)
{
    while (batch->opened)
        PyBuffer_Release(&batch->buffers[--batch->opened]);
}

/* The number of images and their layout, or 0 with an error set. */
static int open_batch(struct batch *batch, Py_ssize_t images, Py_ssize_t height, Py_ssize_t width, int factor)
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
    if (images < 0 || images > PY_SSIZE_T_MAX / batch->at.blocks / 192) { /* 64 pixels or coefficients a block */
        PyErr_Format(PyExc_ValueError, "a batch of this shape cannot have %zd images", images);
        return 0;
    }
    return 1;
}

/* A table set with the quantizers made from it, so that a set that serves many images is prepared once. */
struct prepared_tables {
    const uint8_t *tables;
    struct quantizer quantizers[COMPONENTS];
};

static void prepare_tables(struct prepared_tables *prepared, const uint8_t *tables)
{
    for (int c = 0; c < COMPONENTS; c++) {
        if (prepared->tables == NULL || memcmp(prepared->tables + 64 * c, tables + 64 * c, 64) != 0)
            fill_quantizer(&prepared->quantizers[c], tables + 64 * c);
    }
    prepared->tables = tables;
}

static int64_t header_bytes(const uint8_t *tables)
{
    return HEADER_BYTES + (memcmp(tables + 64, tables + 128, 64) != 0 ? TABLE_BYTES : 0);
}

static int tables_without_zero(const Py_buffer *tables)
{
    if (memchr(tables->buf, 0, (size_t)tables->len) == NULL)
        return 1;
    PyErr_SetString(PyExc_ValueError, "tables: entries are 1 to 255, got 0");
    return 0;
}

static PyObject *forward(PyObject *module, PyObject *arguments)
{
    PyObject *pixels, *coefficients, *result = NULL;
    Py_ssize_t images, height, width;
    int factor, enough = 1;
    struct batch batch;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "nnniOO:forward", &images, &height, &width, &factor, &pixels, &coefficients))
        return NULL;
    if (!open_batch(&batch, images, height, width, factor))
        return NULL;
    if (open_buffer(&batch, pixels, PIXELS, 0) && open_buffer(&batch, coefficients, COEFFICIENTS, 1)) {
        const struct path *const path = chosen;
        const uint8_t *from = batch.buffers[0].buf;
        int16_t *to = batch.buffers[1].buf;
        Py_BEGIN_ALLOW_THREADS
        struct workspace workspace;
        enough = allocate(&workspace, &batch.at, 1);
        for (Py_ssize_t image = 0; enough && image < images; image++) {
            path->forward(&batch.at, &workspace, from, to);
            from += height * width * 3;
            to += batch.at.blocks * 64;
        }
        release(&workspace);
        Py_END_ALLOW_THREADS
        result = enough ? Py_NewRef(Py_None) : PyErr_NoMemory();
    }
    close_buffers(&batch);
    return result;
}

static PyObject *sizes(PyObject *module, PyObject *arguments)
{
    PyObject *coefficients, *tables, *size_bytes, *result = NULL;
    Py_ssize_t images, height, width;
    int factor, enough = 1;
    struct batch batch;
    (void)module;
    if (!PyArg_ParseTuple(
            arguments, "nnniOOO:sizes", &images, &height, &width, &factor, &coefficients, &tables, &size_bytes))
        return NULL;
    if (!open_batch(&batch, images, height, width, factor))
        return NULL;
    if (open_buffer(&batch, coefficients, COEFFICIENTS, 0) && open_buffer(&batch, tables, TABLES, 0) &&
        open_buffer(&batch, size_bytes, SIZES, 1) && tables_without_zero(&batch.buffers[1])) {
        const struct path *const path = chosen;
        const int16_t *from = batch.buffers[0].buf;
        const uint8_t *table_set = batch.buffers[1].buf;
        int64_t *to = batch.buffers[2].buf;
        Py_BEGIN_ALLOW_THREADS
        struct prepared_tables prepared;
        struct workspace workspace;
        prepared.tables = NULL;
        enough = allocate(&workspace, &batch.at, 0);
        for (Py_ssize_t image = 0; enough && image < images; image++) {
            prepare_tables(&prepared, table_set);
            to[image] = header_bytes(table_set) + path->size(&batch.at, &workspace, from, prepared.quantizers);
            from += batch.at.blocks * 64;
            table_set += COMPONENTS * 64;
        }
        release(&workspace);
        Py_END_ALLOW_THREADS
        result = enough ? Py_NewRef(Py_None) : PyErr_NoMemory();
    }
    close_buffers(&batch);
    return result;
}

static PyObject *encode(PyObject *module, PyObject *arguments)
{
    PyObject *coefficients, *tables, *size_bytes, *pixels, *result = NULL;
    Py_ssize_t images, height, width;
    int factor, enough = 1;
    struct batch batch;
    (void)module;
    if (!PyArg_ParseTuple(
            arguments, "nnniOOOO:encode", &images, &height, &width, &factor, &coefficients, &tables, &size_bytes,
            &pixels))
        return NULL;
    if (!open_batch(&batch, images, height, width, factor))
        return NULL;
    if (open_buffer(&batch, coefficients, COEFFICIENTS, 0) && open_buffer(&batch, tables, TABLES, 0) &&
        open_buffer(&batch, size_bytes, SIZES, 1) && open_buffer(&batch, pixels, PIXELS, 1) &&
        tables_without_zero(&batch.buffers[1])) {
        const struct path *const path = chosen;
        const int16_t *from = batch.buffers[0].buf;
        const uint8_t *table_set = batch.buffers[1].buf;
        int64_t *to = batch.buffers[2].buf;
        uint8_t *decoded = batch.buffers[3].buf;
        Py_BEGIN_ALLOW_THREADS
        struct prepared_tables prepared;
        struct workspace workspace;
        prepared.tables = NULL;
        enough = allocate(&workspace, &batch.at, 1);
        for (Py_ssize_t image = 0; enough && image < images; image++) {
            prepare_tables(&prepared, table_set);
            to[image] =
                header_bytes(table_set) + path->encode(&batch.at, &workspace, from, prepared.quantizers, decoded);
            from += batch.at.blocks * 64;
            table_set += COMPONENTS * 64;
            decoded += height * width * 3;
        }
        release(&workspace);
        Py_END_ALLOW_THREADS
        result = enough ? Py_NewRef(Py_None) : PyErr_NoMemory();
    }
    close_buffers(&batch);
    return result;
}

static PyObject *blocks(PyObject *module, PyObject *arguments)
{
    Py_ssize_t height, width;
    int factor;
    struct batch batch;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "nni:blocks", &height, &width, &factor))
        return NULL;
    if (!open_batch(&batch, 0, height, width, factor))
        return NULL;
    return PyLong_FromSsize_t(batch.at.blocks);
}

static PyObject *paths(PyObject *module, PyObject *unused)
{
    PyObject *const names = PyList_New(0);
    (void)module;
    (void)unused;
    for (int index = 0; names != NULL && index < PATH_COUNT; index++) {
        if (!PATHS[index]->available())
            continue;
        PyObject *const name = PyUnicode_FromString(PATHS[index]->name);
        const int failed = name == NULL || PyList_Append(names, name) < 0;
        Py_XDECREF(name);
        if (failed) {
            Py_DECREF(names);
            return NULL;
        }
    }
    return names;
}

static PyObject *use(PyObject *module, PyObject *arguments)
{
    const char *name;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "s:use", &name))
        return NULL;
    for (int index = 0; index < PATH_COUNT; index++) {
        if (strcmp(PATHS[index]->name, name) == 0 && PATHS[index]->available()) {
            chosen = PATHS[index];
            Py_RETURN_NONE;
        }
    }
    PyErr_Format(PyExc_ValueError, "this processor or build has no path '%s'", name);
    return NULL;
}

static PyMethodDef METHODS[] = {
    {"forward", forward, METH_VARARGS,
     "forward(images, height, width, factor, pixels, coefficients)\n\n"
     "Fills coefficients int16 [images, blocks, 64], zig-zag, scaled by 8, from pixels\n"
     "uint8 [images, height, width, 3]. factor: 2 for 4:2:0, 1 for 4:4:4."},
    {"sizes", sizes, METH_VARARGS,
     "sizes(images, height, width, factor, coefficients, tables, size_bytes)\n\n"
     "Fills size_bytes int64 [images] at tables uint8 [images, 3, 64] in raster order."},
    {"encode", encode, METH_VARARGS,
     "encode(images, height, width, factor, coefficients, tables, size_bytes, pixels)\n\n"
     "As sizes, and fills pixels uint8 [images, height, width, 3] with the decoded images."},
    {"blocks", blocks, METH_VARARGS, "blocks(height, width, factor) -> blocks of an image's coefficients."},
    {"paths", paths, METH_NOARGS, "paths() -> the code paths this processor can run, the fastest first."},
    {"use", use, METH_VARARGS, "use(path): calls from now on take this path, in every thread."},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module)
{
    fill_constants();
    chosen = best_path();
    return PyModule_AddIntConstant(module, "FORMAT", 1);
}

static PyModuleDef_Slot SLOTS[] = {
    {Py_mod_exec, (void *)execute},
    {0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_kernel", "JPEG sizes and pixels from DCT coefficients.", 0, METHODS, SLOTS, NULL, NULL,
    NULL,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    return PyModuleDef_Init(&MODULE);
}
