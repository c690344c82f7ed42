# python3 extended by apt and by pip; from a folder, as the tests must do without an index.
FROM whiskloop/python3:latest
USER 0:0
RUN install-packages python3-pip
COPY tests/images/derived_greetings.py /src/
RUN printf '[project]\nname = "derived-greetings"\nversion = "1"\n' >/src/pyproject.toml \
 && pip install --no-index --no-build-isolation --no-deps /src
USER 1000:1000
