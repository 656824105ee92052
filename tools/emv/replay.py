"""The kernel against a recorded exchange: the recording plays the card, and every difference between the two is named.

A command that the recording does not have is answered with the next recorded answer to the same instruction and parameters, if there is one;
then the kernel sees what that card said to somebody else's question. Where there is none, the replay ends there and says so. VERIFY is compared
by its header only, since recordings mask it.
"""

import hashlib
from typing import Any

from protocol import tlv
from protocol.crypto.native import NativeCrypto
from protocol.emv import tags
from protocol.emv.contactless import entry
from protocol.emv.contactless.torn import TornLog
from protocol.emv.kernel import Result, transact
from protocol.emv.steps import records
from protocol.errors import CardError, CardRemovedError, EmvError, FormatError
from tools.emv import applications, facts, holder, issuer, mask, record
from tools.emv import params as parameters
from tools.emv.explain import NAMES

_DEFAULTS = {
    0x9F02: "000000000000",
    0x9A: "260101",
    0x9F21: "000000",
    0x5F2A: "0012",
    0x9F1A: "0012",
    0x9C: "00",
    0x9F37: "00000000",
    0x9F41: "00000001",
}


class Replay:
    """One recording; `run` gives the kernel's result (None if the recording ended too early). `differences` are sentences.

    `assumed`: sentences too, of what the recording does not say and was played one way of two, and of what it says and nothing came of.
    `interrupted`: the card left in the recording's last step, as the recording says it did.
    """

    def __init__(self, recording: dict[str, Any], known: dict[str, Any] | None = None) -> None:
        self._steps: list[tuple[bytes, bytes]] = recording["steps"]
        self._recording = recording
        self._known = known
        self._at = 0
        self.differences: list[str] = []
        self.assumed: list[str] = []
        self.asked = 0
        self.interrupted = False
        self._numbers = [bytes.fromhex(number) for number in recording.get("random", ())]
        self._choices = list(recording.get("choices", ()))
        self._offered: list[bytes] | None = None
        self._tapped = any(record.parsed(command)[1].startswith(b"2PAY") for command, _ in self._steps)
        self._before_any_card = not self._steps and recording.get("interface") == "contactless"  # over the limit
        self._tapped = self._tapped or self._before_any_card
        self._elapsed = list(recording.get("elapsed", ()))
        self._timed = 0
        self._asked_issuer = False
        self._first = b""
        self._held = facts.Held(recording["terminal"], self._tapped)
        self.terminal = {tag: bytes.fromhex(value) for tag, value in _DEFAULTS.items()} | recording["terminal"]

    def run(self) -> Result | None:
        """Run the kernel to its end."""
        tapped = self._tapped
        number = self._numbers.pop(0) if self._numbers else self._first_number() if tapped else self.terminal[0x9F37]
        self._first = number
        arguments = (self._txn(), self._params(), NativeCrypto(), number)
        machine = entry.transact(*arguments, TornLog()) if tapped else transact(*arguments)
        answer: Any = None
        lost: CardError | None = None
        try:
            while True:
                request = machine.send(answer) if lost is None else machine.throw(lost)
                lost = None
                self._held.watch(machine, request)
                if request[0] in ("apdu", "timed_apdu"):
                    answer = self._card(record.masked(bytes(request[1])))
                    lost = None if answer else CardRemovedError("the card left in this step of the recording")
                    if request[0] == "timed_apdu" and answer:  # the step in which the card left has no time
                        answer = (answer, self._time())
                else:
                    answer = self._person(request)
        except StopIteration as stop:
            result: Result = stop.value
            result.aid = applications.shown(result.aid, self._entries())
        except CardError as error:
            torn = bool(self._steps) and self._at == len(self._steps) and not self._steps[-1][1]
            self.interrupted = torn and self._recording.get("outcome") == 4
            if self.interrupted:
                self._compare_torn(tapped)
            else:
                self.differences.append(str(error.message))
            return None
        for step in self._steps[self._at :]:
            self.differences.append(f"the recording goes on with {named(step[0])}, the kernel has ended")
        self._compare(result)
        return result

    def _card(self, command: bytes) -> bytes:
        self.asked += 1
        header = record.parsed(command)[0]
        ahead = range(self._at, len(self._steps))
        exact = next((i for i in ahead if _same(command, self._steps[i][0])), None)
        found = exact
        if found is None:  # the same question with other data, or GENERATE AC asking for another cryptogram
            size = 2 if header[1:2] == b"\xae" else 4
            found = next((i for i in ahead if self._steps[i][0][:size] == header[:size]), None)
        if found is None:
            raise CardError(
                f"the kernel sends {named(command)} as command {self.asked}, the recording has no answer to it"
            )
        for i in range(self._at, found):
            self.differences.append(
                f"the recording has {named(self._steps[i][0])} as step {i + 1}, the kernel does not send it"
            )
        if exact is None:
            self.differences.append(
                f"step {found + 1}, {named(command)}: {_data_difference(command, self._steps[found][0])}"
            )
        self._at = found + 1
        return self._steps[found][1]

    def _time(self) -> int:
        """How long the next relay resistance exchange took."""
        self._timed += 1
        if self._elapsed:
            return self._elapsed.pop(0)
        self.assumed.append(
            f"relay resistance exchange {self._timed}: how long it took is not recorded, played as no time"
        )
        return 0

    def _person(self, request: tuple[Any, ...]) -> Any:
        """What a cardholder, an issuer or a generator answers: as the recording suggests."""
        if request[0] == "choose":
            return self._choice(len(request[1]))
        if request[0] == "random":
            return self._next_number(request[1])
        if request[0] == "pin":
            return bytearray(b"0000") if holder.gave_pin(self._steps, self._at) else None
        if request[0] == "again":
            return True if self._at < len(self._steps) else None
        if request[0] == "online_pin":
            return self._online_pin()
        if request[0] == "online":
            self._asked_issuer = True
            reply = self._recording["online"] if "online" in self._recording else self._answer()
            if not isinstance(reply, dict):
                return None
            return {**reply, "data": bytes.fromhex(reply.get("data", ""))}
        return None

    def _answer(self) -> dict[str, Any] | None:
        """What the issuer answered, where the recording does not have its answer whole."""
        code, authorised = self._recording.get("arc", ""), {"auth_code": self._recording.get("auth_code", "")}
        if self._tapped:
            if code:
                return {"arc": code, **authorised}
            if "reason" not in self._recording:
                self.assumed.append("an issuer's answer after the tap is in no command: played as unable to go online")
            return None
        reply = issuer.answer(self._steps, self._at)
        return None if reply is None else {**reply, **authorised}

    def _choice(self, offered: int) -> int:
        """The application taken of so many: as recorded, or as the next SELECT shows."""
        if not self._choices:
            return min(self._taken(), offered - 1)
        taken = self._choices.pop(0)
        if taken >= offered:
            self.differences.append(f"choice {taken}, recorded from 0, the kernel offers {offered} applications")
        return min(taken, offered - 1)

    def _taken(self) -> int:
        """The place of the application that the recording selects next, among those that the kernel has not tried yet."""
        if self._offered is None:
            again = Replay(self._recording, self._known)
            self._offered = applications.offered(self._txn(), self._params(), again._card)
        place = applications.taken(self._steps, self._at, self._offered)
        del self._offered[place : place + 1]
        return place

    def _online_pin(self) -> bool | None:
        """Whether the issuer's PIN was entered: of a tap the decision says it, where the trace has one, of a chip the CVM results or the commands."""
        results = bytes.fromhex(self._recording.get("cvm_results", ""))
        entered = None
        if self._tapped:
            if "reason" in self._recording:
                entered = (self._recording["reason"], self._recording.get("detail")) != ("EMV-113", "pin")
        else:
            entered = holder.online_pin_in(results) if results else holder.gave_online_pin(self._steps)
        if entered is None:
            self.assumed.append("whether a PIN for the issuer was entered is in no command: played as not entered")
        return entered or None

    def _next_number(self, count: int) -> bytes:
        """A kernel's own unpredictable number: as recorded, or as the next relay resistance exchange sent it, or the terminal's."""
        if self._numbers and len(self._numbers[0]) == count:
            return self._numbers.pop(0)
        upcoming = [record.parsed(c) for c, _ in self._steps[self._at : self._at + 1]]
        for header, data in upcoming:
            if header[:2] == b"\x80\xea" and len(data) == count:
                return data
        return self.terminal[0x9F37] if count == 4 else bytes(count)

    def _first_number(self) -> bytes:
        """The number that GET PROCESSING OPTIONS sent, where the card asked for one: Kernel 2 may have drawn another one later."""
        dol = b""
        for command, response in self._steps:
            header, data = record.parsed(command)
            try:
                if header[1:2] == b"\xa4":
                    dol = next((bytes(v) for _, tag, v in tlv.walk(response[:-2]) if tag == tags.PDOL), b"")
                elif header[:2] == b"\x80\xa8":
                    sent, at = tags.only(data, 0x83), 0
                    for tag, size in tags.parse_dol(dol):
                        if tag == tags.UN and size == 4 and len(sent) >= at + 4:
                            return bytes(sent[at : at + 4])
                        at += size
            except (FormatError, EmvError):
                continue
        return self.terminal[0x9F37]

    def _txn(self) -> dict[str, Any]:
        value = self.terminal
        number = {tag: int(value[tag].hex()) for tag in (0x9F02, 0x5F2A, 0x9F1A, 0x9F41)}
        txn: dict[str, Any] = {
            "amount": number[0x9F02], "currency": number[0x5F2A], "country": number[0x9F1A], "counter": number[0x9F41],
            "date": value[0x9A].hex(), "time": value[0x9F21].hex(), "type": value[0x9C][0],
        }  # fmt: skip
        for tag, name in ((0x9F1C, "terminal_id"), (0x9F16, "merchant_id"), (0x9F1E, "serial"), (0x9F4E, "merchant")):
            if tag in value:
                txn[name] = value[tag].decode("ascii", "replace")
        return txn

    def _params(self) -> Any:
        """Applications: those that the recording selects by name, in that order, or its directory names; no directory if it never asks for one."""
        directory = any(record.parsed(c)[1].startswith(b"1PAY") for c, _ in self._steps)
        aids = applications.known_to(self._steps, self._entries())
        if self._before_any_card:
            aids = self._entries()
        if not aids:
            raise EmvError("the recording selects no application", "EMV-110")
        return parameters.recorded(self.terminal, aids, {"pse": directory, **(self._known or {})})

    def _entries(self) -> list[bytes]:
        """The entries of the terminal's list for this interface: of the set, and what the recording says of its application."""
        listed = [
            bytes(entry["aid"]) for entry in (self._known or {}).get("contactless" if self._tapped else "aids", [])
        ]
        said = bytes.fromhex(self._recording.get("aid", ""))
        return [*listed, said] if 5 <= len(said) <= 16 else listed

    def _compare(self, result: Result) -> None:
        """Every fact of the result that the recording has."""
        for name in ("tvr", "tsi", "cvm_results", "aid"):
            said = self._recording.get(name)
            here = getattr(result, name).hex().upper()
            if said is not None and said.upper() != here:
                self.differences.append(f"{name.upper()} {here}, recorded {said.upper()}")
        for name in ("outcome", "reason", "detail", "interface", "kernel"):
            if name in self._recording and self._recording[name] != getattr(result, name):
                self.differences.append(f"{name} {getattr(result, name)}, recorded {self._recording[name]}")
        for name, here in facts.printed(result).items():
            said = self._recording.get(name, here)
            if (said.upper() if name in ("cid", "script_results") else said) != here:
                self.differences.append(f"{name} {here}, recorded {said}")
        self._compare_objects(result)
        self._compare_lines([list(pair) for pair in result.explain])
        self._compare_unused()

    def _compare_torn(self, tapped: bool) -> None:
        """What a recording that was cut short says of itself: the code of the link is all that the kernel cannot know."""
        selected = applications.shown(record.selected(self._steps), self._entries())
        known = {
            "interface": "contactless" if tapped else "contact", "aid": selected.hex().upper(),
            "detail": torn_in(self._steps),
        }  # fmt: skip
        for name, here in known.items():
            said = self._recording.get(name, here)
            if (said.upper() if name == "aid" else said) != here:
                self.differences.append(f"{name} {here}, recorded {said}")
        self.differences += [
            f"{name}: recorded, a payment that was cut short has none"
            for name in ("tvr", "tsi", "cvm_results", "kernel", *facts.PRINTED)
            if name in self._recording
        ]
        self._compare_objects(None)
        self._compare_number(self._first)  # a trace cut short has the number that was drawn first
        self._compare_lines([["OUTCOME", self._recording.get("reason", "")]])
        self._compare_unused()

    def _compare_objects(self, result: Result | None) -> None:
        """What stands under "terminal"."""
        differences, unused = self._held.compare(result, self._entries())
        self.differences += differences
        self.assumed += unused

    def _compare_number(self, here: bytes) -> None:
        """The unpredictable number under "terminal", where "random" says what was drawn."""
        said = self._recording["terminal"].get(0x9F37)
        if "random" in self._recording and said is not None and said != here:
            self.differences.append(f"terminal 9F37 {here.hex().upper()}, recorded {said.hex().upper()}")

    def _compare_unused(self) -> None:
        """What somebody or something answered in the recording, and the kernel did not ask for; values are not repeated."""
        for name, left in (("random", self._numbers), ("choices", self._choices), ("elapsed", self._elapsed)):
            first = len(self._recording.get(name, ())) - len(left) + 1
            self.differences += [
                f"{name}, entry {first + at}: recorded, the kernel does not ask for it" for at in range(len(left))
            ]
        if self._recording.get("online") is not None and not self._asked_issuer:
            self.differences.append("online: an issuer's answer is recorded, the kernel does not ask for it")

    def _compare_lines(self, here: list[list[str]]) -> None:
        said = self._recording.get("explain")
        if said is None or said == here:
            return
        at = next((i for i, pair in enumerate(here) if said[i : i + 1] != [pair]), len(here))
        what = " ".join(here[at]) if at < len(here) else "nothing more"
        recorded = " ".join(said[at]) if at < len(said) else "nothing more"
        self.differences.append(f"explanation, line {at + 1}: {what}, recorded {recorded}")


def _same(sent: bytes, kept: bytes) -> bool:
    """Whether a kept command is the one sent; VERIFY by header, an Le at the end does not count."""
    if sent[1:2] == b"\x20":
        return sent[:4] == kept[:4]
    return record.parsed(sent) == record.parsed(kept)


_INS = {
    0xA4: "SELECT", 0xB2: "READ RECORD", 0xA8: "GET PROCESSING OPTIONS", 0xAE: "GENERATE AC", 0x88: "INTERNAL AUTHENTICATE",
    0x82: "EXTERNAL AUTHENTICATE", 0x20: "VERIFY", 0xCA: "GET DATA", 0x84: "GET CHALLENGE", 0xC0: "GET RESPONSE",
    0xEA: "EXCHANGE RELAY RESISTANCE DATA",
}  # fmt: skip


def named(command: bytes) -> str:
    """ "READ RECORD 01 0C" """
    known = _INS.get(command[1] if len(command) > 1 else -1, "command")
    return f"{known} {command[2:4].hex(' ').upper()}"


def torn_in(steps: list[tuple[bytes, bytes]]) -> str:
    """The last command that asked something; GET RESPONSE only fetches the answer to the one before."""
    asked = [command for command, _ in steps if command[1:2] != b"\xc0"]
    return named((asked or [steps[-1][0]])[-1])


def _data_difference(sent: bytes, kept: bytes) -> str:
    """Where two commands of one header differ, by offset; values only as hashes, since data may be anything."""
    ours, theirs = record.parsed(sent)[1], record.parsed(kept)[1]
    if sent[:4] != kept[:4]:
        return f"the recording has {named(kept)}"
    if len(ours) != len(theirs):
        return f"{len(ours)} bytes of data sent, {len(theirs)} recorded"
    places = [i for i in range(len(ours)) if ours[i] != theirs[i]]
    mark = hashlib.sha256(theirs).hexdigest()[:8]
    return f"data differ at byte {' and '.join(str(i) for i in places[:8])} of {len(ours)} (recorded {mark})"


def _locates(tag: int, value: bytes) -> bool:
    """Whether it is an application file locator: most are decimal digits only."""
    try:
        return tag == tags.AFL and bool(records.parse_afl(value))
    except EmvError:
        return False


def data_read(steps: list[tuple[bytes, bytes]]) -> list[tuple[str, str, str]]:
    """(tag, name, value or its length) of what the card gave, in order; what identifies card or holder is not shown."""
    found: list[tuple[str, str, str]] = []
    for _, response in steps:
        try:
            for _, tag, value in tlv.walk(response[:-2]):
                if not tlv.is_constructed(tag):
                    name = tags.name(tag)
                    hidden = (
                        name in facts.SECRET
                        or len(value) > 32
                        or (name in facts.NAMES and facts.numbered(bytes(value)))
                    )
                    told = bytes(value).hex() if name in NAMES else name + bytes(value).hex()  # they stand side by side
                    hidden = hidden or (mask.suspicious(told) and not _locates(tag, bytes(value)))
                    shown = f"{len(value)} bytes" if hidden else bytes(value).hex().upper()
                    found.append((name, NAMES.get(name, ""), shown))
        except FormatError:
            continue  # not TLV: format 1, or nothing
    return found
