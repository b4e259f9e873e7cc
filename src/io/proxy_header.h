/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PROXY protocol's header, version 1 (text) and 2 (binary): who speaks through a proxy that
 * forwards TCP. Pure: bytes in, an address out. Whether the peer may be believed is not decided
 * here.
 */
#ifndef POSTERN_IO_PROXY_HEADER_H
#define POSTERN_IO_PROXY_HEADER_H

#include <postern/io/stream.h>

/* The longest line of version 1 with its end; the addresses of version 2 need less. */
#define PROXY_HEADER_HELD 107u

enum proxy_step {
    PROXY_MORE, /* all of the input was taken */
    PROXY_DONE, /* the header ended; what follows it was left in the input */
    PROXY_BAD,  /* this is no header, or one that breaks the rules */
};

/* A header while it comes; zeroed before the first byte. */
struct proxy_header {
    struct address source; /* after PROXY_DONE, if has_source */
    bool has_source;       /* false: the proxy speaks for itself (LOCAL), or for nobody on TCP/IP */
    uint8_t held_len;
    uint8_t wanted; /* version 2: bytes to hold, once its length is known */
    uint32_t skip;  /* version 2: bytes behind the addresses that say nothing to us */
    char held[PROXY_HEADER_HELD];
};

/* Takes the header's bytes off the front of `input`. Not to be called again after PROXY_DONE or
 * PROXY_BAD. */
enum proxy_step proxy_header_take(struct proxy_header *header, struct slice *input);

#endif
