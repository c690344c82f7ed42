#!/usr/bin/env python3
"""generate - make what tells about the options from the program's own settings table.

    generate.py PROGRAM man TEMPLATE        a manual page; @OPTIONS@ and @VERSION@ are filled in
    generate.py PROGRAM bash|zsh|fish NAMES completion for a shell; NAMES: those of the runtimes
    generate.py SCRIPT usage NAME PURPOSE   a manual page of a script, from what it shows for -h

Writes to standard output.
"""

import os
import re
import subprocess
import sys
import tempfile

COMMANDS = {"dev": "serve an action while you write it", "new": "write a starter",
            "test": "compare answers with expected ones", "invoke": "run an action once, without HTTP", "pipe": "answer lines of JSON"}
OTHERS = {"health": "ask a running proxy whether it is well", "help": "show the options",
          "version": "show the version"}
# Options that are no settings and take a value: (name, unit, help).
MORE = [("env-file", "FILE", "read variables for the action's environment from a file")]
PLACES = ("FILE", "PATH", "DIR", "FIFO")


def said(program, *arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True,
                          text=True).stdout


def settings(program):
    """[(name, form, default, help)] in the table's order; the form is what stands behind the name in
    the help, where an option's line has two blanks in front: " PORT", " [PORT]" or "[=0|1]"."""
    forms = dict(re.findall(r"^  --([a-z-]+)(\[=0\|1\]| \S+)$", said(program, "--help", "all"), re.M))
    found = []
    for line in said(program, "--help-markdown").splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        name = re.match(r"`--([a-z-]+)", cells[0]) if len(cells) >= 4 else None
        if name is None:
            continue
        found.append((name[1], forms[name[1]], cells[-2], cells[-1]))
    if not found:
        sys.exit(f"generate.py: {program} --help-markdown lists no settings")
    return found


def completed(program):
    """[(name, unit, needs_value, help)] of what shells complete; the unit is "" of a switch."""
    found = []
    for name, form, _, text in settings(program):
        needs_value = "[" not in form[:2]
        unit = form[1:] if needs_value else "" if form == "[=0|1]" else form[2:-1]
        found.append((name, unit, needs_value, text))
    return found + [(name, unit, True, text) for name, unit, text in MORE]


def roff(text):
    """Plain text for troff: no line is taken for a request, and a dash stays one."""
    text = text.replace("`", "").replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def man_options(program):
    lines = []
    for name, form, default, text in settings(program):
        shown = default.strip("`")
        lines += [".TP", f'.BI "\\-\\-{roff(name)}" "{roff(form)}"', roff(text) + "."]
        if shown not in ("", "-"):
            lines.append(f"Default: {roff(shown)}.")
    return "\n".join(lines)


def man(program, template):
    version = said(program, "--version").split()[1]
    with open(template, encoding="utf-8") as file:
        text = file.read()
    # tbl, for those who read the page without it being told so
    first = "'\\\" t\n" if "\n.TS\n" in text else ""
    options = man_options(program) if "@OPTIONS@" in text else ""
    print(first + text.replace("@VERSION@", version).replace("@OPTIONS@", options), end="")


def usage(script, name, purpose):
    with tempfile.TemporaryDirectory() as folder:
        link = os.path.join(folder, name)  # the script names itself as it is called
        os.symlink(os.path.abspath(script), link)
        text = said(link, "-h")
    print(f'.TH {name.upper()} 1 "" whiskloop "User Commands"\n.SH NAME\n{roff(name)} \\- {roff(purpose)}\n'
          f".SH SYNOPSIS\n.nf\n{roff(text).rstrip()}\n.fi\n"
          ".SH SEE ALSO\n.BR whiskloop (1)")


def words(unit, name, runtimes):
    """What may follow an option, and whether that is a file."""
    if name == "runtime":
        return ["auto", *runtimes], False
    choice = [word for word in unit.split("|") if word == word.lower()] if "|" in unit else []
    return choice, unit in PLACES


def bash(program, runtimes):
    cases, options = [], [f"--{name}" for name in OTHERS]
    for name, unit, needs_value, _ in completed(program):
        options.append(f"--{name}")
        choice, is_file = words(unit, name, runtimes)
        if is_file:
            cases.append(f"    --{name}) COMPREPLY=($(compgen -f -- \"$word\")); return ;;")
        elif needs_value:
            cases.append(f"    --{name}) COMPREPLY=($(compgen -W '{' '.join(choice)}' -- \"$word\")); return ;;")
    print("# bash completion for whiskloop\n_whiskloop() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n\n"
          "    # --name=value comes as three words\n"
          "    if [[ $before == '=' ]]; then\n        before=${COMP_WORDS[COMP_CWORD - 2]}\n"
          "    elif [[ $word == '=' ]]; then\n        word=\n    fi\n"
          "    COMPREPLY=()\n    case $before in\n" + "\n".join(cases) + "\n    esac\n"
          "    if [[ $word == -* ]]; then\n"
          f"        COMPREPLY=($(compgen -W '{' '.join(options)}' -- \"$word\"))\n"
          "    elif ((COMP_CWORD == 1)); then\n"
          f"        COMPREPLY=($(compgen -W '{' '.join(COMMANDS)}' -- \"$word\"))\n"
          "    else\n        COMPREPLY=($(compgen -f -- \"$word\"))\n    fi\n}\n"
          "complete -o filenames -F _whiskloop whiskloop")


def zsh_text(text):
    return re.sub(r"([\[\]:\\])", r"\\\1", text.replace("`", "")).replace("'", "'\\''")


def zsh(program, runtimes):
    lines = ["#compdef whiskloop", "", "_arguments -S \\"]
    for name, unit, needs_value, text in completed(program):
        choice, is_file = words(unit, name, runtimes)
        action = "_files" if is_file else f"({' '.join(choice)})" if choice else " "
        sign = "=" if needs_value else "=-" if unit else ""
        value = f"{':' if needs_value else '::'}{zsh_text(unit.lower())}:{action}" if unit else ""
        lines.append(f"    '--{name}{sign}[{zsh_text(text)}]{value}' \\")
    lines += [f"    '--{name}[{text}]' \\" for name, text in OTHERS.items()]
    commands = " ".join(f"{name}\\:\"{text}\"" for name, text in COMMANDS.items())
    lines += [f"    '1:command:(({commands}))' \\", "    '*:file:_files'"]
    print("\n".join(lines))


def fish(program, runtimes):
    def quoted(text):
        return "'" + text.replace("`", "").replace("\\", "\\\\").replace("'", "\\'") + "'"

    for name, text in COMMANDS.items():
        print(f"complete -c whiskloop -n __fish_use_subcommand -a {name} -d {quoted(text)}")
    for name, unit, needs_value, text in completed(program):
        choice, is_file = words(unit, name, runtimes)
        more = "" if not needs_value else " -r" if is_file else f" -x -a {quoted(' '.join(choice))}"
        print(f"complete -c whiskloop -l {name}{more} -d {quoted(text)}")
    for name, text in OTHERS.items():
        print(f"complete -c whiskloop -l {name} -d {quoted(text)}")


def main(program, kind, *rest):
    made = {"man": man, "usage": usage, "bash": bash, "zsh": zsh, "fish": fish}[kind]
    if kind in ("man", "usage"):
        made(program, *rest)
    else:
        made(program, rest)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
