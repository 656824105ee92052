"""No module of the shared packages uses an idiom that fails or differs silently on MicroPython; each rule bites on its example."""

import pytest

from tools.house.laws import idioms
from tools.house.laws.runtimes import SHARED, only_runtime
from tools.house.paths import ROOT

BAD = {
    "struct": ["import struct", "from struct import pack"],
    "const": ["from micropython import const"],
    "os-error": ["try:\n    f()\nexcept FileNotFoundError:\n    g()", "raise TimeoutError()"],
    "absent-method": ["n.bit_length()", "'7'.zfill(2)", "h.hexdigest()", "memoryview(b'').tobytes()"],
    "absent-attribute": ["time.monotonic()", "os.path.join(a, b)", "from asyncio import Queue", "asyncio.timeout(1)"],
    "sort": ["sorted(x, key=f)", "x.sort(key=f)"],
    "bytes-keywords": ["n.to_bytes(2, byteorder='big')", "int.from_bytes(b, byteorder='big')"],
    "bytes-signed": ["n.to_bytes(2, 'big', True)"],
    "codec": ["s.encode('ascii')", "b.decode('latin-1')", "b.decode('utf-8', errors='replace')"],
    "hex": ["b.hex()", "f(x)[1:].hex().upper()"],
    "f-string": ["f'{f\"{a}\"}'"],
    "open-x": ["open(p, 'xb')", "open(p, mode='x')"],
    "step": ["s[::-1]", "s[::2]"],
    "inverse": ["pow(a, -1, m)"],
    "swallowed": ["try:\n    f()\nexcept:\n    g()", "try:\n    f()\nexcept Exception:\n    pass"],
    "unpacking": ["[*a, 1]", "{**a}", "(*a, 1)"],
    "match": ["match a:\n    case 1:\n        f()"],
    "del-slice": ["del a[:3]"],
    "print-flush": ["print('x', flush=True)"],
    "task-name": ["asyncio.create_task(f(), name='n')"],
    "json-form": ["json.dumps(a, sort_keys=True)"],
    "json-loads": ["json.loads(s)", "json.load(f)"],
    "hook": ["class A:\n    def __del__(self):\n        f()", "class A:\n    __slots__ = ('a',)"],
    "metaclass": ["class A(metaclass=M):\n    x = 1"],
    "raise-from": ["raise A() from b"],
    "assert": ["assert a"],
    "dynamic-import": ["__import__('a')"],
    "simulator": ["if SIMULATOR:\n    f()", "if self.is_simulated:\n    f()"],
}

GOOD = [
    "x: 'int | None' = None\ndef f(a: 'dict[str, int]') -> 'FileNotFoundError': return a[1:2]",
    "n.to_bytes(2, 'big')\nint.from_bytes(b, 'big')\ns.encode()\nb.decode('utf-8')",
    "try:\n    f()\nexcept OSError as e:\n    raise A(str(e)) from None",
    "try:\n    f()\nexcept OSError:\n    pass",
    "a, *b = c\nf(*a, **k)\nopen(p, 'wb')\npow(a, e, m)\ndel a[3]",
    "json.dumps(a)\nlist(d)\ntime.ticks_ms()",
    "sorted(x)\nx.sort()\nx.sort(key=f)  # law: sort the keys are unique numbers",
]


def test_the_shared_packages_use_no_forbidden_idiom():
    found = []
    for package in SHARED:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if only_runtime(name) != "cpython":
                found += [str(offence) for offence in idioms.offences(name, path.read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("rule", "source"), [(rule, source) for rule, sources in BAD.items() for source in sources])
def test_each_rule_bites(rule: str, source: str):
    assert rule in {offence.rule for offence in idioms.offences("protocol/x.py", source)}


@pytest.mark.parametrize("source", GOOD)
def test_lawful_code_passes(source: str):
    assert idioms.offences("protocol/x.py", source) == []


def test_every_rule_has_an_example():
    assert set(BAD) == set(idioms.RULES)


def test_a_waiver_covers_its_own_rule_only():
    assert idioms.offences("protocol/x.py", "sorted(s[::2], key=f)  # law: sort unique") != []
