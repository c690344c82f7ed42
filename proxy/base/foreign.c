#include "base/foreign.h"

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

#define SEGMENTS_MAX 64 /* the loader's is among the first ones of every program */

/* What stands at the same place in both classes of ELF, and where to look on. */
struct program {
    uint16_t machine;
    bool ours; /* same class and byte order as this program: the rest can be read */
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
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++)
        if (machines[i].machine == machine)
            return machines[i].name;
    return "an unknown processor";
}

/* Whether the file is an ELF program of any kind. The 64-bit header is read where it is one. */
static bool read_program(int fd, const unsigned char *ours, struct program *program)
{
    Elf64_Ehdr *header = &program->header;
    const unsigned char *ident = header->e_ident;

    memset(program, 0, sizeof(*program));
    /* A 32-bit header is shorter, but has the machine at the same place. */
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

/* The path of the program's loader. false: it has none, or it cannot be read. */
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
    auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

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

bool foreign_explain(const char *path, int os, char *text, size_t size)
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
