/* How the compiled engine allocates Values: unseen by the garbage collector, which would else visit every node of a
   growing graph several times for nothing. Nodes that may be part of a cycle are shown to it with `watch`. */

#include <Python.h>
#include <string.h>

static PyObject *alloc_unseen(PyTypeObject *type, Py_ssize_t count)
{
    PyObject *node = PyObject_GC_New(PyObject, type);
    if (node != NULL) {
        memset(node + 1, 0, type->tp_basicsize - sizeof(PyObject));
    }
    return node;
}

static PyObject *hide(PyObject *module, PyObject *type)
{
    if (!PyType_Check(type) || !PyType_HasFeature((PyTypeObject *)type, Py_TPFLAGS_HEAPTYPE)) {
        PyErr_SetString(PyExc_TypeError, "hide() takes a class");
        return NULL;
    }
    ((PyTypeObject *)type)->tp_alloc = alloc_unseen;
    Py_RETURN_NONE;
}

static PyObject *watch(PyObject *module, PyObject *node)
{
    if (PyObject_IS_GC(node) && !PyObject_GC_IsTracked(node)) {
        PyObject_GC_Track(node);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"hide", hide, METH_O, "Allocate the instances of a class (not of its subclasses) unseen by the garbage collector."},
    {"watch", watch, METH_O, "Show an object to the garbage collector."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_nodes", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__nodes(void)
{
    return PyModule_Create(&definition);
}
