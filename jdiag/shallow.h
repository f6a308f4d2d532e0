/*
 * How large objects are in the heap that a dump was taken of. The dump does not say: it has the
 * values of the fields, references as large as its identifiers, no headers and no padding. But
 * HotSpot's identifiers are addresses and it dumps the objects of a region one behind the other, so
 * the distance to the next object is never less than the size, and somewhere it is the size. From
 * that come
 *  - the header of an array, as the least of distance - contents: 16 with compressed class pointers
 *    (the header of an instance is then 12), 20 or 24 without (16), 12 with compact headers (8);
 *  - the size of a reference: 4 if an array of references lies in less than 8 bytes each;
 *  - the alignment: what all addresses have in common, 8 or more;
 *  - that the JVM fills gaps in super classes (15 and later), when an instance has less room than
 *    its fields would take otherwise; that it has added to the fields of a class (some of its own,
 *    padding), when two instances have the same distance and it is more.
 * The fields are laid out as HotSpot does: super class first, those of 8 bytes aligned, the gap
 * before them filled with smaller ones, aligned at the end. Without any evidence the JVM is a
 * 64-bit one with compressed class pointers, and references are compressed if all addresses lie
 * within 32 GiB.
 */
#ifndef JDIAG_SHALLOW_H
#define JDIAG_SHALLOW_H

#include <stdbool.h>
#include <stdint.h>

/* What the addresses of a dump tell. Zeroed at first. */
struct shallow_evidence {
	uint64_t bits;		   /* all identifiers, ored */
	uint64_t least, most;	   /* of them */
	uint64_t array_header;	   /* at most; 0: nothing known */
	uint64_t reference_arrays; /* that had a neighbour */
	uint64_t up, down;	   /* steps from one object to the next */
	bool references_of_4;
};

struct shallow_rule {
	uint32_t header, array_header, reference, alignment;
};

/* The least distance behind an instance of one class, how often there was just that, and behind
 * which object last. */
struct shallow_distance {
	uint64_t least; /* 0: none */
	uint64_t times;
	uint64_t id;
};

/* Fields of one class, without its super classes: how many of each size. */
struct shallow_fields {
	uint32_t n8, n4, n2, n1, references;
};

void shallow_see_instance(struct shallow_distance *d, uint64_t id, uint64_t distance);
void shallow_see_object(struct shallow_evidence *e, uint64_t id, uint64_t last_id);

/* Are the objects in the order of their addresses? Collectors that dump along the references (ZGC,
 * Shenandoah) have others between two neighbours. */
bool shallow_in_order(const struct shallow_evidence *e);

/* An array and the distance to the object behind it. */
void shallow_see_references(struct shallow_evidence *e, uint32_t length, uint64_t distance);
void shallow_see_primitives(struct shallow_evidence *e, uint32_t length, unsigned int size,
			    uint64_t distance);

struct shallow_rule shallow_rule(const struct shallow_evidence *e, unsigned int id_size);

/* Where the fields of a class end (not aligned) whose super class's end at super_end (0: it has
 * none). The distance cannot be less than an instance; proves: it may show as well that the JVM has
 * added something. */
uint64_t shallow_layout(const struct shallow_rule *r, uint64_t super_end,
			const struct shallow_fields *f, const struct shallow_distance *d,
			bool proves);

/* The size of an instance whose fields end there. */
uint64_t shallow_instance(const struct shallow_rule *r, uint64_t end);

/* The bytes of all arrays of one class: how many there are by length modulo SHALLOW_RESIDUES, and
 * the sum of their lengths. */
#define SHALLOW_RESIDUES 16
struct shallow_arrays {
	uint64_t lengths, residues[SHALLOW_RESIDUES];
};
uint64_t shallow_array_bytes(const struct shallow_rule *r, const struct shallow_arrays *a,
			     unsigned int element);

#endif
