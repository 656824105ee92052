"""Functions of bytes for tests that hand inputs to both runtimes: whatever a parser raises must be one of the coded errors."""

from protocol.crypto.pure import PureCrypto
from protocol.der import Der
from protocol.errors import TasdidError
from protocol.licence import curves, dg1, dg11, groups, mrz
from protocol.licence.access import active, chip_authentication
from protocol.licence.files import file_length
from protocol.licence.trust import algorithms, crl, security_object, x509


def verify(spki, algorithm, open_hash, data, signature):
    """Whether a signature holds; key and algorithm in DER."""
    key = algorithms.read_public_key(Der(spki))
    return algorithms.verify(PureCrypto(), key, algorithms.read_algorithm(Der(algorithm)), open_hash, data, signature)


def recovered(spki, signature, challenge):
    """Whether a signature of active authentication with RSA belongs to the challenge."""
    key = algorithms.read_public_key(Der(spki))
    return active.recovered(PureCrypto(), key.modulus, key.exponent, signature, challenge)


def field_key(spki):
    """ "accepted" for a finite-field key of chip authentication, or the code and detail of the refusal."""
    try:
        chip_authentication.read_field_key(Der(spki))
    except TasdidError as error:
        return error.code + " " + str(error.detail)
    return "accepted"


def signature_algorithm(der):
    """The kind of a signature's algorithm, or the code of the refusal."""
    try:
        return algorithms.read_algorithm(Der(der)).kind
    except TasdidError as error:
        return error.code


def curve(spki):
    """The name of a key's curve, or the code of the refusal."""
    try:
        return algorithms.read_public_key(Der(spki)).curve
    except TasdidError as error:
        return error.code


def revoked(authority, listed, serials):
    """[whether the authority signed the list, next update, when each serial number was revoked]."""
    issuer, found = x509.parse(authority), crl.parse(listed)
    holds = found.is_of(issuer) and curves.alone(found.signed_steps(PureCrypto(), issuer))
    return [holds, found.next_update] + [found.revoked_at(serial) for serial in serials]


def verdict_on_bytes(data):
    """Offer `data` to every parser; the codes of what they raise. Anything that is not a coded error gets out."""
    codes = []
    for parse in (
        dg1.parse,
        dg11.parse,
        groups.common_data,
        groups.portrait_image,
        security_object.parse,
        x509.parse,
        crl.parse,
        head,
        key,
        algorithm,
        name,
        text,
    ):
        try:
            parse(data)
            codes.append("accepted")
        except TasdidError as error:
            codes.append(error.code)
    return codes


def head(data):
    return file_length(data, data[0] if data else 0)


def key(data):
    return algorithms.read_public_key(Der(data))


def algorithm(data):
    return algorithms.read_algorithm(Der(data))


def name(data):
    return x509.name_parts(Der(data).next())


def text(data):
    return mrz.parse("".join([chr(byte) for byte in data]))


def mutate(data, at, value):
    """`data` with one byte set, offered to every parser."""
    changed = bytearray(data)
    changed[at % len(changed)] = value
    return verdict_on_bytes(bytes(changed))
