#pragma once

/*
 * scan - find the next significant byte of JSON text, a block at a time. Skip lists of numbers, and
 * characters beyond ASCII.
 *
 * This is the only machine-dependent code. A block is 16 bytes with SSE2, elsewhere a word of 8
 * bytes. Define SCAN_PORTABLE to use words on any machine, for tests. Never reads past `end`.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Whether a byte is in the set of bytes to find. */
typedef bool scan_byte_fn(uint8_t byte);
/* Which bytes of a block are in the set, as bits: the lowest bit that is set stands for the first
 * such byte, see scan_first(). */
typedef uint64_t scan_block_fn(const uint8_t *at);

/* These test single bytes, for tails shorter than a block. */
static inline bool scan_byte_special(uint8_t byte)
{
    return byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\';
}

static inline bool scan_byte_quote(uint8_t byte)
{
    return byte == '"' || byte == '\\';
}

/* Each bracket differs from its brace in bit 0x20 only, so two compares find all four. */
static inline bool scan_byte_nesting(uint8_t byte)
{
    return byte == '"' || (byte | 0x20) == '{' || (byte | 0x20) == '}';
}

#if defined(__SSE2__) && !defined(SCAN_PORTABLE)

#include <emmintrin.h>

#define SCAN_BLOCK_BYTES 16

static inline __m128i scan_load(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

/* In each byte that equals `byte` set all bits, in the others none. */
static inline __m128i scan_equal(__m128i block, char byte)
{
    return _mm_cmpeq_epi8(block, _mm_set1_epi8(byte));
}

/* The top bits of the 16 bytes as one number, whose lowest bit is that of the first byte. */
static inline uint64_t scan_bits(__m128i hits)
{
    return (uint64_t)(unsigned)_mm_movemask_epi8(hits);
}

/* Offset of the first hit within its block. hits: not 0. */
static inline size_t scan_first(uint64_t hits)
{
    return (size_t)__builtin_ctzll(hits);
}

/* Drop the hits in the first n bytes of the block: the lowest bits then stand for byte n. */
static inline uint64_t scan_from(uint64_t hits, size_t n)
{
    return hits >> n;
}

static inline __m128i scan_block_either(__m128i block)
{
    return _mm_or_si128(scan_equal(block, '"'), scan_equal(block, '\\'));
}

static inline uint64_t scan_block_special(const uint8_t *at)
{
    __m128i block = scan_load(at);
    /* The compare is signed, so bytes from 0x80 up are below zero: one compare finds these and
     * control bytes. */
    __m128i outside = _mm_cmplt_epi8(block, _mm_set1_epi8(0x20));

    return scan_bits(_mm_or_si128(outside, scan_block_either(block)));
}

static inline uint64_t scan_block_quote(const uint8_t *at)
{
    return scan_bits(scan_block_either(scan_load(at)));
}

static inline uint64_t scan_block_nesting(const uint8_t *at)
{
    __m128i block = scan_load(at);
    __m128i folded = _mm_or_si128(block, _mm_set1_epi8(0x20));
    __m128i braces = _mm_or_si128(scan_equal(folded, '{'), scan_equal(folded, '}'));

    return scan_bits(_mm_or_si128(braces, scan_equal(block, '"')));
}

/* Which bytes of two blocks that follow each other equal `byte`. */
static inline uint64_t scan_equal_in_two(__m128i first, __m128i second, char byte)
{
    return scan_bits(scan_equal(first, byte)) | scan_bits(scan_equal(second, byte)) << 16;
}

/* In each byte that is a digit set all bits. The compare is signed, so move '0' to the lowest
 * value of a byte. */
static inline __m128i scan_digits(__m128i block)
{
    return _mm_cmplt_epi8(_mm_sub_epi8(block, _mm_set1_epi8((char)('0' + 0x80))),
                          _mm_set1_epi8(-0x80 + 10));
}

/*
 * Skip elements of an array that are numbers without an exponent, each with its comma. at: where an
 * element begins. Returns where the first element begins that was not skipped. May stop early: the
 * caller checks what follows one by one.
 *
 * Checks all elements that end within 32 bytes together, with one bit per byte. A branch for each
 * number would often be predicted wrong.
 */
static inline const uint8_t *scan_numbers(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= 2 * SCAN_BLOCK_BYTES) {
        __m128i first = scan_load(at), second = scan_load(at + SCAN_BLOCK_BYTES);
        uint64_t digits = scan_bits(scan_digits(first)) | scan_bits(scan_digits(second)) << 16;
        uint64_t commas = scan_equal_in_two(first, second, ',');
        uint64_t points = scan_equal_in_two(first, second, '.');
        uint64_t signs = scan_equal_in_two(first, second, '-');
        uint64_t spaces = scan_equal_in_two(first, second, ' ');
        uint64_t zeros = scan_equal_in_two(first, second, '0');
        /* Has all bits from 32 up. */
        uint64_t others = ~(digits | commas | points | signs | spaces);
        uint64_t starts, skipped, wrong;
        int n;

        commas &= (others & -others) - 1; /* those before the first other byte */
        if (commas == 0)
            return at;
        n = 64 - __builtin_clzll(commas); /* bytes up to the last comma, with it */
        skipped = (UINT64_C(1) << n) - 1;

        /* Where elements begin, then what follows their space, then what follows their sign. */
        starts = commas << 1 | 1;
        wrong = spaces & ~starts;
        starts += starts & spaces;
        wrong |= signs & ~starts;
        starts += starts & signs;
        wrong |= starts & ~digits;
        wrong |= (starts & zeros) << 1 & digits; /* a digit after a leading 0 */
        wrong |= points << 1 & ~digits;
        /* Each sum carries through the digits behind a point. No second point may follow them. */
        wrong |= (digits + (points << 1)) & ~digits & points;
        if ((wrong & skipped) != 0)
            return at;
        at += n;
    }
    return at;
}

/* In each byte beyond ASCII that is above `byte` set all bits. Signed, these bytes are below 0, in
 * the same order. */
static inline __m128i scan_above(__m128i block, char byte)
{
    return _mm_and_si128(_mm_cmplt_epi8(block, _mm_setzero_si128()),
                         _mm_cmpgt_epi8(block, _mm_set1_epi8(byte)));
}

/* Which bytes of a block begin no character of UTF-8, or none with the byte that follows: the same
 * table as in utf8_next(). Reads 17 bytes. */
static inline uint64_t scan_block_not_utf8(const uint8_t *at)
{
    __m128i block = scan_load(at), next = scan_load(at + 1);
    __m128i below_90 = _mm_cmplt_epi8(next, _mm_set1_epi8((char)0x90));
    __m128i below_a0 = _mm_cmplt_epi8(next, _mm_set1_epi8((char)0xa0));
    __m128i never = _mm_or_si128(scan_equal(block, (char)0xc0), scan_equal(block, (char)0xc1));
    __m128i overlong = _mm_or_si128(_mm_and_si128(scan_equal(block, (char)0xe0), below_a0),
                                    _mm_and_si128(scan_equal(block, (char)0xf0), below_90));
    __m128i surrogate = _mm_andnot_si128(below_a0, scan_equal(block, (char)0xed));
    __m128i above_max = _mm_or_si128(_mm_andnot_si128(below_90, scan_equal(block, (char)0xf4)),
                                     scan_above(block, (char)0xf4));

    return scan_bits(
        _mm_or_si128(_mm_or_si128(never, overlong), _mm_or_si128(surrogate, above_max)));
}

/*
 * Skip characters of a string that holds some beyond ASCII. at: where a character begins. Returns
 * where the first character begins that was not skipped. May stop early: the caller checks what
 * follows one by one.
 *
 * Like scan_numbers(), checks all characters of a block together.
 */
static inline const uint8_t *scan_characters(const uint8_t *at, const uint8_t *end)
{
    uint64_t carried = 0; /* bytes of this block that must continue a character of the last one */

    while (end - at > SCAN_BLOCK_BYTES) {
        __m128i block = scan_load(at);
        uint64_t special = scan_block_special(at) & ~scan_bits(block); /* and not beyond ASCII */
        uint64_t of_two = scan_bits(scan_above(block, (char)0xbf));    /* or more bytes */
        uint64_t of_three = scan_bits(scan_above(block, (char)0xdf));
        uint64_t of_four = scan_bits(scan_above(block, (char)0xef));
        uint64_t must_continue = carried | of_two << 1 | of_three << 2 | of_four << 3;
        uint64_t wrong = ((scan_bits(block) ^ of_two) ^ must_continue) | scan_block_not_utf8(at);

        /* Up to the first special byte, with it: it must not cut off a character. */
        if (special != 0)
            wrong &= special ^ (special - 1);
        if ((wrong & 0xffff) != 0)
            break;
        if (special != 0)
            return at + scan_first(special);
        at += SCAN_BLOCK_BYTES;
        carried = must_continue >> SCAN_BLOCK_BYTES;
        if (of_two == 0) /* scan_special() is faster here */
            return at;
    }
    if (carried != 0)
        while ((*--at & 0xc0) == 0x80)
            ;
    return at;
}

#else

#include <endian.h>

#define SCAN_BLOCK_BYTES 8
#define SCAN_EACH(byte)  (UINT64_C(0x0101010101010101) * (uint8_t)(byte))
#define SCAN_LOW_BITS    SCAN_EACH(0x7f)
#define SCAN_TOP_BITS    SCAN_EACH(0x80)

/* Load a word with its first byte in the lowest bits, on every machine, as scan_first() wants
 * it. */
static inline uint64_t scan_load(const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return le64toh(word);
}

/* Set the top bit of each byte that equals `byte`. The sum of two 7-bit numbers never carries into
 * the next byte, so each byte is compared by itself. */
static inline uint64_t scan_equal(uint64_t word, char byte)
{
    uint64_t differs = word ^ SCAN_EACH(byte);

    return ~(((differs & SCAN_LOW_BITS) + SCAN_LOW_BITS) | differs) & SCAN_TOP_BITS;
}

static inline size_t scan_first(uint64_t hits)
{
    return (size_t)__builtin_ctzll(hits) / 8;
}

static inline uint64_t scan_from(uint64_t hits, size_t n)
{
    return hits >> (8 * n);
}

static inline uint64_t scan_block_quote(const uint8_t *at)
{
    uint64_t word = scan_load(at);

    return scan_equal(word, '"') | scan_equal(word, '\\');
}

static inline uint64_t scan_block_special(const uint8_t *at)
{
    uint64_t word = scan_load(at);
    /* Adding 0x60 sets the top bit of bytes from 0x20 up; bytes from 0x80 up have it already. */
    uint64_t not_control = (word & SCAN_LOW_BITS) + SCAN_EACH(0x60);
    uint64_t outside = (~not_control | word) & SCAN_TOP_BITS;

    return outside | scan_equal(word, '"') | scan_equal(word, '\\');
}

static inline uint64_t scan_block_nesting(const uint8_t *at)
{
    uint64_t word = scan_load(at);
    uint64_t folded = word | SCAN_EACH(0x20);

    return scan_equal(word, '"') | scan_equal(folded, '{') | scan_equal(folded, '}');
}

/* Skips nothing: with words it would not be faster than reading byte by byte. */
static inline const uint8_t *scan_numbers(const uint8_t *at, const uint8_t *end)
{
    (void)end;
    return at;
}

/* Skips nothing, likewise. */
static inline const uint8_t *scan_characters(const uint8_t *at, const uint8_t *end)
{
    (void)end;
    return at;
}

#endif

/*
 * Find the first byte in [from, end) for which byte_hits() is true; end: there is none. Bytes from
 * `start` on may be read, so that a tail shorter than a block can be searched as one block together
 * with bytes before it. All callers pass constants for both functions: compilers inline them.
 */
static inline const uint8_t *scan_until(const uint8_t *start, const uint8_t *from,
                                        const uint8_t *end, scan_block_fn *block_hits,
                                        scan_byte_fn *byte_hits)
{
    const uint8_t *at = from;
    uint64_t hits;

    for (; end - at >= SCAN_BLOCK_BYTES; at += SCAN_BLOCK_BYTES) {
        hits = block_hits(at);
        if (hits != 0)
            return at + scan_first(hits);
    }
    if (at < end && end - start >= SCAN_BLOCK_BYTES) {
        const uint8_t *last = end - SCAN_BLOCK_BYTES;

        hits = scan_from(block_hits(last), (size_t)(at - last));
        return hits != 0 ? at + scan_first(hits) : end;
    }
    while (at < end && !byte_hits(*at))
        at++;
    return at;
}

/* Each function below returns the position of the first byte in [at, end) that it looks for, or end
 * if there is none. */

/* Finds what may end a string or make it invalid, in a text not checked yet: a quote, a backslash,
 * a control byte, a non-ASCII byte. start: where the text begins. */
static inline const uint8_t *scan_special(const uint8_t *start, const uint8_t *at,
                                          const uint8_t *end)
{
    return scan_until(start, at, end, scan_block_special, scan_byte_special);
}

/* Finds what may end a string in a checked text: a quote, or a backslash, which may escape one. */
static inline const uint8_t *scan_quote(const uint8_t *at, const uint8_t *end)
{
    return scan_until(at, at, end, scan_block_quote, scan_byte_quote);
}

/* Finds brackets and braces in a checked text; also quotes, so that the caller can skip strings,
 * which may contain brackets. */
static inline const uint8_t *scan_nesting(const uint8_t *at, const uint8_t *end)
{
    return scan_until(at, at, end, scan_block_nesting, scan_byte_nesting);
}
