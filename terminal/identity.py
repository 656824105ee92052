"""Who this device is: what provisioning wrote once and nothing on the device changes. File `device/identity`, CBOR with text keys.

device     text, "TSD-000001"            ksn_id   bytes 8, initial key id of X9.24-3
keys       {role: P-256 point, 65 bytes}  roles: "ack", "cmd", "set-tariff", "set-emv", "set-trust", "set-officers", "set-limits"
authority  {"ar": text, "fr": text}       wilaya   1..69
force      1 police, 2 gendarmerie        place    text
"""

from protocol import cbor
from protocol.errors import ConfigError

_FIELDS = ("device", "keys", "authority", "wilaya", "force", "place", "ksn_id")


class Identity:
    """The device's identity."""

    def __init__(self, body: dict) -> None:
        for name in _FIELDS:
            if name not in body:
                raise ConfigError("the device has no complete identity", "CFG-090", "provision it", name)
        self.device: str = body["device"]
        self.keys: dict = body["keys"]
        self.authority: dict = body["authority"]
        self.wilaya: int = body["wilaya"]
        self.force: int = body["force"]
        self.place: str = body["place"]
        self.ksn_id: bytes = body["ksn_id"]

    def key(self, role: str) -> bytes:
        """The pinned public key of a role."""
        if role not in self.keys:
            raise ConfigError("the device holds no key for this role", "CFG-091", "provision it", role)
        return self.keys[role]


def load(storage) -> Identity:  # noqa: ANN001 - any Storage
    """Read the identity. Raises ConfigError CFG-090 when the device was never provisioned."""
    if storage.size("device/identity") < 0:
        raise ConfigError("the device was never provisioned", "CFG-090", "provision it")
    return Identity(cbor.decode(storage.read("device/identity")))
