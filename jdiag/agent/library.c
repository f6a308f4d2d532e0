/* A native agent: what the dynamic linker of that machine will take, and in which it will find
 * Agent_OnAttach. */
#include <elf.h>
#include <string.h>

#include "jdiag/agent/file.h"
#include "jdiag/agent/jar.h"

#define ENTRY "Agent_OnAttach"

struct elf {
	const char *data;
	size_t len;
	Elf64_Ehdr head;
	struct error *err;
};

static int fail(const struct elf *e, const char *why)
{
	return error_set(e->err, ERR_USAGE, "%s", why);
}

static bool inside(const struct elf *e, uint64_t offset, uint64_t size)
{
	return offset <= e->len && size <= e->len - offset;
}

static int check_machine(const struct elf *e, const char *machine)
{
	static const struct {
		const char *name;
		uint16_t number;
	} machines[] = {{"x86_64", EM_X86_64}, {"aarch64", EM_AARCH64}};

	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (strcmp(machines[i].name, machine) == 0)
			return e->head.e_machine == machines[i].number
				       ? 0
				       : error_set(e->err, ERR_USAGE,
						   "it is for another machine than %s", machine);
	return error_set(e->err, ERR_USAGE, "machines of type '%s' are not known", machine);
}

static int check_head(struct elf *e, const char *machine)
{
	static const unsigned char ident[] = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB};

	if (e->len < sizeof(e->head))
		return fail(e, "not an ELF file");
	memcpy(&e->head, e->data, sizeof(e->head));
	if (memcmp(e->head.e_ident, ident, 4) != 0)
		return fail(e, "not an ELF file");
	if (memcmp(e->head.e_ident, ident, sizeof(ident)) != 0)
		return fail(e, "not an ELF file of 64 bits, little-endian");
	if (e->head.e_type != ET_DYN)
		return fail(e, "not a shared library");
	return check_machine(e, machine);
}

/* All that is mapped is in the file. */
static int check_segments(const struct elf *e)
{
	bool code = false;

	if (e->head.e_phentsize != sizeof(Elf64_Phdr) ||
	    !inside(e, e->head.e_phoff, (uint64_t)e->head.e_phnum * sizeof(Elf64_Phdr)))
		return fail(e, "it is cut");
	for (size_t i = 0; i < e->head.e_phnum; i++) {
		Elf64_Phdr p;

		memcpy(&p, e->data + e->head.e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type != PT_NULL && p.p_type != PT_GNU_STACK &&
		    !inside(e, p.p_offset, p.p_filesz))
			return fail(e, "it is cut");
		code = code || (p.p_type == PT_LOAD && p.p_flags & PF_X);
	}
	return code ? 0 : fail(e, "there is no code in it");
}

static bool section(const struct elf *e, uint64_t index, Elf64_Shdr *ret)
{
	if (index >= e->head.e_shnum)
		return false;
	memcpy(ret, e->data + e->head.e_shoff + index * sizeof(*ret), sizeof(*ret));
	return ret->sh_type == SHT_NOBITS || inside(e, ret->sh_offset, ret->sh_size);
}

static bool is_entry(const struct elf *e, const Elf64_Sym *s, const Elf64_Shdr *names)
{
	unsigned int bind = ELF64_ST_BIND(s->st_info);

	return s->st_name < names->sh_size && names->sh_size - s->st_name >= sizeof(ENTRY) &&
	       memcmp(e->data + names->sh_offset + s->st_name, ENTRY, sizeof(ENTRY)) == 0 &&
	       s->st_shndx != SHN_UNDEF && ELF64_ST_TYPE(s->st_info) == STT_FUNC &&
	       (bind == STB_GLOBAL || bind == STB_WEAK) &&
	       (ELF64_ST_VISIBILITY(s->st_other) == STV_DEFAULT ||
		ELF64_ST_VISIBILITY(s->st_other) == STV_PROTECTED);
}

static bool exports_entry(const struct elf *e, const Elf64_Shdr *symbols)
{
	Elf64_Shdr names;
	Elf64_Sym s;

	if (!section(e, symbols->sh_link, &names) || names.sh_type != SHT_STRTAB)
		return false;
	for (uint64_t at = 0; at + sizeof(s) <= symbols->sh_size; at += sizeof(s)) {
		memcpy(&s, e->data + symbols->sh_offset + at, sizeof(s));
		if (is_entry(e, &s, &names))
			return true;
	}
	return false;
}

static int check_symbols(const struct elf *e)
{
	Elf64_Shdr s;

	if (e->head.e_shentsize != sizeof(s) || e->head.e_shnum == 0 ||
	    !inside(e, e->head.e_shoff, (uint64_t)e->head.e_shnum * sizeof(s)))
		return fail(e, "it is cut, or has no sections");
	for (size_t i = 0; i < e->head.e_shnum; i++) {
		if (!section(e, i, &s))
			return fail(e, "it is cut");
		if (s.sh_type == SHT_DYNSYM && exports_entry(e, &s))
			return 0;
	}
	fail(e, "it has no function " ENTRY);
	return error_hint(e->err, "an agent that has only Agent_OnLoad is for -agentpath at the "
				  "start of a JVM");
}

int agent_library_open(struct buf *ret_data, char sha256[65], const char *path, const char *machine,
		       struct error *err)
{
	struct buf data;
	struct elf e = {.err = err};

	if (agent_file_read(&data, sha256, path, err) != 0)
		return -1;
	e.data = buf_str(&data);
	e.len = data.len;
	if (check_head(&e, machine) != 0 || check_segments(&e) != 0 || check_symbols(&e) != 0) {
		buf_release(&data);
		return error_prefix(err, "'%s' cannot be an agent", path);
	}
	*ret_data = data;
	return 0;
}
