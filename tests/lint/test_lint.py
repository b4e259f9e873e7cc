# SPDX-License-Identifier: Apache-2.0
"""The checks find what they are there for: each rule is broken once in a small tree."""
import os
import textwrap

import check_layers
import check_release
import check_style
import pytest
from source import functions

SPDX = check_style.SPDX
HEAD = SPDX + "/*\n * A head.\n */\n"


def put(root, path, text):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as file:
        file.write(text)


@pytest.mark.parametrize("path, text, word", [
    ("src/net/a.c", "#include <postern/store/x.h>", "sideways"),
    ("src/base/a.c", "#include <postern/io/x.h>", "upwards"),
    ("src/policy/a.c", "#include <postern/io/x.h>", "upwards"),
    ("src/gateway/a.c", "#include <uv.h>", "io/"),
    ("include/postern/io/a.h", "#include <uv.h>", "io/"),
    ("src/store/pool.c", "#include <hiredis/hiredis.h>", "redis_link"),
    ("src/io/a.c", '#include "../net/b.h"', "beside"),
    ("src/io/a.c", "#include <postern/io/none.h>", "does not exist"),
    ("src/gateway/a.c", "#include <postern/store/backends.h>", "composition root"),
    ("src/misc/a.c", "", "no room"),
])
def test_layer_rules_bite(tmp_path, capsys, path, text, word):
    for header in ("store/x.h", "io/x.h", "store/backends.h"):
        put(tmp_path, "include/postern/" + header, "")
    put(tmp_path, path, text + "\n")
    assert check_layers.main(str(tmp_path)) == 1
    assert word in capsys.readouterr().out


def test_layer_rules_pass_and_find_cycles(tmp_path, capsys):
    put(tmp_path, "include/postern/base/a.h", "#include <stdint.h>\n")
    put(tmp_path, "src/io/b.c", "#include <postern/base/a.h>\n#include <uv.h>\n#include \"b.h\"\n")
    put(tmp_path, "src/io/b.h", "")
    put(tmp_path, "src/main.c", "#include <postern/base/a.h>\n")
    assert check_layers.main(str(tmp_path)) == 0
    put(tmp_path, "include/postern/base/a.h", "#include <postern/base/c.h>\n")
    put(tmp_path, "include/postern/base/c.h", "#include <postern/base/a.h>\n")
    assert check_layers.main(str(tmp_path)) == 1
    assert "cycle" in capsys.readouterr().out


@pytest.mark.parametrize("path, text, word", [
    ("src/base/a.c", "int x;\n", "first line"),
    ("src/base/a.c", SPDX + "int x;\n", "file head"),
    ("src/base/a.c", HEAD + "int x; // no\n", "// comment"),
    ("src/base/a.c", HEAD + "\n" * 501, "more than 500"),
    ("src/base/a.c", HEAD + "int f(void)\n{\n" + "    ;\n" * 60 + "}\n", "more than 60"),
    ("include/postern/base/a.h", HEAD + "\nint f(void);\n", "f is not documented"),
    ("include/postern/base/a.h", HEAD + "/* Says. */\nint f(void);\n\nint g(int a);\n", "g is not documented"),
    ("src/base/a.c", HEAD + "/* " + "TO" + "DO later */\n", "left in"),
    ("tests/unit/base/a.c", HEAD + "void f(void)\n{\n    usleep(5);\n}\n", "sleep in a test"),
    ("tests/e2e/a.py", "import time\ntime." + "sleep(1)\n", "sleep in a test"),
])
def test_style_rules_bite(tmp_path, capsys, path, text, word):
    put(tmp_path, path, text)
    assert check_style.main(str(tmp_path)) == 1
    assert word in capsys.readouterr().out


def test_style_passes_good_files(tmp_path):
    put(tmp_path, "include/postern/base/a.h", HEAD + textwrap.dedent('''
        /* Says what. "// is fine in text" */
        int f(void);
        int g(void);

        struct s {
            int (*call)(void);
        };
    '''))
    put(tmp_path, "src/base/a.c", HEAD + 'const char *url = "http://x"; /* see http://y */\n')
    put(tmp_path, "tests/e2e/harness/wait.py", "import time\ntime." + "sleep(1)\n")
    assert check_style.main(str(tmp_path)) == 0


def test_functions_are_measured():
    text = "static int table[] = {\n1,\n2};\nint f(void)\n{\n    if (1) {\n    }\n}\n#define X {\nint g(int a)\n{\n}\n"
    assert list(functions(text)) == [("f", 5, 4), ("g", 11, 2)]


def test_release_check(tmp_path):
    put(tmp_path, "src/gateway/a.c", 'FAULT_POINT("after_claim");\n')
    put(tmp_path, "good", "an accepted claim after_claims\0")
    put(tmp_path, "bad", "x after_claim\0")
    assert check_release.main(str(tmp_path), str(tmp_path / "good")) == 0
    assert check_release.main(str(tmp_path), str(tmp_path / "bad")) == 1
