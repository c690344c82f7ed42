"""Images of eight languages, imitated: compiler, launcher and environment of each (contract 2.7)."""

import pytest

import launchers
from whisk import assert_error

NO_RESULT = "The action did not return a dictionary or array."

# What the reply to a failed function is; the others pass the launcher's object on.
FAILED = {"go": (502, {"error": NO_RESULT}), "swift": (502, {"error": NO_RESULT})}


@pytest.fixture(params=launchers.LANGUAGES)
def image(request, proxy, folder):
    """A started action in one image after the other."""
    one = proxy("--workers", 1, env=launchers.image(folder, request.param))
    one.language = request.param
    one.started("source of the action")
    return one


def logged(one, n):
    """The log of stdout, without the lines that PHP adds; sentinels checked."""
    return [line for line in one.check_streams(n)[0].splitlines() if line]


def test_answers_are_those_of_their_requests(image):
    """Also where the launcher acknowledges without being asked."""
    for number in range(4):
        assert image.run({"do": str(number)}).json == {"done": str(number)}
    assert logged(image, 4) == [f"log of {number}" for number in range(4)]


def test_a_failure_does_no_harm_to_the_next(image):
    """Two lines, blank lines, no JSON: what is over is dropped before the next activation."""
    for number in range(3):
        answer = image.run({"do": "fail"})
        if image.language == "swift" and number == 1:
            assert (answer.status, answer.json) == (200, {"error": "it failed"})
        else:
            wanted = FAILED.get(image.language, (200, {"error": "it failed"}))
            assert (answer.status, answer.json) == wanted
        assert image.run({"do": str(number)}).json == {"done": str(number)}
    image.check_streams(6)


def test_a_death_costs_its_own_activation_only(image):
    """PHP's last words are a line, and go before the death: 502. The others': 400."""
    answer = image.run({"do": "die"})
    if image.language == "php":
        assert_error(answer, 502, NO_RESULT)
    else:
        assert_error(answer, 400, "command exited")
    assert image.run({"do": "again"}).json == {"done": "again"}
    assert logged(image, 2) == ["log of die", "log of again"]


def test_metadata_reaches_the_action(image):
    """The whole line is passed on; launchers make variables of it."""
    answer = image.post("/run", {"value": {"do": "env"}, "activation_id": "abc"})
    assert answer.json == {"env": "abc"}


def test_ten_at_once_are_not_mixed_up(image):
    """Answers have no ids: they are matched by order alone."""
    calls = [image.later(image.run, {"do": f"n{number}"}) for number in range(10)]
    assert [call.result().json for call in calls] == [{"done": f"n{number}"}
                                                      for number in range(10)]
    image.check_streams(10)
