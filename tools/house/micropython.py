"""Fetches MicroPython 1.25 (32-bit and 64-bit) out of Debian 13 ("trixie") into the cache folder, without installing it.

Debian 12 has no MicroPython, and trixie's needs a newer libc than Debian 12's: so the packages are only unpacked and started
through their own loader. The mirror is the one apt is configured with when this runs. The packages pinned in `micropython.lock`
(name, architecture, version, SHA-256, source) are taken straight from its pool, each only with the pinned digest: that needs no
index, which a mirror in mid-synchronisation may not have whole. Where a pinned package is gone, apt, with a private state folder,
fetches what the suite has now and checks the archive's signature against the machine's Debian keyring and each package against the
signed index; if apt could not vouch for the index (an old keyring), only packages whose pinned digest fits are accepted.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.house import stamps
from tools.house.errors import HouseError, MissingPart, UntrustedDownload
from tools.house.paths import HOUSE, MICROPYTHON_VERSION, cache_dir, micropython_dir

LOCK = HOUSE / "micropython.lock"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
SUITE = "trixie"
ARCHES = {32: "i386", 64: "amd64"}
PACKAGES = ("micropython", "libc6", "libffi8", "libmbedcrypto16", "libmbedtls21", "libmbedx509-7", "libgcc-s1")
APT_HELPER = "/usr/lib/apt/apt-helper"
APT_TIMEOUT = 300


def mirror() -> str:
    """The address of the Debian mirror that apt is configured with (never written into a file of this project)."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(CREATED_BY)|$(REPO_URI)"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    found = [line.split("|")[3] for line in targets.splitlines() if line.startswith("Debian|Debian|Packages|")]
    found = found or _mirror_before_first_update()
    if not found:
        raise MissingPart(
            "H-APT-MIRROR",
            "apt is configured with no Debian mirror",
            "configure one in apt's sources, then `make setup`",
        )
    return found[0]


def _mirror_before_first_update() -> "list[str]":
    """Addresses from apt's sources when no index was ever fetched, so apt cannot name the origin; security mirrors left out."""
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CREATED_BY)|$(CODENAME)|$(RELEASE)|$(REPO_URI)"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    rows = [line.split("|") for line in targets.splitlines()]
    return [row[3] for row in rows if row[0] == "Packages" and row[3].rstrip("/").endswith("/debian")]


def locked() -> "dict[tuple[str, str], tuple[str, str]]":
    """The pins: (package, architecture) → (version, SHA-256 in hex)."""
    pins = {}
    for line in LOCK.read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            name, arch, version, sha256, _ = words
            pins[(name, arch)] = (version, sha256)
    return pins


def pool_paths(arch: str) -> "dict[str, tuple[str, str]]":
    """Where a Debian mirror keeps the pinned packages of an architecture: path below the mirror → (file name, SHA-256)."""
    paths = {}
    for line in LOCK.read_text().splitlines():
        words = line.split("#")[0].split()
        if words and words[1] == arch:
            name, _, version, sha256, source = words
            initial = source[:4] if source.startswith("lib") else source[0]
            file = f"{name}_{version.split(':', 1)[-1]}_{arch}.deb"
            paths[f"pool/main/{initial}/{source}/{file}"] = (file, sha256)
    return paths


def ensure(log=print) -> "list[str]":
    """Fetch what is missing; returns sentences about what had to be left out. Raises HouseError on failure."""
    value = stamps.digest(LOCK, MICROPYTHON_VERSION, " ".join(PACKAGES))
    wanted = [bits for bits in ARCHES if not stamps.is_current(micropython_dir(bits) / ".stamp", value)]
    if wanted:
        for tool in ("apt-get", "dpkg-deb"):
            if shutil.which(tool) is None:
                raise MissingPart(
                    "H-MPY-NOAPT", f"{tool} is missing, so MicroPython cannot be fetched", "use Debian 12 or 13"
                )
        log(
            f"MicroPython {MICROPYTHON_VERSION} ({', '.join(str(b) for b in wanted)}-bit) is fetched from Debian {SUITE}"
        )
        _fetch(wanted, value, log)
    return [sentence for bits in ARCHES for sentence in _complaint(bits)]


def _complaint(bits: int) -> "list[str]":
    """Why the unpacked MicroPython of that width does not run here, as at most one sentence."""
    from tools.house.toolchain import micropython_command, try_micropython

    try:
        micropython_command(bits)
    except HouseError as error:
        return [str(error)]
    trouble = try_micropython(bits)
    return [f"{bits}-bit MicroPython cannot run on this machine ({trouble}): its tests are skipped"] if trouble else []


def _fetch(widths: "list[int]", value: str, log) -> None:
    work = cache_dir() / "micropython" / f"fetch-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    try:
        signed = None
        for bits in widths:
            debs = _pinned(work / "pool", ARCHES[bits])
            if debs is None:
                if signed is None:
                    log("  a pinned package is no longer in the mirror's pool: the suite's index is fetched")
                    signed = _update_private_index(work, [ARCHES[width] for width in widths])
                debs = _download(work, ARCHES[bits])
            _check(debs, ARCHES[bits], signed is True, log)
            _unpack(debs, micropython_dir(bits), value)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _pinned(folder: Path, arch: str) -> "list[Path] | None":
    """The pinned packages out of the mirror's pool, None if one is not to be had with its digest."""
    folder.mkdir(parents=True, exist_ok=True)
    base, debs = mirror().rstrip("/"), []
    for path, (file, sha256) in pool_paths(arch).items():
        command = [
            APT_HELPER,
            "-o",
            "APT::Sandbox::User=root",
            "download-file",
            f"{base}/{path}",
            str(folder / file),
            f"SHA256:{sha256}",
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=APT_TIMEOUT, check=False)
        if done.returncode != 0:
            return None
        debs.append(folder / file)
    return debs


def _apt(work: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run apt-get on a private state folder: it knows only trixie and touches nothing of the system's."""
    # A private folder owned by root cannot be entered by apt's `_apt` user: keep the sandbox user root.
    settings = {
        "Dir::State": str(work / "state"),
        "Dir::State::status": str(work / "status"),
        "Dir::Cache": str(work / "cache"),
        "Dir::Etc::sourcelist": str(work / "sources.list"),
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": "/dev/null",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "APT::Install-Recommends": "false",
    }
    options = [part for key, text in settings.items() for part in ("-o", f"{key}={text}")]
    return subprocess.run(
        ["apt-get", *options, *words], cwd=work, capture_output=True, text=True, timeout=APT_TIMEOUT, check=False
    )


def _update_private_index(work: Path, arches: "list[str]") -> bool:
    """Fetch trixie's index; True if its signature was checked, False if this machine's keyring cannot check it."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (work / folder).mkdir(parents=True)
    (work / "status").touch()
    line = "deb [arch={} {}] {} {} main\n"
    source = work / "sources.list"
    source.write_text(line.format(",".join(arches), f"signed-by={KEYRING}", mirror(), SUITE))
    result = _apt(work, "update", "--error-on=any")
    if result.returncode == 0 and KEYRING.is_file():
        return True
    if "NO_PUBKEY" not in result.stderr and "Signed-By" not in result.stderr and KEYRING.is_file():
        raise HouseError(
            "H-MPY-INDEX", _last_line(result.stderr), "check that apt reaches its mirror, then `make setup` again"
        )
    source.write_text(line.format(",".join(arches), "trusted=yes", mirror(), SUITE))
    result = _apt(work, "update", "--error-on=any")
    if result.returncode != 0:
        raise HouseError(
            "H-MPY-INDEX", _last_line(result.stderr), "check that apt reaches its mirror, then `make setup` again"
        )
    return False


def _download(work: Path, arch: str) -> "list[Path]":
    folder = work / arch
    folder.mkdir()
    result = _apt(work, "download", *(f"{name}:{arch}" for name in PACKAGES))
    if result.returncode != 0:
        raise HouseError(
            "H-MPY-DOWNLOAD", _last_line(result.stderr), "check that apt reaches its mirror, then `make setup`"
        )
    debs = [deb.rename(folder / deb.name) for deb in sorted(work.glob("*.deb"))]
    if len(debs) != len(PACKAGES):
        raise HouseError("H-MPY-DOWNLOAD", f"{len(debs)} of {len(PACKAGES)} packages came", "run `make setup` again")
    return debs


def _check(debs: "list[Path]", arch: str, signed: bool, log) -> None:
    """Compare each package with its pin; a package without a fitting pin passes only under a checked signature."""
    pins = locked()
    for deb in debs:
        fields = subprocess.run(
            ["dpkg-deb", "-f", str(deb), "Package", "Version"], capture_output=True, text=True, check=True, timeout=60
        ).stdout
        name, version = (line.split(": ", 1)[1] for line in fields.splitlines())
        sha256 = hashlib.sha256(deb.read_bytes()).hexdigest()
        if pins.get((name, arch)) == (version, sha256):
            continue
        if pins.get((name, arch), ("", ""))[0] == version:
            raise UntrustedDownload(
                "H-MPY-DIGEST", f"{name} {version} ({arch}) differs from its pin", "do not use this mirror; report it"
            )
        if not signed:
            raise UntrustedDownload(
                "H-MPY-UNSIGNED", f"no trusted key signs {name} {version} ({arch}) and no pin fits it",
                "install a newer debian-archive-keyring, then `make setup`",
            )  # fmt: skip
        log(f"  {name} {version} ({arch}) is newer than its pin; the archive's signature vouches for it")


def _unpack(debs: "list[Path]", target: Path, value: str) -> None:
    staging = target.with_name(target.name + f".new-{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for deb in debs:
        subprocess.run(["dpkg-deb", "-x", str(deb), str(staging)], check=True, timeout=120)
    for surplus in ("usr/share", "usr/lib/systemd", "etc"):
        shutil.rmtree(staging / surplus, ignore_errors=True)
    stamps.write(staging / ".stamp", value)
    shutil.rmtree(target, ignore_errors=True)
    staging.rename(target)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "apt-get failed without a word"


def print_lock() -> None:
    """Print the lock file's lines for what the mirror offers now (a maintainer's tool: `python3 -m tools.house.micropython`)."""
    work = cache_dir() / "micropython" / f"lock-{os.getpid()}"
    try:
        if not _update_private_index(work, list(ARCHES.values())):
            raise UntrustedDownload("H-MPY-UNSIGNED", "the index's signature was not checked", "update the keyring")
        for arch in ARCHES.values():
            for deb in _download(work, arch):
                show = [
                    "dpkg-deb",
                    "--showformat=${Package} ${Architecture} ${Version} ${source:Package}",
                    "-W",
                    str(deb),
                ]
                *words, source = subprocess.run(
                    show, capture_output=True, text=True, check=True, timeout=60
                ).stdout.split()
                print(*words, hashlib.sha256(deb.read_bytes()).hexdigest(), source)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    try:
        print_lock()
    except HouseError as problem:
        sys.exit(str(problem))
