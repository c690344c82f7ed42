"""
Launchers of our own writing that behave on their descriptors as those of the ActionLoop images do:
contract 2.1, 2.2, 2.5 and 2.7. Each image is a compiler (what it does to src and bin) with the
environment of that image, and a launcher that it puts into bin/exec.

The action is the same everywhere: it takes {"do": WHAT} and answers {"done": WHAT}, tells its log
"log of WHAT", and misbehaves when it is told to.
"""

import compilers

# The common part of the launchers: what is special is in the functions that each one brings.
LOOP = r'''#!/usr/bin/python3 -SEu
import json, os, sys, time

log = lambda text: os.write(1, (text + "\n").encode())
answers = 3

def put(text):
    os.write(answers, text.encode())

def answer(value):
    put(json.dumps(value, separators=(",", ":")) + "\n")

def failed(what):
    answer({"error": what})

def fatal():
    os._exit(1)

def begin():
    pass

def before(_):
    pass

SPECIAL

begin()
while True:
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 65536)
        if not piece:
            sys.exit(0)
        line += piece
    request = json.loads(line)
    what = (request.get("value") or {}).get("do", "nothing")
    before(request)
    log("log of " + what)
    if what == "fail":
        failed("it failed")
    elif what == "die":
        fatal()
    elif what == "env":
        answer({"env": os.environ.get("__OW_ACTIVATION_ID", "")})
    else:
        answer({"done": what})
'''

ACK_IF_ASKED = '''
def begin():
    if os.getenv("__OW_WAIT_FOR_ACK"):
        put('{"ok": true}\\n')
'''
ACK_ALWAYS = '''
def begin():
    put('{ "ok": true}\\n')
'''
METADATA = '''
def before(request):
    for key, value in request.items():
        if key != "value":
            os.environ["__OW_" + key.upper()] = str(value)
'''

SPECIAL = {
    # Acknowledges when asked, a traceback on stderr, then the error as the answer.
    "python": ACK_IF_ASKED + METADATA + '''
def failed(what):
    os.write(2, ("Traceback: " + what + "\\n").encode())
    answer({"error": what})
''',
    # Acknowledges always; its errors are no JSON.
    "go": ACK_ALWAYS + METADATA + '''
def failed(what):
    put('{ error: "%s"}\\n' % what)
''',
    # Acknowledges always, too.
    "nodejs": ACK_ALWAYS + METADATA,
    # No acknowledgement; a newline on both logs before each answer; a fatal error is a last line of
    # text, then the end.
    "php": METADATA + '''
plain = answer
def answer(value):
    os.write(2, b"\\n")
    os.write(1, b"\\n")
    plain(value)
def fatal():
    put("An error occurred running the action.\\n")
    os._exit(255)
''',
    # No acknowledgement, nothing special.
    "ruby": METADATA,
    # Errors are an object over two lines, or a line and a blank one; the second comes late.
    "swift": METADATA + '''
count = 0
def failed(what):
    global count
    count += 1
    put('{"error":"%s"%s\\n' % (what, "" if count % 2 else "}"))
    time.sleep(0.05)
    put("}\\n" if count % 2 else "\\n")
''',
    # A blank line after an error, written late.
    "rust": METADATA + '''
def failed(what):
    put('{"error":"%s"}\\n' % what)
    put("\\n")
''',
    # Its descriptors are opened anew by path.
    "java": METADATA + '''
def begin():
    global answers
    answers = os.open("/dev/fd/3", os.O_WRONLY)
    os.dup2(os.open("/dev/stdout", os.O_WRONLY), 1)
    os.dup2(os.open("/dev/stderr", os.O_WRONLY), 2)
''',
}

# What each image's compiler does to the folders, as contract 2.5 and 2.7 tell.
COMPILERS = {
    # exec becomes main__.py, bin is replaced by src, bin/exec is a shell script that goes there.
    "python": '''mv "$src/exec" "$src/main__.py"
cp LAUNCHER "$src/exec__.py"
rm -rf "$bin"
mv "$src" "$bin"
printf '%s' "$__OW_EXECUTION_ENV" > "$bin/exec.env"
cat > "$bin/exec" <<'END'
#!/bin/bash
cd "$(dirname "$0")"
[ "$(cat exec.env)" = "$__OW_EXECUTION_ENV" ] || { echo 'Execution Environment Mismatch'; exit 1; }
[ -f main__.py ] || exit 1
exec /usr/bin/python3 -SEu exec__.py
END
''',
    "go": '''cp LAUNCHER "$bin/exec"
printf '%s' "$__OW_EXECUTION_ENV" > "$bin/exec.env"
''',
    "nodejs": '''cp LAUNCHER "$bin/launcher.js"
mv "$src/exec" "$bin/index__.js"
printf '%s' "$__OW_EXECUTION_ENV" > "$bin/exec.env"
printf '#!/bin/bash\\ncd "$(dirname "$0")"\\nexec ./launcher.js\\n' > "$bin/exec"
''',
    # src is kept and referred to by its path.
    "php": '''mv "$src/exec" "$src/index.php"
cp LAUNCHER "$src/runner"
printf '#!/bin/bash\\ncd %s\\n[ -f index.php ] && exec ./runner\\n' "$(realpath "$src")" > "$bin/exec"
chmod +x "$bin/exec"
''',
    # bin/exec is left without the mode of a program.
    "ruby": '''mv "$src/exec" "$src/main__.rb"
cp LAUNCHER "$src/launcher"
rmdir "$bin"
mv "$src" "$bin"
printf '#!/bin/bash\\ncd "$(dirname "$0")"\\nexec ./launcher\\n' > "$bin/exec"
chmod 644 "$bin/exec"
''',
    # Works in the proxy's folder.
    "swift": '''[ -d action ]
cp LAUNCHER "$bin/exec"
''',
    "rust": '''cp LAUNCHER "$bin/exec"
''',
    "java": '''rm -rf "$bin"
mv "$src" "$bin"
cp LAUNCHER "$bin/Launcher"
printf '#!/bin/bash\\nexec %s/Launcher main\\n' "$(realpath "$bin")" > "$bin/exec"
''',
}

# Contract 2.6: these three images want the acknowledgement, log errors, and check exec.env.
STRICT = {"python", "go", "nodejs"}
LANGUAGES = sorted(SPECIAL)


def image(folder, language):
    """The environment of the language's image, its compiler and launcher in `folder`."""
    launcher = folder / f"launcher-{language}"
    launcher.write_text(LOOP.replace("SPECIAL", SPECIAL[language]))
    launcher.chmod(0o755)
    body = COMPILERS[language].replace("LAUNCHER", str(launcher))
    env = {"OW_COMPILER": compilers.write(folder, body, f"compile-{language}")}
    if language in STRICT:
        env.update(OW_WAIT_FOR_ACK="1", OW_LOG_INIT_ERROR="1",
                   OW_EXECUTION_ENV=f"image/{language}")
    if language == "java":
        env["OW_SAVE_JAR"] = "exec.jar"
    return env
