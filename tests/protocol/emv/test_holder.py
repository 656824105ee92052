"""What verified the cardholder, told from a kernel's result."""

from protocol import records as r
from protocol.emv import holder
from protocol.emv.kernel import Result
from tests.protocol.emv.scripted import PIN, Card, aid_entry, body, h, pay


def _told(rules, **how):
    result, _ = pay(Card(fields={"8E": h("0000000000000000" + rules)}), body(aid_entry()), **how)
    return holder.verified(result), holder.signs(result), result.outcome


def test_the_contact_kernels_methods():
    assert _told("1F00") == (r.HOLDER_UNVERIFIED, False, r.OUTCOME_APPROVED)
    assert _told("1E00") == (r.HOLDER_SIGNATURE, True, r.OUTCOME_APPROVED)
    assert _told("0100", pins=(PIN,)) == (r.HOLDER_PIN, False, r.OUTCOME_APPROVED)
    assert _told("0300", pins=(PIN,)) == (r.HOLDER_PIN_SIGNATURE, True, r.OUTCOME_APPROVED)
    assert _told("0000")[:2] == (r.HOLDER_UNVERIFIED, False)


def test_what_the_results_do_not_say_or_say_of_something_else():
    result = Result()
    assert holder.verified(result) == r.HOLDER_UNVERIFIED
    for results, wanted in (("010002", r.HOLDER_PIN), ("420300", r.HOLDER_ONLINE_PIN), ("010001", r.HOLDER_UNVERIFIED)):
        result.cvm_results = h(results)
        assert holder.verified(result) == wanted, results
    result.device, result.cvm_results = True, h("3F0000")
    assert holder.verified(result) == r.HOLDER_DEVICE
    result.signature, result.outcome = True, r.OUTCOME_DECLINED
    assert not holder.signs(result)
