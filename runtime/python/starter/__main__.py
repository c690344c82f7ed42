def main(args):
    name = args.get("name", "World")
    print("greeting", name)
    return {"greeting": f"Hello, {name}!"}
