"""What is told of a payment: result, data read, explanation; and what is written into a trace. No card number beyond its last four digits."""

import json
from pathlib import Path
from typing import Any

from protocol.emv import holder
from protocol.emv.kernel import Result
from protocol.errors import CardError, ConfigError
from protocol.records import OUTCOME_APPROVED, OUTCOME_PROVISIONAL
from tools.emv import applications, explain, facts, mask, record, replay, shapes

HOLDERS = {1: "none", 2: "pin", 3: "online-pin", 4: "signature", 5: "pin-and-signature", 6: "device"}
OUTCOMES = {1: "approved", 2: "provisional", 3: "declined", 4: "interrupted"}


def of(result: Result, steps: list[tuple[bytes, bytes]], lang: str) -> dict[str, Any]:
    """The result as a plain object."""
    found = {
        "interface": result.interface, "kernel": result.kernel,
        "outcome": OUTCOMES.get(result.outcome, ""), "reason": result.reason, "detail": result.detail, "aid": result.aid.hex().upper(),
        "label": result.label, "last4": bytes(result.pan[-4:]).decode(), "tvr": result.tvr.hex().upper(), "tsi": result.tsi.hex().upper(),
        "cvm_results": result.cvm_results.hex().upper(), "oda": result.oda, "cda_ok": result.cda_ok, "cid": f"{result.cid:02X}",
        "signature": holder.signs(result), "holder": _holder(result),
        "atc": result.atc, "auth_code": result.auth_code, "script_results": result.script_results.hex().upper(), "commands": len(steps),
        "data": [list(entry) for entry in replay.data_read(steps)], "explanation": explain.lines(result.explain, lang, result.detail),
        "decisive": explain.decisive(result.explain, lang, result.detail),
    }  # fmt: skip
    if found["signature"]:
        found["to_do"] = explain.texts()["head"]["sign"][lang]
    result.forget()
    return found


def _holder(result: Result) -> str:
    """What verified the cardholder, of a payment that was taken."""
    taken = result.outcome in (OUTCOME_APPROVED, OUTCOME_PROVISIONAL)
    return HOLDERS[holder.verified(result)] if taken else ""


def interrupted(error: CardError, payment: Any, lang: str) -> dict[str, Any]:
    """A payment that the card or its link cut short: nothing is paid; what was sent online is to be reversed."""
    pairs, detail = [("OUTCOME", error.code)], replay.torn_in(payment.steps)
    return {
        "interface": _interface(payment), "outcome": OUTCOMES[4], "reason": error.code, "detail": detail,
        "aid": _application(payment), "commands": len(payment.steps),
        "reversal": payment.online_reply is not None, "data": [list(entry) for entry in replay.data_read(payment.steps)],
        "explanation": explain.lines(pairs, lang, detail), "decisive": explain.decisive(pairs, lang, detail),
        "error": {"code": error.code, "message": error.message, "hint": error.hint},
    }  # fmt: skip


def _application(payment: Any) -> str:
    """The application selected, as anybody may see its name."""
    return applications.shown(record.selected(payment.steps), payment.listed).hex().upper()


def _interface(payment: Any) -> str:
    return "contactless" if payment.contactless else "contact"


def trace_interrupted(error: CardError, payment: Any) -> dict[str, Any]:
    """What `--trace` writes of a payment that was cut short."""
    return {
        **_exchange(payment, record.selected(payment.steps)), "interface": _interface(payment),
        "aid": _application(payment), "outcome": 4, "reason": error.code,
        "detail": replay.torn_in(payment.steps), "explain": [["OUTCOME", error.code]],
    }  # fmt: skip


def trace(result: Result, payment: Any) -> dict[str, Any]:
    """What `--trace` writes: a recording that `replay` reads and an explanation that `explain` reads."""
    printed = facts.printed(result)
    return {
        **_exchange(payment, record.selected(payment.steps)), "interface": result.interface, "kernel": result.kernel,
        "aid": result.aid.hex().upper(), "tvr": result.tvr.hex().upper(), "tsi": result.tsi.hex().upper(),
        "cvm_results": result.cvm_results.hex().upper(), "outcome": result.outcome, "reason": result.reason,
        "detail": result.detail, **{name: printed[name] for name in facts.TOLD},
        "explain": [list(pair) for pair in result.explain],
    }  # fmt: skip


def _exchange(payment: Any, aid: bytes) -> dict[str, Any]:
    """What passed between kernel and card, and what the kernel was given."""
    txn, reply = payment.txn, payment.online_reply
    test = record.is_test(aid)
    return {
        "steps": record.steps_json(payment.steps, aid),
        "terminal": {
            "9F02": f"{txn['amount']:012d}", "5F2A": f"{txn['currency']:04d}", "9F1A": f"{txn['country']:04d}", "9A": txn["date"],
            "9F21": txn["time"], "9C": f"{txn['type']:02X}", "9F41": f"{txn['counter']:08d}", "9F37": payment.un.hex().upper(),
        },
        **({"online": {**reply, "data": bytes(reply.get("data", b"")).hex().upper()}} if test and reply else {}),
        **({"choices": payment.choices} if payment.choices else {}),
        "random": [number.hex().upper() for number in payment.numbers],
        **({"elapsed": payment.elapsed} if payment.contactless else {}),
    }  # fmt: skip


def explanations(path: Path) -> list[dict[str, Any]]:
    """The payments explained in a file: one JSON object, a list of them (`GET /api/events`), or one a line. ConfigError CFG-094."""
    try:
        text = path.read_text()
        entries = [_read(text)] if _whole(text) else [_read(line) for line in text.splitlines() if line.strip()]
        if len(entries) == 1 and isinstance(entries[0], list):
            entries = entries[0]
    except record.TwiceError as error:
        raise ConfigError(
            f"{record.called(path)} says something twice", "CFG-094", "each field may stand once in an object"
        ) from error
    except OSError as error:
        raise ConfigError(f"{record.called(path)} cannot be read", "CFG-094", "check the path") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{record.called(path)} is no trace", "CFG-094", "JSON, or one JSON object a line") from error
    found = [entry for entry in entries if isinstance(entry, dict) and _pairs(entry.get("explain"))]
    if not found:
        raise ConfigError(
            f"{record.called(path)} explains no payment",
            "CFG-094",
            "write one with `tasdid emv pay --trace`, or ask the board for it",
        )
    for entry in found:
        shapes.registers(entry, record.called(path))
    return found


def _read(text: str) -> Any:
    return json.loads(text, object_pairs_hook=record.once)


def _whole(text: str) -> bool:
    try:
        _read(text)
    except ValueError:
        return False
    return True


def _pairs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(p, list) and len(p) == 2 and all(isinstance(w, str) for w in p) for p in value
    )


def told(entry: dict[str, Any], lang: str) -> dict[str, Any]:
    """One payment in words; no digits of a card's number, whatever the trace says."""
    pairs = [(mask.masked(what), mask.masked(why)) for what, why in entry["explain"]]
    detail = entry.get("detail")
    detail = mask.masked(detail) if isinstance(detail, str) else ""
    head = explain.texts()["head"]
    title = f"{head['title'][lang]} - TVR {str(entry.get('tvr', '')).upper()} TSI {str(entry.get('tsi', '')).upper()}"
    return mask.plain(
        {
            "title": title,
            "lines": explain.lines(pairs, lang, detail),
            "decisive": f"{head['decisive'][lang]}: {explain.decisive(pairs, lang, detail)}",
        }
    )
