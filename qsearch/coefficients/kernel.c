/* The extension module qsearch.coefficients._kernel: JPEG sizes and pixels from DCT coefficients, bit for bit as
 * libjpeg-turbo computes them. All work runs without the interpreter's lock. */
#include "batch.h"

#include <string.h>

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
    if (open_images(&batch, pixels, PIXELS, 0) && open_images(&batch, coefficients, COEFFICIENTS, 1)) {
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
    if (open_images(&batch, coefficients, COEFFICIENTS, 0) && open_images(&batch, tables, TABLES, 0) &&
        open_images(&batch, size_bytes, SIZES, 1) && tables_without_zero(&batch.buffers[1])) {
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
    if (open_images(&batch, coefficients, COEFFICIENTS, 0) && open_images(&batch, tables, TABLES, 0) &&
        open_images(&batch, size_bytes, SIZES, 1) && open_images(&batch, pixels, PIXELS, 1) &&
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

static PyObject *statistics(PyObject *module, PyObject *arguments)
{
    PyObject *coefficients, *tables[TABLE_SETS], *results[4], *result = NULL;
    Py_ssize_t images, height, width;
    int factor;
    struct batch batch;
    (void)module;
    if (!PyArg_ParseTuple(
            arguments, "nnniOOOOOOOO:statistics", &images, &height, &width, &factor, &coefficients, &tables[CHOSEN],
            &tables[LOWER], &tables[UPPER], &results[0], &results[1], &results[2], &results[3]))
        return NULL;
    if (!open_batch(&batch, images, height, width, factor))
        return NULL;
    if (open_images(&batch, coefficients, COEFFICIENTS, 0) && open_images(&batch, tables[CHOSEN], TABLES, 0) &&
        open_images(&batch, tables[LOWER], TABLES, 0) && open_images(&batch, tables[UPPER], TABLES, 0) &&
        open_images(&batch, results[0], BITS, 1) && open_images(&batch, results[1], BY_ENTRY, 1) &&
        open_images(&batch, results[2], BY_ENTRY, 1) && open_images(&batch, results[3], BY_ENTRY, 1) &&
        tables_without_zero(&batch.buffers[1]) && tables_without_zero(&batch.buffers[2]) &&
        tables_without_zero(&batch.buffers[3])) {
        const struct path *const path = chosen;
        const int16_t *from = batch.buffers[0].buf;
        int64_t *const bits = batch.buffers[4].buf;
        Py_BEGIN_ALLOW_THREADS
        struct prepared_tables prepared[TABLE_SETS];
        for (int set = CHOSEN; set < TABLE_SETS; set++)
            prepared[set].tables = NULL;
        for (Py_ssize_t image = 0; image < images; image++) {
            const struct quantizer *quantizers[TABLE_SETS];
            int64_t *by_entry[3]; /* squared error and the two changes */
            for (int set = CHOSEN; set < TABLE_SETS; set++) {
                prepare_tables(&prepared[set], (const uint8_t *)batch.buffers[1 + set].buf + image * COMPONENTS * 64);
                quantizers[set] = prepared[set].quantizers;
                by_entry[set] = (int64_t *)batch.buffers[5 + set].buf + image * COMPONENTS * 64;
            }
            bits[image] = path->statistics(&batch.at, from, quantizers, by_entry[0], by_entry[1], by_entry[2]);
            from += batch.at.blocks * 64;
        }
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
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
    {"statistics", statistics, METH_VARARGS,
     "statistics(images, height, width, factor, coefficients, tables, lower, upper, bits, squared_error, bits_change,"
     " error_change)\n\n"
     "Fills bits int64 [images] at tables, without stuffed bits and those that fill the last byte, and int64\n"
     "[images, 3, 64]: squared_error by entry, of coefficients scaled by 8, and the changes of both with that entry at\n"
     "upper less at lower. Tables uint8 [images, 3, 64], all in raster order."},
    {"columns", columns, METH_VARARGS,
     "columns(images, height, width, factor, component, coefficients, magnitudes, squared_error, dc_bits)\n\n"
     "Fills magnitudes uint16 [64, images * blocks of the component], zig-zag, scaled by 8, the sums of their squared\n"
     "errors float64 [64, 256] at each step, and the bits int64 [256] of the DC."},
    {"set_step", set_step_, METH_VARARGS,
     "set_step(position, step, blocks, magnitudes, sizes, present)\n\n"
     "Brings the AC entry at a zig-zag position to a step: a row of sizes uint8 [64, blocks], a bit of present uint64\n"
     "[blocks]."},
    {"entry_bits", entry_bits_, METH_VARARGS,
     "entry_bits(position, component, lowest, highest, blocks, magnitudes, sizes, present, bits)\n\n"
     "Fills bits int64 [256] from lowest to highest: those of the component at each step of the AC entry, the others\n"
     "as set, more than where its coefficients are zero."},
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
