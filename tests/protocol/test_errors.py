"""The error tree as both runtimes see it."""

from protocol.errors import CardError, TasdidError
from tests.support.dual import raises, record


def _fail():
    raise CardError("the card left", detail="removed")


def test_a_subclass_is_caught_as_a_tasdid_error_with_its_code():
    error = raises(TasdidError, _fail)
    assert error.code[:3] == "CRD"
    record("text", str(error))
