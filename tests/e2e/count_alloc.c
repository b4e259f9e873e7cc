/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the allocations of a whole process, its libraries included: preloaded into the gateway by
 * test_10_allocations.py, it passes each call on to glibc and counts it in a file that the test
 * maps as well ($POSTERN_ALLOC_COUNTS, 32 bytes: malloc and its kin, calloc, realloc, free). Not
 * part of Postern.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* glibc's own names for what is replaced here. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

struct counts {
    _Atomic uint64_t mallocs, callocs, reallocs, frees;
};

static struct counts unmapped; /* until the file is there */
static struct counts *counts = &unmapped;

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Without the file nothing is told, and the test sees zeros. */
__attribute__((constructor)) static void map_counts(void)
{
    const char *path = getenv("POSTERN_ALLOC_COUNTS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *shared = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared != MAP_FAILED)
        counts = shared;
    close(fd);
}

void *malloc(size_t size)
{
    count(&counts->mallocs);
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count(&counts->callocs);
    return __libc_calloc(number, size);
}

void *realloc(void *old, size_t size)
{
    count(&counts->reallocs);
    return __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    count(&counts->mallocs);
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    count(&counts->mallocs);
    void *got = __libc_memalign(alignment, size);
    if (!got)
        return ENOMEM;
    *memory = got;
    return 0;
}

void free(void *memory)
{
    if (memory)
        count(&counts->frees);
    __libc_free(memory);
}
