"""Sign and verify a folder of large files, beside the reference client (model_signing of PyPI) and
`cat` of the same files: everybody reads what the system has in memory, as far as it fits.

Usage: model_signing.py TWINKEEP MODEL_SIGNING [MIB] [ROUNDS]

Small models say how long a program takes to start. Before a figure counts, each side verifies what the other one signed.
"""

import os
import subprocess
import sys
import tempfile

from measure import compare, table

twinkeep, reference = sys.argv[1:3]
mib = int(sys.argv[3]) if len(sys.argv) > 3 else 4096
rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 3

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    os.mkdir("m")
    block = os.urandom(1 << 20)
    for number in range(4):
        with open(f"m/model-{number}.safetensors", "wb") as part:
            for index in range(mib // 4):
                part.write(index.to_bytes(8, "big") + block[8:])
    make = "openssl ecparam -name prime256v1 -genkey -noout -out k && chmod 600 k"
    subprocess.run(f"{make} && openssl ec -in k -pubout -out k.pub 2>/dev/null", shell=True, check=True)

    ours, theirs, floor = "twinkeep model", "model_signing 1.1.1 (PyPI)", "cat"
    cat = "cat m/*.safetensors | cat > /dev/null"
    sign = {
        ours: f"{twinkeep} model sign m --private-key k --out ours.sig --quiet",
        theirs: f"{reference} sign key m --private_key k --signature theirs.sig",
        floor: cat,
    }
    cpu, wall = compare(sign, rounds)
    for verify in [
        f"{reference} verify key m --public_key k.pub --signature ours.sig",
        f"{twinkeep} model verify m --public-key k.pub --signature theirs.sig --quiet",
    ]:
        subprocess.run(verify, shell=True, check=True, stdout=subprocess.DEVNULL)
    table(f"Sign {mib} MiB in four files", "MiB", mib, cpu, wall, ours)
    verify = {
        ours: f"{twinkeep} model verify m --public-key k.pub --signature ours.sig --quiet",
        theirs: f"{reference} verify key m --public_key k.pub --signature theirs.sig",
        floor: cat,
    }
    cpu, wall = compare(verify, rounds)
    table(f"Verify {mib} MiB in four files", "MiB", mib, cpu, wall, ours)
