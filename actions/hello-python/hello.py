"""hello - a Python action: a dictionary in, a dictionary out.

Publish it with `bin/init.sh actions/hello-python/hello.py`. Try it without a proxy:

    echo '{"value":{"name":"Mike"}}' | runtime/python/launcher.py actions/hello-python/hello.py
"""


def main(args):
    name = args.get("name", "World")
    return {"greeting": f"Hello, {name}!"}
