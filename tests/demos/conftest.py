"""What the tests of the demos share: the running app. Engines come from tests/conftest.py."""

import pytest
import serving


@pytest.fixture(scope="session")
def app():
    """The app with SmolLM2, ready; shared with the browser tests."""
    yield serving.running("smollm2-135m-instruct")
    serving.stop_all()


@pytest.fixture(scope="session", params=["toy", "smollm2"])
def engine(request):
    """A byte bigram model without a system turn of its own, and a real one, in turn."""
    return request.getfixturevalue(request.param)
