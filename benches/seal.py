"""Seal and open a file, beside openssl, age, and cat: file to file, in memory (tmpfs).

Usage: seal.py TWINKEEP [MIB] [ROUNDS]
"""

import os
import subprocess
import sys
import tempfile

from measure import compare, table

twinkeep = sys.argv[1]
mib = int(sys.argv[2]) if len(sys.argv) > 2 else 1024
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5

with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
    os.chdir(folder)
    block = os.urandom(1 << 20)
    with open("plain", "wb") as plain:
        for index in range(mib):
            plain.write(index.to_bytes(8, "big") + block[8:])
    for name in ["sender", "keeper"]:
        command = [twinkeep, "identity", "new", name, "--key-file", f"{name}.kek"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run("age-keygen -o age.key 2>/dev/null", shell=True, check=True)
    age = subprocess.run("age-keygen -y age.key", shell=True, check=True, capture_output=True)
    recipient = age.stdout.decode().strip()
    with open("pass", "w") as secret:
        secret.write("correct horse battery staple")

    seal = {
        "twinkeep seal (encrypted and signed)": f"{twinkeep} seal plain --identity sender.identity"
        " --key-file sender.kek --to keeper.identity.pub --out ours --quiet",
        "openssl enc + sha256sum": "openssl enc -aes-256-cbc -pbkdf2 -pass file:pass -in plain"
        " -out theirs && sha256sum theirs > theirs.sum",
        "age": f"age -r {recipient} -o theirs.age plain",
        "cat": "cat plain > copy",
    }
    out = {"twinkeep seal (encrypted and signed)": "ours", "age": "theirs.age", "cat": "copy"}

    def fresh(name):
        # Every command writes to a file that is not there yet.
        path = out.get(name, "theirs")
        if os.path.exists(path):
            os.remove(path)

    ours = next(iter(seal))
    cpu, wall = compare(seal, rounds, fresh)
    table(f"Seal {mib} MiB", "MiB", mib, cpu, wall, ours)

    opening = {
        "twinkeep open (verified by segment)": f"{twinkeep} open ours --identity keeper.identity"
        " --key-file keeper.kek --from sender.identity.pub --out opened --quiet",
        "sha256sum -c + openssl enc -d": "sha256sum -c theirs.sum && openssl enc -d -aes-256-cbc"
        " -pbkdf2 -pass file:pass -in theirs -out opened2",
        "age -d": "age -d -i age.key -o opened3 theirs.age",
    }
    opened = dict(zip(opening, ["opened", "opened2", "opened3"]))

    def fresh_opened(name):
        if os.path.exists(opened[name]):
            os.remove(opened[name])

    ours = next(iter(opening))
    cpu, wall = compare(opening, rounds, fresh_opened)
    table(f"Open {mib} MiB", "MiB", mib, cpu, wall, ours)
