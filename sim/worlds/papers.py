"""A printed receipt looked at as a citizen would: the picture's QR code read with zxing, the claim checked with the published key list."""

import json
from pathlib import Path

import zxingcpp
from PIL import Image

from protocol import claim_reader
from protocol.crypto.native import NativeCrypto
from protocol.errors import TasdidError


def qr_text(picture: Path) -> str:
    """The text of the one QR code in a picture; empty if there is none."""
    with Image.open(picture) as image:
        found = zxingcpp.read_barcodes(image.convert("L"), formats=zxingcpp.BarcodeFormat.QRCode)  # pyright: ignore[reportArgumentType]
    return found[0].text if len(found) == 1 else ""


def read_claim(picture: Path, keys: Path) -> claim_reader.Claim | None:
    """The verified claim of a receipt's picture, None if there is none that holds. `keys`: JSON {device: public key, hex}."""
    try:
        text = qr_text(picture)
        device = claim_reader.claim_parse(text).kid
        public = json.loads(keys.read_text()).get(device)
        return claim_reader.claim_verify(NativeCrypto(), text, bytes.fromhex(public)) if public else None
    except TasdidError:
        return None
