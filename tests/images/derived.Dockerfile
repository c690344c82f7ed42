# What a user writes to put a module of his own into an image: one COPY.
FROM whiskloop/python3-tiny:latest
COPY tests/images/derived_greetings.py /usr/lib/python3/dist-packages/
