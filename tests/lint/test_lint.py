# SPDX-License-Identifier: Apache-2.0
"""The checks find what they are there for: each rule is broken once in a small tree."""
import os
import textwrap

import check_constant_time
import check_layers
import check_links
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


# ---- constant time

EQUAL = "bool mac_equal(const void *a, const void *b, size_t len)\n{\n    return CRYPTO_memcmp(a, b, len) == 0;\n}\n"


def put_verifiers(root):
    """What the check wants to see: the files that verify, and the comparison they share."""
    for path in check_constant_time.REQUIRED:
        calls = check_constant_time.HARMLESS.get(path, ())
        put(root, path, "void f(void)\n{\n" + "".join(f"    (void){call};\n" for call in calls) + "}\n")
    put(root, "src/policy/mac.c", EQUAL)


def test_constant_time_passes_what_is_listed(tmp_path):
    put_verifiers(tmp_path)
    put(tmp_path, "src/policy/route.c", "bool f(void)\n{\n    return memcmp(a, b, 4) == 0;\n}\n")
    put(tmp_path, "src/policy/verify_new.c", "/* no memcmp(a, b, 4) */\n")
    assert check_constant_time.main(str(tmp_path)) == 0


@pytest.mark.parametrize("path, text, word", [
    ("src/policy/mac.c", EQUAL.replace("CRYPTO_", ""), "mac_equal has to be"),
    ("src/policy/mac.c", EQUAL.replace("return", "if (len == 0)\n        return true;\n    return"), "mac_equal has to be"),
    ("src/policy/mac.c", "", "mac_equal has to be"),
    ("src/policy/mac_more.c", EQUAL, "mac_equal has to be"),
    ("src/policy/mac_more.c", "int x = memcmp(a, b, 4);\n", "memcmp(a, b, 4)"),
    ("src/policy/verify_match.c", "bool f(void)\n{\n    return memcmp(candidate,\n        mac, 32) == 0;\n}\n",
     "verify_match.c:3: memcmp(candidate, mac, 32)"),
    ("src/policy/verify_plain.c", "bool x = slice_eq(secret->text, f(value));\n", "slice_eq(secret->text, f(value))"),
    ("src/policy/verify_new.c", "int x = strncmp(a, b, 4) + strcasecmp(a, b);\n", "strncmp(a, b, 4)"),
    ("src/policy/verify_hmac.c", "bool x = slice_ieq(hex, sent);\n", "slice_ieq(hex, sent)"),
    ("src/policy/credential.c", "int x;\n", "listed as harmless and isn't there"),
])
def test_constant_time_rules_bite(tmp_path, capsys, path, text, word):
    put_verifiers(tmp_path)
    put(tmp_path, path, text)
    assert check_constant_time.main(str(tmp_path)) == 1
    assert word in capsys.readouterr().out


def test_constant_time_wants_its_files(tmp_path, capsys):
    put_verifiers(tmp_path)
    os.remove(os.path.join(tmp_path, "src/policy/verify_secret.c"))
    assert check_constant_time.main(str(tmp_path)) == 1
    assert "verify_secret.c does not exist" in capsys.readouterr().out


# ---- links

GUIDE = """# A guide

## Two words, `code` and [a link](other.md)

## Again

### Again

```
# no heading
[no link](nowhere.md)
```

`[no link](nowhere.md)` but [one](#again-1), [two](other.md#two-words-code-and-a-link "title"),
[three](https://elsewhere.test/a#b), [four](../README.md), [five](../src/) and [six].

[six]: ./security.md
"""


def put_documents(root):
    for path in ("README.md", "docs/security.md", ".github/SECURITY.md", "src/a.c"):
        put(root, path, "# Head\n")
    put(root, "docs/guide.md", GUIDE)
    put(root, "docs/other.md", GUIDE)


def test_links_that_lead_somewhere(tmp_path):
    put_documents(tmp_path)
    assert check_links.main(str(tmp_path)) == 0


@pytest.mark.parametrize("path, text, word", [
    ("docs/guide.md", "[a](none.md)\n", "docs/none.md does not exist"),
    ("docs/guide.md", "#\n\n`x` and\n[a](none.md)\n", "docs/guide.md:4:"),
    ("docs/guide.md", "[a](other.md#again-2)\n", "no heading #again-2"),
    ("docs/guide.md", "[a](other.md#no-heading)\n", "no heading #no-heading"),
    ("docs/guide.md", "# Head\n[a](#heads)\n", "no heading #heads"),
    ("docs/guide.md", "[a](../src/a.c#head)\n", "no heading #head"),
    ("docs/guide.md", "[a](../../README.md)\n", "out of the tree"),
    ("docs/guide.md", "[a](/docs/other.md)\n", "out of the tree"),
    ("docs/guide.md", "![a picture](a.png)\n", "docs/a.png does not exist"),
    ("docs/guide.md", "[a]\n\n[a]: none.md\n", "docs/none.md does not exist"),
    ("README.md", "[a](guide.md)\n", "guide.md does not exist"),
    ("CHANGELOG.md", "[a](docs/none.md)\n", "docs/none.md does not exist"),
    (".github/CONTRIBUTING.md", "[a](docs/guide.md)\n", ".github/docs/guide.md does not exist"),
])
def test_link_rules_bite(tmp_path, capsys, path, text, word):
    put_documents(tmp_path)
    put(tmp_path, path, text)
    assert check_links.main(str(tmp_path)) == 1
    assert word in capsys.readouterr().out


@pytest.mark.parametrize("path", check_links.REQUIRED)
def test_documents_that_have_to_be_there(tmp_path, capsys, path):
    put_documents(tmp_path)
    put(tmp_path, "docs/guide.md", "")
    put(tmp_path, "docs/other.md", "")
    os.remove(os.path.join(tmp_path, path))
    assert check_links.main(str(tmp_path)) == 1
    assert f"{path} does not exist" in capsys.readouterr().out
