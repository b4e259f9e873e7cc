/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program: hands the command line to cli/, which calls back for `serve`.
 */
#include "serve.h"

#include <postern/cli/cli.h>

int main(int argc, char **argv)
{
    const struct cli_host host = {
        .version = POSTERN_VERSION,
        .serve = serve,
        .in = stdin,
        .out = stdout,
        .err = stderr,
    };
    return cli_main(argc, argv, &host);
}
