/*
 * accelerator - the main loop of the Python launcher in C: read a line, call the function, write
 * its answer.
 *
 * It does the same as activate() and main() of whiskloop_launcher.py, but faster. Unusual cases are
 * given to the functions of that module, so that answers, errors and tracebacks are the same with
 * the accelerator and without. ../../README.md describes the protocol.
 */

#include "inside.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define KEEP_BYTES (256u << 10) /* memory kept between answers */

struct serve {
    struct lines lines;
    struct buf answer;
    int answers_fd;
    unsigned long long number; /* number of the current line; control lines do not count */
    /* Borrowed from the caller of serve(). */
    PyObject *function;
    PyObject *metadata;
    PyObject *activate;   /* (function, metadata, line) -> answer; runs a whole activation. None: a
                           * control line, which gets no answer */
    PyObject *finish;     /* (result) -> answer; result: what the function has returned */
    PyObject *failed;     /* (exception) -> answer; exception: what the function has raised */
    PyObject *flush_logs; /* () -> None; flushes stdout and stderr */
    PyObject *write;      /* (bytes) -> None; writes what could not be written here */
};

static struct serve *serving; /* borrowed; the state of the running serve(); NULL: none runs */
static bool forked; /* this process is a fork made by the user's code, and must not answer */

static struct {
    PyObject *out, *err, *first_out, *first_err, *flush;
} names;

/* The dictionaries of these modules. Looked up before the user's code is loaded, which may forbid
 * to import them. */
static PyObject *sys_names, *os_names;

static void after_fork_in_child(void)
{
    forked = true;
}

/* ---- logs ---- */

/* Like flush() of whiskloop_wire.py. false: something is raised that is no Exception, such as
 * SystemExit. */
static bool flush(PyObject *stream)
{
    PyObject *done = PyObject_CallMethodNoArgs(stream, names.flush);

    if (done == NULL && !PyErr_ExceptionMatches(PyExc_Exception))
        return false;
    PyErr_Clear();
    Py_XDECREF(done);
    return true;
}

static bool flush_logs(const struct serve *s)
{
    PyObject *out = PyDict_GetItemWithError(sys_names, names.out);
    PyObject *err = PyDict_GetItemWithError(sys_names, names.err);
    PyObject *done;

    if (out != NULL && err != NULL && out == PyDict_GetItemWithError(sys_names, names.first_out) &&
        err == PyDict_GetItemWithError(sys_names, names.first_err)) {
        bool good;

        Py_INCREF(out);
        Py_INCREF(err);
        good = flush(out) && flush(err);
        Py_DECREF(out);
        Py_DECREF(err);
        return good;
    }
    done = PyObject_CallNoArgs(s->flush_logs);
    Py_XDECREF(done);
    return done != NULL;
}

/* ---- answers ---- */

static bool write_answer(const struct serve *s, const char *text, size_t n)
{
    PyObject *done;
    size_t n_done;

    if (!flush_logs(s))
        return false;
    if (forked)
        _exit(0);
    if (lines_write(s->answers_fd, text, n, &n_done))
        return true;
    if (errno == 0)
        return false;
    done = PyObject_CallFunction(s->write, "y#", text + n_done, (Py_ssize_t)(n - n_done));
    Py_XDECREF(done);
    return done != NULL;
}

/* Write an answer that Python's code has made, and release it. answer: NULL if an exception is
 * raised. false: an exception is raised. */
static bool write_bytes(const struct serve *s, PyObject *answer)
{
    char *text;
    Py_ssize_t n;
    bool good = answer != NULL && PyBytes_AsStringAndSize(answer, &text, &n) == 0 &&
                write_answer(s, text, (size_t)n);

    Py_XDECREF(answer);
    return good;
}

/* Make the answer for an exception that the function has raised. NULL: an exception is raised that
 * ends the process. */
static PyObject *answer_failure(const struct serve *s)
{
    PyObject *type, *problem, *traceback, *before[3], *answer;

    if (PyErr_ExceptionMatches(PyExc_SystemExit) || PyErr_ExceptionMatches(PyExc_KeyboardInterrupt))
        return NULL;
    PyErr_Fetch(&type, &problem, &traceback);
    PyErr_NormalizeException(&type, &problem, &traceback);
    if (traceback != NULL)
        (void)PyException_SetTraceback(problem, traceback);
    /* As in Python's `except`: the user's code, which may make the text, asks sys.exc_info(). */
    PyErr_GetExcInfo(&before[0], &before[1], &before[2]);
    Py_XINCREF(problem);
    PyErr_SetExcInfo(type, problem, traceback);
    answer = PyObject_CallOneArg(s->failed, problem);
    PyErr_SetExcInfo(before[0], before[1], before[2]);
    Py_XDECREF(problem);
    return answer;
}

/* ---- activations ---- */

static bool activate_by_python(struct serve *s, const char *text, size_t n)
{
    PyObject *line;
    PyObject *answer = NULL;

    if (!environment_leave())
        return false;
    line = PyBytes_FromStringAndSize(text, (Py_ssize_t)n);
    lines_drop(&s->lines, n);
    if (line != NULL)
        answer = PyObject_CallFunctionObjArgs(s->activate, s->function, s->metadata, line, NULL);
    Py_XDECREF(line);
    if (answer == Py_None) {
        Py_DECREF(answer);
        s->number--; /* control lines do not count */
        return true;
    }
    return write_bytes(s, answer);
}

/* Encode the function's result. true: the answer is in s->answer. false: *answer is what Python's
 * code has made, or NULL if an exception is raised. */
static bool make_answer(struct serve *s, PyObject *result, PyObject **answer)
{
    buf_reset(&s->answer, KEEP_BYTES);
    if (result == NULL) {
        *answer = answer_failure(s);
        return false;
    }
    if (encode_document(&s->answer, result)) {
        buf_add(&s->answer, "\n", 1);
        return true;
    }
    buf_reset(&s->answer, KEEP_BYTES);
    *answer = PyObject_CallOneArg(s->finish, result);
    return false;
}

static bool activate(struct serve *s, const char *text, size_t n)
{
    struct request request;
    PyObject *answer, *result = NULL;
    bool made;

    if (!request_read(&request, text, n))
        return activate_by_python(s, text, n);
    if (!environment_show(&request)) {
        Py_XDECREF(request.value);
        return false;
    }
    lines_drop(&s->lines, n); /* frees the memory of a long line before the function runs */
    if (request.value == NULL)
        request.value = PyDict_New();
    if (request.value != NULL)
        result = PyObject_CallOneArg(s->function, request.value);
    made = make_answer(s, result, &answer);
    /* Release the argument and the result, in this order as in Python, before answering: what their
     * destructors print belongs to this activation's log. */
    Py_XDECREF(request.value);
    Py_XDECREF(result);
    if (!made)
        return write_bytes(s, answer);
    made = write_answer(s, buf_at(&s->answer), buf_len(&s->answer));
    buf_reset(&s->answer, KEEP_BYTES);
    return made;
}

static bool serve_lines(struct serve *s)
{
    const char *line;
    size_t n;
    int status;

    while ((status = lines_next(&s->lines, &line, &n)) > 0) {
        s->number++;
        if (!activate(s, line, n))
            return false;
    }
    return status == 0;
}

static PyObject *serve(PyObject *module, PyObject *arguments)
{
    struct serve s = {0};
    bool good;

    (void)module;
    if (!PyArg_ParseTuple(arguments, "iiOOOOOOO:serve", &s.lines.fd, &s.answers_fd, &s.function,
                          &s.metadata, &s.activate, &s.finish, &s.failed, &s.flush_logs, &s.write))
        return NULL;
    if (serving != NULL)
        return PyErr_Format(PyExc_RuntimeError, "serve() is at work already");
    serving = &s;
    forked = false;
    good = environment_open(s.metadata, os_names) && serve_lines(&s);
    environment_close();
    serving = NULL;
    buf_done(&s.lines.buf);
    buf_done(&s.answer);
    if (!good)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- for the launcher's Python code ---- */

static PyObject *is_cancelled(PyObject *module, PyObject *nothing)
{
    char wanted[48];
    int n;

    (void)module;
    (void)nothing;
    if (serving == NULL)
        Py_RETURN_FALSE;
    n = PyOS_snprintf(wanted, sizeof(wanted), "cancel %llu\n", serving->number);
    if (!lines_read_ready(&serving->lines))
        return NULL;
    return PyBool_FromLong(lines_hold(&serving->lines, wanted, (size_t)n));
}

static PyObject *decode(PyObject *module, PyObject *text)
{
    const uint8_t *at, *end;
    PyObject *document;

    (void)module;
    if (!PyBytes_Check(text))
        return PyErr_Format(PyExc_TypeError, "decode() wants bytes");
    at = (const uint8_t *)PyBytes_AS_STRING(text);
    end = at + PyBytes_GET_SIZE(text);
    document = decode_value(&at, end);
    if (document != NULL && at == end)
        return document;
    Py_XDECREF(document);
    Py_RETURN_NOTIMPLEMENTED;
}

static PyObject *encode(PyObject *module, PyObject *document)
{
    struct buf out = {0};
    PyObject *line = NULL;

    (void)module;
    if (encode_document(&out, document)) {
        buf_add(&out, "\n", 1);
        line = PyBytes_FromStringAndSize(buf_at(&out), (Py_ssize_t)buf_len(&out));
        buf_done(&out);
        return line;
    }
    buf_done(&out);
    Py_RETURN_NOTIMPLEMENTED;
}

/* ---- the module ---- */

/* The dictionary of a module. New reference. */
static PyObject *names_of(const char *name)
{
    PyObject *module = PyImport_ImportModule(name);
    PyObject *dict = module != NULL ? PyModule_GetDict(module) : NULL;

    Py_XINCREF(dict);
    Py_XDECREF(module);
    return dict;
}

/* Version of what the launcher calls here. Change it in whiskloop_launcher.py, too. */
#define INTERFACE 2

static const char serve_doc[] =
    "serve(lines_fd, answers_fd, function, metadata, activate, finish, failed, flush_logs, write)\n\n"
    "Answer each line until the input ends, or an exception is to end the process.";

static PyMethodDef methods[] = {
    {"serve", serve, METH_VARARGS, serve_doc},
    {"is_cancelled", is_cancelled, METH_NOARGS,
     "Whether a line \"cancel N\" has come for the activation that serve() runs, N its number."},
    {"decode", decode, METH_O, "The document in a line of bytes, or NotImplemented."},
    {"encode", encode, METH_O, "The document as a line of bytes, or NotImplemented."},
    {NULL, NULL, 0, NULL}};

static PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "whiskloop_accelerator",
                                 .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC PyInit_whiskloop_accelerator(void); /* Python finds it by its name */

PyMODINIT_FUNC PyInit_whiskloop_accelerator(void)
{
    const char built_for[] = Py_STRINGIFY(PY_MAJOR_VERSION) "." Py_STRINGIFY(PY_MINOR_VERSION) ".";
    PyObject *module;

    /* The file may have been renamed, or copied to the folder of another Python version. */
    if (strncmp(Py_GetVersion(), built_for, sizeof(built_for) - 1) != 0)
        return PyErr_Format(PyExc_ImportError, "built for Python %sx", built_for);
    names.out = PyUnicode_InternFromString("stdout");
    names.err = PyUnicode_InternFromString("stderr");
    names.first_out = PyUnicode_InternFromString("__stdout__");
    names.first_err = PyUnicode_InternFromString("__stderr__");
    names.flush = PyUnicode_InternFromString("flush");
    sys_names = names_of("sys");
    os_names = names_of("os");
    if (names.out == NULL || names.err == NULL || names.first_out == NULL ||
        names.first_err == NULL || names.flush == NULL || sys_names == NULL || os_names == NULL ||
        pthread_atfork(NULL, NULL, after_fork_in_child) != 0)
        return NULL;
    module = PyModule_Create(&definition);
    if (module != NULL && PyModule_AddIntConstant(module, "INTERFACE", INTERFACE) < 0)
        Py_CLEAR(module);
    return module;
}
