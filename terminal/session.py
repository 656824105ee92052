"""One signed exchange with the server: sign, send, verify the reply's signature, role, nonce, device and epoch (`protocol.sync`).

SRV-070 reply not bound to this session, SRV-071 refused by the server, SRV-067 since this terminal is blocked, NET-005 reply malformed, NET-006
not signed by the server.
"""

from drivers.contracts.secure_element import SLOT_DEVICE_KEY
from protocol import cbor, cose
from protocol import sync as m
from protocol.errors import CryptoError, FormatError, NetworkError, ServerError

TIMEOUT_MS = 8000
FIRMWARE = "0.1.0"


async def exchange(t, content_type: str, payload: dict, expected: str, timeout_ms: int = TIMEOUT_MS) -> dict:  # noqa: ANN001 - Terminal
    """Send `payload` (which holds NONCE and EPOCH) and return the payload of the reply of type `expected`.

    `t.reached` says from then on whether there was one. Raises NetworkError, ServerError.
    """
    body = cbor.encode(payload)
    protected, digest = cose.sign1_prepare({1: -7, 3: content_type, 4: t.identity.device.encode()}, body)
    signature = await t.ports.se.sign(SLOT_DEVICE_KEY, digest)
    t.reached = False  # until the server's word is there
    reply = await t.ports.network.post(
        m.PATH, cose.sign1_assemble(protected, {}, body, signature, tagged=False), timeout_ms
    )
    try:
        sign1 = cose.sign1_parse(reply)
        kind = sign1.protected.get(3)
        message = cbor.decode(sign1.payload or b"")
        cose.sign1_verify(t.ports.crypto, sign1, t.identity.key("ack"), expected_content_type=kind)
        if not isinstance(message, dict):
            raise TypeError
        bound = message[m.NONCE] == payload[m.NONCE] and message[m.DEVICE] == t.identity.device
    except (FormatError, KeyError, TypeError):
        raise NetworkError("the server's reply is malformed", "NET-005") from None
    except CryptoError:
        raise NetworkError("the server's reply is not signed by the server", "NET-006") from None
    if not bound:
        raise ServerError("the server's reply belongs to another session", "SRV-070")
    t.reached = True
    if kind == m.TYPE_REFUSED:
        why = message.get(m.CODE)
        code = "SRV-067" if why == "SRV-067" else "SRV-071"
        raise ServerError("the server refuses: " + str(why), code, "call the centre", why)
    if kind != expected or message.get(m.EPOCH) != payload[m.EPOCH]:
        raise ServerError("the server's reply answers another question", "SRV-070")
    return message


async def hello(t, extra: "dict | None" = None, timeout_ms: int = TIMEOUT_MS) -> dict:  # noqa: ANN001
    """HELLO with a fresh nonce, and with `extra` fields: WELCOME's payload, whose NONCE binds what follows.

    Raises NetworkError, ServerError.
    """
    journal = t.journal
    utc, quality = t.ports.clock.now()
    payload = {
        m.NONCE: await t.ports.se.random(8),
        m.EPOCH: journal.epoch,
        m.HEAD_SEQ: journal.head_seq,
        m.HEAD_HASH: journal.head_hash,
        m.FIRST_RETAINED: journal.first_retained,
        m.FIRMWARE: FIRMWARE,
        m.SETS: _numbered(t.parameters.versions()),
        m.UTC: utc,
        m.CLOCK: quality,
        m.HEALTH: {},
        m.FORM: m.SHORT_FORM,
    }
    if extra:
        payload.update(extra)
    return await exchange(t, m.TYPE_HELLO, payload, m.TYPE_WELCOME, timeout_ms)


def _numbered(versions: "dict[str, int]") -> dict:
    """{place in SET_KINDS, or the name of a kind that is not there: version}."""
    out = {}
    for kind in versions:
        out[m.SET_KINDS.index(kind) if kind in m.SET_KINDS else kind] = versions[kind]
    return out
