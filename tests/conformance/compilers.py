"""Compilers of our own that behave as those of the ActionLoop images do, as shell scripts."""

# Called as COMPILER MAIN SRC BIN, silent when all is well.
HEAD = "#!/bin/bash\nset -eu\nmain=$1 src=$2 bin=$3\n"

# What a compiled action is: answers with what it was made of, and by whom.
PROGRAM = """cat > "$bin/exec" <<END
#!/bin/bash
while read -r line; do
    echo '{"main":"$main","made":"'"$made"'","from":"'"$from"'"}' >&3
done
END
"""


def write(folder, body, name="compile"):
    """The compiler as an executable file; its path, for OW_COMPILER."""
    path = folder / name
    path.write_text(HEAD + body)
    path.chmod(0o755)
    return str(path)


def program(made="compiled"):
    """Fill the folder with a program that tells `made` and the first line of src/exec."""
    return (f"made={made}\n"
            "from=$(head -n 1 \"$src/exec\" 2>/dev/null || ls \"$src\" | tr '\\n' ' ')\n" + PROGRAM)


def image(compiler, **more):
    """The environment of an image that has this compiler."""
    return {"OW_COMPILER": compiler, **more}
