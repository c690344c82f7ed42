/*
 * malloc() of the code under test, from one block that can be copied and put back. What is freed is
 * used again for blocks of the same size. Blocks from elsewhere are left alone.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define ARENA_BYTES (4u << 20)
#define N_CLASSES   20 /* powers of two, from 32 bytes */

struct block {
    uint32_t order;
    uint32_t unused;
    struct block *next; /* while free */
};

#define HEAD_BYTES 16

static _Alignas(16) char bytes[ARENA_BYTES];
static struct {
    size_t used;
    struct block *free[N_CLASSES];
} arena;

static char saved[ARENA_BYTES];
static __typeof__(arena) saved_arena;
static struct world saved_world;

void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static uint32_t order_of(size_t n)
{
    uint32_t order = 0;

    while (((size_t)32 << order) < n + HEAD_BYTES)
        order++;
    return order;
}

void *__wrap_malloc(size_t n)
{
    uint32_t order = order_of(n);
    struct block *block;

    if (order < N_CLASSES && arena.free[order] != NULL) {
        block = arena.free[order];
        arena.free[order] = block->next;
    } else {
        size_t size = (size_t)32 << order;

        if (order >= N_CLASSES || arena.used + size > sizeof(bytes)) {
            (void)fprintf(stderr, "the model's memory is used up\n");
            abort();
        }
        block = (struct block *)(void *)(bytes + arena.used);
        arena.used += size;
        block->order = order;
    }
    return (char *)block + HEAD_BYTES;
}

void *__wrap_calloc(size_t n, size_t size)
{
    void *p = __wrap_malloc(n * size);

    memset(p, 0, n * size);
    return p;
}

void __wrap_free(void *p)
{
    struct block *block;

    if ((char *)p < bytes || (char *)p >= bytes + sizeof(bytes))
        return;
    block = (struct block *)(void *)((char *)p - HEAD_BYTES);
    block->next = arena.free[block->order];
    arena.free[block->order] = block;
}

void *__wrap_realloc(void *p, size_t n)
{
    void *grown = __wrap_malloc(n);

    if (p != NULL) {
        const struct block *block = (const struct block *)(void *)((char *)p - HEAD_BYTES);
        size_t held = ((size_t)32 << block->order) - HEAD_BYTES;

        memcpy(grown, p, held < n ? held : n);
        __wrap_free(p);
    }
    return grown;
}

void arena_reset(void)
{
    memset(&arena, 0, sizeof(arena));
}

size_t arena_used(void)
{
    return arena.used;
}

void arena_save(void)
{
    memcpy(saved, bytes, arena.used);
    saved_arena = arena;
    saved_world = world;
}

void arena_restore(void)
{
    arena = saved_arena;
    world = saved_world;
    memcpy(bytes, saved, arena.used);
}
