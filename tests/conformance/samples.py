"""The actions that the suite publishes: the basic suite's in two languages, and some of our own."""


class Kind:
    """The basic suite's actions in one language, and the options that suit it."""

    def __init__(self, name, options, codes):
        self.name = name
        self.options = options
        self.codes = codes

    def __getitem__(self, code):
        return self.codes[code]


PYTHON_CODES = {
    "no_dictionary": 'def main(args):\n    return "no dictionary"\n',
    "echo": "def main(args):\n    return args\n",
    "niam": "def niam(args):\n    return args\n",
    "echo_and_print": """
import sys

def main(args):
    print("hello stdout")
    print("hello stderr", file=sys.stderr)
    return args
""",
    "unicode": """
def main(args):
    mark = args["delimiter"]
    text = mark + " ☃ " + mark
    print(text)
    return {"winter": text}
""",
    "environment_at_load": """
import os

SEEN = {name: os.environ.get(name, "missing") for name in ("SOME_VAR", "ANOTHER_VAR")}

def main(args):
    return SEEN
""",
    "metadata": """
import os

FIELDS = ("api_host", "api_key", "namespace", "action_name", "action_version", "activation_id",
          "deadline")

def main(args):
    return {field: os.environ["__OW_" + field.upper()] for field in FIELDS}
""",
    "array_result": 'def main(args):\n    return ["a", "b"]\n',
    "one_variable": """
import os

def main(args):
    return {"value": os.environ.get(args["name"])}
""",
    "log_and_echo": """
import sys

def main(args):
    sys.stdout.write("log of " + args["id"] + "\\n")
    sys.stderr.write("err of " + args["id"] + "\\n")
    return args
""",
    "process_id": "import os\n\ndef main(args):\n    return {'pid': os.getpid()}\n",
    "die_if_told": """
import os, signal

def main(args):
    if args.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    return args
""",
    "wait_at_gate": """
def main(args):
    if "gate" in args:
        with open(args["gate"]) as gate:
            gate.read()
    return {"id": args.get("id")}
""",
    "broken": "def main(args)\n    return args\n",
}

SHELL_CODES = {
    "no_dictionary": "#!/bin/bash\nwhile read -r line; do echo '\"no dictionary\"' >&3; done\n",
    "echo": '#!/bin/bash\nwhile read -r line; do jq -c .value <<<"$line" >&3; done\n',
    "niam": '#!/bin/bash\nwhile read -r line; do jq -c .value <<<"$line" >&3; done\n',
    "echo_and_print": """#!/bin/bash
while read -r line; do
    echo "hello stdout"
    echo "hello stderr" >&2
    jq -c .value <<<"$line" >&3
done
""",
    "unicode": """#!/bin/bash
while read -r line; do
    mark=$(jq -r .value.delimiter <<<"$line")
    text="$mark ☃ $mark"
    echo "$text"
    jq -nc --arg text "$text" '{winter: $text}' >&3
done
""",
    "environment_at_load": r"""#!/bin/bash
some=${SOME_VAR-missing}
another=${ANOTHER_VAR-missing}
while read -r line; do
    jq -nc --arg some "$some" --arg another "$another" \
        '{SOME_VAR: $some, ANOTHER_VAR: $another}' >&3
done
""",
    "metadata": """#!/bin/bash
while read -r line; do
    jq -c '{api_host: env.__OW_API_HOST, api_key, namespace, action_name, action_version,
            activation_id, deadline}' <<<"$line" >&3
done
""",
    "array_result": "#!/bin/bash\nwhile read -r line; do echo '[\"a\", \"b\"]' >&3; done\n",
    "one_variable": """#!/bin/bash
while read -r line; do
    name=$(jq -r .value.name <<<"$line")
    jq -nc --arg value "${!name}" '{value: $value}' >&3
done
""",
    "log_and_echo": """#!/bin/bash
while read -r line; do
    id=$(jq -r .value.id <<<"$line")
    echo "log of $id"
    echo "err of $id" >&2
    jq -c .value <<<"$line" >&3
done
""",
    "process_id": "#!/bin/bash\nwhile read -r line; do echo \"{\\\"pid\\\":$$}\" >&3; done\n",
    "die_if_told": """#!/bin/bash
while read -r line; do
    if [ "$(jq -r .value.die <<<"$line")" = true ]; then kill -9 $$; fi
    jq -c .value <<<"$line" >&3
done
""",
    "wait_at_gate": """#!/bin/bash
while read -r line; do
    gate=$(jq -r '.value.gate // ""' <<<"$line")
    if [ -n "$gate" ]; then cat "$gate"; fi
    jq -c '{id: .value.id}' <<<"$line" >&3
done
""",
    "broken": "#!/bin/bash\nexit 1\n",
}

KINDS = {
    "python": Kind("python", ("--runtime", "python"), PYTHON_CODES),
    "shell": Kind("shell", ("--runtime", "native"), SHELL_CODES),
}

# Answers {"value":X} with X, on the descriptor that is compiled in; a few lines, and fast enough
# that the proxy is what a test loads. The body's value must be its only member.
ECHO_C = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

int main(void)
{
    FILE *answers = fdopen(ANSWERS_FD, "w");
    char *line = NULL;
    size_t size = 0;
    ssize_t n;

    while ((n = getline(&line, &size, stdin)) > 0) {
        const char *value = strchr(line, ':');
        const char *end = memrchr(line, '}', (size_t)n);

        if (value == NULL || end == NULL)
            return 1;
        fwrite(value + 1, 1, (size_t)(end - value) - 1, answers);
        fputc('\n', answers);
        fflush(answers);
    }
    return 0;
}
"""


def echo_c(answers_fd):
    return ECHO_C.replace("ANSWERS_FD", str(answers_fd))


# Greets whoever the line names; the sample of the Go suites, which read the name likewise.
GREET_C = r"""
#include <stdio.h>
#include <string.h>

int main(void)
{
    FILE *answers = fdopen(3, "w");
    char line[4096];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        const char *name = strstr(line, "\"name\":\"");
        size_t n = name == NULL ? 0 : strcspn(name + 8, "\"");

        printf("name=%.*s\n", (int)n, name == NULL ? "" : name + 8);
        fflush(stdout);
        fprintf(answers, "{\"message\":\"Hello, %.*s!\"}\n", (int)n, name == NULL ? "" : name + 8);
        fflush(answers);
    }
    return 0;
}
"""

# Greets in shell: logs, and answers with a blank after the colon, which must arrive unchanged.
GREET_SHELL = """#!/bin/bash
if [ -n "$__OW_WAIT_FOR_ACK" ]; then echo '{"ok":true}' >&3; fi
while read -r line; do
    name=$(jq -r .value.name <<<"$line")
    echo "msg=hello $name"
    echo "{\\"hello\\": \\"$name\\"}" >&3
done
"""

# The same for the old native contract.
GREET_ONCE = """#!/bin/bash
echo "{\\"hello\\": \\"$(jq -r .name <<<"$1")\\"}"
"""

# Starts only while `door` exists. Then it answers each line; "leave" ends it.
NEEDS_DOOR = """import os, sys
if not os.path.exists({door!r}):
    sys.exit("no door")
def main(args):
    if args.get("leave"):
        os._exit(1)
    return args
"""
