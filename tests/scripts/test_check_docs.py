"""scripts/check_docs.py: that it runs the blocks of a page, and that it fails when a page is wrong."""

import os
import subprocess
import sys

import pytest

from conftest import PROGRAM, ROOT, WAIT_S

HELLO = '''<!-- file: hello.py -->
```python
def main(args):
    print("called")
    return {"greeting": "Hello, " + args["name"]}
```
'''


def check(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    return subprocess.run(
        [sys.executable, ROOT / "scripts/check_docs.py", page], capture_output=True, text=True,
        env={**os.environ, "BUILD": str(PROGRAM.parents[1])}, timeout=2 * WAIT_S, check=False)


def test_a_page_that_is_right_is_run_and_counted(tmp_path):
    done = check(tmp_path, HELLO + '''
```console
$ whiskloop --listen 127.0.0.1 &
$ bin/init.sh hello.py
{"ok":true}
$ curl -s localhost:8080/run \\
>     -d '{"value":{"name":"Mike"}}'
{"greeting":"Hello, …"}
```

<!-- log -->
```text
called
```

<!-- skip: needs a cluster -->
```sh
exit 1
```

<!-- needs: no-such-program -->
```sh
no-such-program
```

<!-- status: 3 -->
```console
$ seq 9; (exit 3)
1
…
9
```
''')
    assert done.returncode == 0, done.stdout
    assert "skipped  1: needs a cluster" in done.stdout
    assert "skipped  1: no-such-program is not installed" in done.stdout
    assert done.stdout.endswith(
        "3 blocks run, 1 files written, 2 blocks skipped, 0 pages wrong\n")


@pytest.mark.parametrize("text, words", [
    ("```console\n$ echo one\ntwo\n```\n", "page.md:2\n$ echo one\n"),
    ("```console\n$ echo one\ntwo\n```\n", "    -two\n    +one\n"),
    ("```console\n$ echo one\n```\n", "    +one\n"),
    ("```console\n$ true\none\n```\n", "    -one\n"),
    ("```sh\nfalse\n```\n", "ended with 1, want 0"),
    ("```console\n$ false\n```\n", "ended with 1, want 0"),
    ("<!-- status: 3 -->\n```sh\ntrue\n```\n", "ended with 0, want 3"),
    ("```sh\nexit 0\n```\n", "ended the shell"),
    ("```python\nprint()\n```\n", "wants a comment before it"),
    ("<!-- show -->\n```sh\ntrue\n```\n", "run, or skipped with a reason"),
    ("<!-- skip -->\n```sh\ntrue\n```\n", "skip wants a reason"),
    ("text\n\n    make install\n", "indented code is not checked"),
    ("```console\n$ whiskloop --port 8080 --workers x &\n```\n", "no proxy listens"),
    ("```sh\ntrue\n", "is not ended"),
    ("<!-- file: a -->\ntext\n", "no fence follows"),
])
def test_a_page_that_is_wrong_fails_with_line_and_reason(tmp_path, text, words):
    done = check(tmp_path, text)
    assert done.returncode == 1
    assert words in done.stdout, done.stdout
    assert "1 pages wrong" in done.stdout
