/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The format (sqlite.org/fileformat2.html, 4.1):
 *
 *   head   magic, version, page size, checkpoint number, salt 1, salt 2, checksum of these (2)
 *   frame  page number, pages after the commit (0: no commit), salt 1, salt 2, checksum (2), page
 *
 * Numbers are big-endian. The checksum is cumulative: over the head, then over each frame's first 8
 * bytes and its page; its words are read in the byte order that the magic's last bit names. Frames
 * with other salts are left from an older generation.
 */
#include "sqlite_wal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define MAGIC 0x377f0682u /* or that plus 1: checksums are big-endian */
#define VERSION 3007000u
#define HEAD_BYTES 32u
#define FRAME_HEAD_BYTES 24u
#define PAGE_BYTES_MIN 512u
#define PAGE_BYTES_MAX 65536u

struct sum {
    uint32_t a, b;
};

struct wal {
    FILE *file;
    bool is_big_endian;
    uint32_t page_bytes;
    uint32_t salt[2];
    struct sum sum;
    uint64_t at;            /* end of the frame before */
    uint64_t committed_end; /* of the last valid commit's frame, or of the head */
    uint64_t present_end;   /* of the last frame of this generation, valid or not */
    bool is_broken;         /* a frame was not valid: nothing behind it is */
};

static uint32_t read_u32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t read_word(const unsigned char *at, bool is_big_endian)
{
    if (is_big_endian)
        return read_u32(at);
    return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

/* `len` is a multiple of 8. */
static void add_to_sum(struct wal *wal, const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        wal->sum.a += read_word(bytes + i, wal->is_big_endian) + wal->sum.b;
        wal->sum.b += read_word(bytes + i + 4, wal->is_big_endian) + wal->sum.a;
    }
}

static bool sum_is(const struct wal *wal, const unsigned char *at)
{
    return wal->sum.a == read_u32(at) && wal->sum.b == read_u32(at + 4);
}

static bool is_page_size(uint32_t bytes)
{
    return bytes >= PAGE_BYTES_MIN && bytes <= PAGE_BYTES_MAX && (bytes & (bytes - 1)) == 0;
}

static bool read_head(struct wal *wal)
{
    unsigned char head[HEAD_BYTES];
    if (fread(head, 1, sizeof(head), wal->file) != sizeof(head))
        return false;
    wal->is_big_endian = read_u32(head) == MAGIC + 1;
    wal->page_bytes = read_u32(head + 8);
    wal->salt[0] = read_u32(head + 16);
    wal->salt[1] = read_u32(head + 20);
    wal->at = wal->committed_end = wal->present_end = HEAD_BYTES;
    add_to_sum(wal, head, HEAD_BYTES - 8);
    return (wal->is_big_endian || read_u32(head) == MAGIC) && read_u32(head + 4) == VERSION &&
           is_page_size(wal->page_bytes) && sum_is(wal, head + 24);
}

/* What is too short to tell was being written when the crash came: it is ours. */
static bool has_our_salts(const struct wal *wal, const unsigned char *frame, size_t len)
{
    return len < 16 ||
           (read_u32(frame + 8) == wal->salt[0] && read_u32(frame + 12) == wal->salt[1]);
}

static bool is_valid(struct wal *wal, const unsigned char *frame, size_t len)
{
    if (wal->is_broken || len < FRAME_HEAD_BYTES + wal->page_bytes || read_u32(frame) == 0)
        return false;
    add_to_sum(wal, frame, 8);
    add_to_sum(wal, frame + FRAME_HEAD_BYTES, wal->page_bytes);
    return sum_is(wal, frame + 16);
}

/* A frame of which `len` bytes are there; the last one may be cut. */
static void see_frame(struct wal *wal, const unsigned char *frame, size_t len)
{
    bool is_ours = has_our_salts(wal, frame, len);
    wal->at += len;
    if (is_ours)
        wal->present_end = wal->at;
    if (!is_ours || !is_valid(wal, frame, len))
        wal->is_broken = true;
    else if (read_u32(frame + 4) > 0)
        wal->committed_end = wal->at;
}

static enum status read_frames(struct wal *wal)
{
    size_t size = FRAME_HEAD_BYTES + wal->page_bytes, len;
    unsigned char *frame = malloc(size);
    if (!frame)
        return STATUS_NO_MEMORY;
    while ((len = fread(frame, 1, size, wal->file)) > 0)
        see_frame(wal, frame, len);
    free(frame);
    return ferror(wal->file) ? STATUS_IO : STATUS_OK;
}

static enum status rest_of_file(struct wal *wal, uint64_t *ret_bytes)
{
    long end = fseek(wal->file, 0, SEEK_END) == 0 ? ftell(wal->file) : -1;
    if (end < 0)
        return STATUS_IO;
    *ret_bytes = (uint64_t)end;
    return STATUS_OK;
}

enum status sqlite_wal_torn_bytes(const char *path, uint64_t *ret_bytes)
{
    struct wal wal = {.file = fopen(path, "re")};
    if (!wal.file) {
        *ret_bytes = 0;
        return errno == ENOENT ? STATUS_OK : STATUS_IO;
    }
    enum status status;
    if (read_head(&wal)) {
        status = read_frames(&wal);
        *ret_bytes = wal.present_end - wal.committed_end;
    } else {
        status = ferror(wal.file) ? STATUS_IO : rest_of_file(&wal, ret_bytes);
    }
    (void)fclose(wal.file); /* only read from */
    return status;
}
