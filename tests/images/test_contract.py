"""The conformance suite's cases that ask for no more than HTTP and the logs, through containers."""

# pylint: disable=unused-wildcard-import,wildcard-import
from test_basic import *  # noqa: F401,F403
from test_python import *  # noqa: F401,F403
