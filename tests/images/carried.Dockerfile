# What a user writes to put his action itself into an image: one COPY, and no /init is needed.
FROM whiskloop/python3-tiny:latest
COPY tests/images/carried_action.py /action/__main__.py
