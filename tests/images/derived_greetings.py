"""A module that a derived image carries, for actions to import."""


def greet(name):
    return "Hello, " + name + "!"
