"""An action that an image carries."""


def main(args):
    print("greeting " + args["name"])
    return {"text": "Hello, " + args["name"] + "!"}
