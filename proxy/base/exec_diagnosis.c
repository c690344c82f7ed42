#include "base/exec_diagnosis.h"

#include <assert.h>
#include <byteswap.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/util.h"

/* We read at most this many program headers. The one that names the loader is among the first. */
#define SEGMENTS_MAX 64

/* What we read of an ELF file. `machine` is valid for 32 and 64 bits and for either byte order. */
struct program {
    uint16_t machine;
    bool ours; /* the file is 64-bit, in our own byte order: all of `header` is valid */
    Elf64_Ehdr header;
};

static const struct {
    uint16_t machine;
    const char *name;
} machines[] = {
    {EM_386, "i386"},    {EM_ARM, "arm"},     {EM_X86_64, "x86-64"}, {EM_AARCH64, "aarch64"},
    {EM_RISCV, "riscv"}, {EM_PPC64, "ppc64"}, {EM_S390, "s390x"},
};

static const char *machine_name(uint16_t machine)
{
    for (size_t i = 0; i < ARRAY_LEN(machines); i++)
        if (machines[i].machine == machine)
            return machines[i].name;
    return "an unknown processor";
}

/* Read an ELF file's header. ours: e_ident of the running program; NULL: fd is the running program
 * itself. false: fd is no ELF file. */
static bool read_program(int fd, const unsigned char *ours, struct program *program)
{
    Elf64_Ehdr *header = &program->header;
    const unsigned char *ident = header->e_ident;

    memset(program, 0, sizeof(*program));
    /* A 32-bit header is shorter, but has the machine at the same offset. */
    if (pread(fd, header, sizeof(*header), 0) < (ssize_t)sizeof(Elf32_Ehdr) ||
        memcmp(ident, ELFMAG, SELFMAG) != 0)
        return false;
    program->machine = header->e_machine;
    if (ours == NULL)
        return true;
    if (ident[EI_DATA] != ours[EI_DATA])
        program->machine = bswap_16(program->machine);
    program->ours = ident[EI_DATA] == ours[EI_DATA] && ident[EI_CLASS] == ours[EI_CLASS] &&
                    ident[EI_CLASS] == ELFCLASS64;
    return true;
}

/* Read the path of a program's loader. false: the program names none, or the path cannot be
 * read. */
static bool read_loader(int fd, const Elf64_Ehdr *header, char *loader, size_t size)
{
    for (unsigned i = 0; i < header->e_phnum && i < SEGMENTS_MAX; i++) {
        Elf64_Phdr segment;
        off_t at = (off_t)(header->e_phoff + (uint64_t)i * sizeof(segment));

        if (pread(fd, &segment, sizeof(segment), at) != (ssize_t)sizeof(segment))
            return false;
        if (segment.p_type != PT_INTERP)
            continue;
        if (segment.p_filesz == 0 || segment.p_filesz > size ||
            pread(fd, loader, segment.p_filesz, (off_t)segment.p_offset) !=
                (ssize_t)segment.p_filesz)
            return false;
        loader[segment.p_filesz - 1] = '\0';
        return true;
    }
    return false;
}

static bool explain_program(const char *path, char *text, size_t size)
{
    char loader[PATH_MAX];
    struct program self;
    struct program program;
    auto_fd int self_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    auto_free char *real = realpath(path, NULL);
    auto_fd int fd = real != NULL ? fd_open_file(AT_FDCWD, real) : -1;

    if (self_fd < 0 || fd < 0 || !read_program(self_fd, NULL, &self) ||
        !read_program(fd, self.header.e_ident, &program))
        return false;
    if (program.machine != self.machine) {
        (void)snprintf(
            text, size, "the executable is built for %s, and this machine is %s: build it for %s",
            machine_name(program.machine), machine_name(self.machine), machine_name(self.machine));
        return true;
    }
    if (program.ours && read_loader(fd, &program.header, loader, sizeof(loader)) &&
        access(loader, F_OK) < 0) {
        (void)snprintf(text, size,
                       "the executable wants the loader \"%.200s\", which is not here: it is built "
                       "for another libc; build it for this system's, or link it statically",
                       loader);
        return true;
    }
    return false;
}

/* Read the interpreter's name from a #! line, without arguments. head: the file's first n bytes.
 * false: they do not begin with #!. */
static bool read_interpreter(const char *head, size_t n, char *name, size_t size)
{
    const char *end = n > 2 ? memchr(head, '\n', n) : NULL;
    size_t from = 2, len;

    if (n < 2 || head[0] != '#' || head[1] != '!')
        return false;
    n = end != NULL ? (size_t)(end - head) : n;
    while (from < n && (head[from] == ' ' || head[from] == '\t'))
        from++;
    for (len = 0; from + len < n && head[from + len] != ' ' && head[from + len] != '\t';)
        len++;
    len = len < size - 1 ? len : size - 1;
    assert(from + len <= n);
    memcpy(name, head + from, len);
    name[len] = '\0';
    return true;
}

/* Describe a file that the kernel does not accept as a program. head: the file's first n bytes. */
static const char *what_it_is(const unsigned char *head, size_t n)
{
    static const struct {
        const char *magic;
        const char *what;
    } kinds[] = {
        {"\xcf\xfa\xed\xfe", "a program for macOS: build it for Linux"},
        {"\xce\xfa\xed\xfe", "a program for macOS: build it for Linux"},
        {"\xca\xfe\xba\xbe",
         "a Java class or a program for macOS: publish a jar, or build it for Linux"},
        {"MZ", "a program for Windows: build it for Linux"},
        {"\xef\xbb\xbf#!", "a script with a byte order mark before \"#!\": save it without"},
        {ELFMAG, "an ELF file that is damaged or no program"},
    };

    assert(n > 0);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t n_magic = strlen(kinds[i].magic);

        if (n >= n_magic && memcmp(head, kinds[i].magic, n_magic) == 0)
            return kinds[i].what;
    }
    return "neither a program for this system nor a script that begins with \"#!\"";
}

void exec_diagnosis_detail(const char *path, int os, char *text, size_t size)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    auto_free char *real = realpath(path, NULL);
    auto_fd int fd = real != NULL ? fd_open_file(AT_FDCWD, real) : -1;
    char head[PATH_MAX + 2];
    char interpreter[128];
    ssize_t n = fd >= 0 ? pread(fd, head, sizeof(head), 0) : -1;
    bool is_script = n > 0 && read_interpreter(head, (size_t)n, interpreter, sizeof(interpreter));

    if (os == E2BIG) {
        (void)snprintf(text, size,
                       "the environment is too large for the system: a variable may have 131071 "
                       "bytes, and all of them a quarter of the stack's limit");
    } else if (os == ENOENT && is_script) {
        size_t len = strlen(interpreter);

        if (len > 0 && interpreter[len - 1] == '\r')
            (void)snprintf(text, size,
                           "the first line of \"%.60s\" ends with a carriage return: save the file "
                           "with Unix line ends",
                           name);
        else
            (void)snprintf(text, size,
                           "the first line of \"%.60s\" names the interpreter \"%.100s\", which is "
                           "not here",
                           name, interpreter);
    } else if ((os == EACCES || os == ENOTDIR || os == ELOOP) && is_script &&
               access(real, X_OK) == 0) {
        /* The script itself may be executed, so the error is about its interpreter. */
        (void)snprintf(text, size,
                       "the first line of \"%.60s\" names the interpreter \"%.100s\", which cannot "
                       "be started: %s",
                       name, interpreter, strerror(os));
    } else if (os == ENOEXEC && is_script) {
        (void)snprintf(text, size, "the first line of \"%.60s\" names no interpreter behind \"#!\"",
                       name);
    } else if (os == ENOEXEC && n >= 0) {
        (void)snprintf(text, size, "\"%.60s\" is %s", name,
                       n > 0 ? what_it_is((unsigned char *)head, (size_t)n) : "empty");
    }
}

bool exec_diagnosis_explain(const char *path, int os, char *text, size_t size)
{
    struct statvfs system;

    if (os == ENOENT || os == ENOEXEC)
        return explain_program(path, text, size);
    if (os == EACCES && statvfs(path, &system) == 0 && (system.f_flag & ST_NOEXEC) != 0) {
        (void)snprintf(text, size,
                       "\"%.200s\" lies where nothing may be executed (noexec): with docker, "
                       "--tmpfs /tmp:exec; or set TMPDIR or --action-dir",
                       path);
        return true;
    }
    return false;
}
