#include "ways.h"

#include "nor_opcodes.h"
#include "scan.h"

#define THREE_BYTE_SIZE (1u << 24)
#define WIDTH_PROOFS    8u /* so many spots that three and four address bytes read alike are enough */
#define FNV_BASIS       0x811C9DC5u /* FNV-1a, 32 bits, over words: it only tells where to look more closely */
#define FNV_PRIME       0x01000193u

static const struct chip *chip;
static enum way way;
static uint32_t width_proofs;

void ways_start(const struct chip *selected)
{
	chip = selected;
	way = WAY_MODE;
	width_proofs = 0;
}

/* The chip takes three address bytes in its 3-byte mode alone, if the mode is what decides. */
static void switch_width(bool three)
{
	if (chip->address_bytes == 4u && chip->enter_4byte != ENTER_4BYTE_NONE) {
		nor_begin_identify();
		nor_switch_address_mode(chip, !three);
	}
}

static void use_slow_clock(void)
{
	struct bus_timing slow = chip->timing;

	slow.prescaler = chip->slow_prescaler;
	slow.sample_shift = 0;
	controller_configure(&slow);
	controller_four_lines(false);
}

void ways_use(enum way wanted)
{
	if (wanted == WAY_BOTH || wanted == way) {
		return; /* both: the steps of it choose */
	}
	if (wanted == WAY_THREE || way == WAY_THREE) {
		switch_width(wanted == WAY_THREE);
	}
	way = wanted;
	if (way == WAY_MODE) {
		controller_configure(&chip->timing);
		controller_four_lines(chip->uses_four_lines);
	} else {
		use_slow_clock();
	}
}

uint32_t ways_read_form(void)
{
	switch (way) {
	case WAY_ONE_LINE:
		return chip->slow_read_form;
	case WAY_THREE:
		return FORM_INSTRUCTION(NOR_ONE, NOR_READ) | FORM_ADDRESS(NOR_ONE, 3u) | FORM_DATA(NOR_ONE);
	default:
		return chip->read_form;
	}
}

uint32_t ways_program_form(void)
{
	return (way == WAY_ONE_LINE) ? chip->slow_program_form : chip->program_form;
}

static void read_way(enum way wanted, uint32_t offset, uint8_t *block, uint32_t length)
{
	ways_use(wanted);
	controller_read(ways_read_form(), offset, block, length);
}

static uint32_t first_difference(const uint32_t *a, const uint32_t *b, uint32_t length)
{
	uint32_t word = 0;
	uint32_t at;

	while (word < length / sizeof(uint32_t) && a[word] == b[word]) {
		word++;
	}
	at = word * sizeof(uint32_t);
	while (at < length && ((const uint8_t *)a)[at] == ((const uint8_t *)b)[at]) {
		at++;
	}
	return at;
}

uint32_t ways_compare(uint32_t offset, uint32_t *block, uint32_t length)
{
	static uint32_t mode[WAYS_BLOCK / sizeof(uint32_t)];

	read_way(WAY_ONE_LINE, offset, (uint8_t *)block, length);
	read_way(WAY_MODE, offset, (uint8_t *)mode, length);
	return offset + first_difference(block, mode, length);
}

/* Only zeros or only ones: they come back from lines that nobody drives, too. */
static bool tells_nothing(const uint32_t *words)
{
	for (uint32_t i = 1; i < SPOT_SIZE / sizeof(uint32_t); i++) {
		if (words[i] != words[0]) {
			return false;
		}
	}
	return words[0] == 0 || words[0] == ~0u;
}

static uint32_t hash_of(const uint32_t *words)
{
	uint32_t hash = FNV_BASIS;

	for (uint32_t i = 0; i < SPOT_SIZE / sizeof(uint32_t); i++) {
		hash = (hash ^ words[i]) * FNV_PRIME;
	}
	return hash << SPOT_HASH_SHIFT;
}

/* What is blank with four address bytes may be none with three, but only what is not counts as a proof. */
static bool width_is_right(uint32_t offset, const uint32_t *one)
{
	uint32_t three[SPOT_SIZE / sizeof(uint32_t)];

	if (chip->address_bytes == 3u || width_proofs == WIDTH_PROOFS || offset > THREE_BYTE_SIZE - SPOT_SIZE) {
		return true;
	}
	read_way(WAY_THREE, offset, (uint8_t *)three, SPOT_SIZE);
	if (!tells_nothing(one)) {
		width_proofs++;
	}
	return first_difference(three, one, SPOT_SIZE) == SPOT_SIZE;
}

uint32_t ways_prove(uint32_t offset)
{
	uint32_t one[SPOT_SIZE / sizeof(uint32_t)];
	uint32_t differs = ways_compare(offset, one, SPOT_SIZE);
	uint32_t hash = hash_of(one);

	if (differs != offset + SPOT_SIZE) {
		return hash | SPOT_DIFFERS;
	}
	if (!width_is_right(offset, one)) {
		return hash | SPOT_WIDTH;
	}
	return hash | (tells_nothing(one) ? SPOT_BLANK : SPOT_PROVED);
}
