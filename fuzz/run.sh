#!/bin/sh
# `make fuzz`: runs every fuzz target for SECONDS_EACH seconds (60), from seeds that it makes first.
# libFuzzer needs compiler options that stable Rust keeps to itself; this build only turns them on.
set -eu
cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}
SECONDS_EACH=${SECONDS_EACH:-60}
TARGETS=${TARGETS:-$(sed -n 's/^name = "\(.*\)"$/\1/p' fuzz/Cargo.toml | grep -v twinkeep-fuzz)}
export RUSTC_BOOTSTRAP=1

"$CARGO" fuzz --version >/dev/null 2>&1 || "$CARGO" install --locked --quiet cargo-fuzz

seed() { mkdir -p "fuzz/corpus/$1"; cat >"fuzz/corpus/$1/$2"; }
printf 'xTime,Parameter,Value\n00:00,RecordID,1\n00:00,Age,60\n00:07,HR,73\n' | seed source stay
printf 'y{"resourceType":"Patient","id":"1","birthDate":"1950-01-01","gender":"male"}\n' | seed source patient
printf 'x' | cat - "$(find conformance -name '*.gz' | head -n 1)" 2>/dev/null | seed source gzip || true
printf 'y{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Observation","id":"1","status":"final","subject":{"reference":"Patient/1"},"effectiveDateTime":"2020-01-01T00:00:00Z","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"valueQuantity":{"value":70,"unit":"/min","system":"http://unitsofmeasure.org","code":"/min"}}}]}\n' | seed source bundle
printf 'D"status":"final","subject":{"reference":"Patient/1"},"effectiveDateTime":"2020-01-01","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"valueQuantity":{"value":70,"code":"/min"}}\n' | seed fhir observation
for letter in a b c d e f g h; do
    printf '%ssubject_id,charttime,itemid,value,valuenum,valueuom\n1,2150-01-01 00:00:00,220045,80,80,bpm\n' "$letter" | seed table "chart-$letter"
    printf '%sInvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n1,2,a,3,2010-12-01 08:26:00,2.5,17850,UK\n' "$letter" | seed table "retail-$letter"
done
for pack in packs/*.toml crates/*/packs/*.toml; do [ -f "$pack" ] && seed files "$(basename "$pack")" <"$pack"; done
printf 'node=a type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=257 success=yes auid=0 comm=6120 exe="/a" key="a"\035ARCH=x86_64\ntype=CWD msg=audit(1.000:1): cwd="/"\ntype=PATH msg=audit(1.000:1): name=612F nametype=NORMAL mode=0100644\ntype=EOE msg=audit(1.000:1): \n' | seed audit_log open
printf 'm0000z' | seed sealed_feed changed
printf 'c0000' | seed sealed_feed cut
printf '\007GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n' | seed http pipeline
printf '\065\0\0\0\0\0\0\0{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}x' | seed models tensors
printf '{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"m","digest":{"sha256":"5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456"}}],"predicateType":"https://model_signing/signature/v1.0","predicate":{"serialization":{"method":"files","hash_type":"sha256"},"resources":[{"name":"a","algorithm":"sha256","digest":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}]}}' | seed models statement
find conformance -name '*.sig' -o -name '*.pub' | while read -r file; do seed models "$(basename "$file")" <"$file"; done
find conformance -name '*.sig' -o -name '*.json' | head -n 20 | while read -r file; do seed trust "$(basename "$file")" <"$file"; done
printf '\000events {} http { limit_req_zone $x zone=a:1m rate=1r/s; server { listen 443 ssl; add_header A b; location ~ ^/p { limit_req zone=a; proxy_pass http://u; } } upstream u { server 10.0.0.1; } }' | seed posture nginx
printf '\001Parameters: {P: {Type: String, Default: a}}\nMappings: {M: {a: {b: 1}}}\nResources:\n  G: {Type: AWS::EC2::SecurityGroup, Properties: {SecurityGroupIngress: [{IpProtocol: -1, CidrIp: !If [C, !Ref P, !FindInMap [M, !Ref P, b]]}]}}\n' | seed posture template
printf '\001{"Resources": {"B": {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": {"Statement": {"Effect": "Allow", "Principal": "*", "Condition": {"StringLike": {"aws:Referer": "a"}}}}}}}}' | seed posture policy
printf '\002{"format":"twinkeep-windows/1","computer":"a","elevated":true,"sensitive_paths":[],"registry":[],"firewall_profiles":null,"firewall_rules":{"name":"a","action":"Allow","protocol":"TCP","local_ports":"8888","remote_addresses":"10.0.0.0/8","program":"Any"},"listeners":null,"defender":null,"volumes":null,"services":null,"audit_policy":null,"failures":{}}' | seed posture workstation
python3 - fuzz/corpus/posture <<'EOS' 2>/dev/null || true
import gzip, pickle, sqlite3, sys, tarfile, io
folder = sys.argv[1]
base = sqlite3.connect(f"{folder}/base.sqlite")
base.execute("CREATE TABLE IF NOT EXISTS visits(id INTEGER, patient_name TEXT, ssn TEXT)")
base.commit()
base.close()
import os
with open(f"{folder}/base.sqlite", "rb") as file:
    database = file.read()
os.remove(f"{folder}/base.sqlite")
class Model:
    def __reduce__(self):
        return (os.system, ("true",))
table = b"mrn,name,dob,ssn\n" + b"4471123,Maria Okafor,1950-01-02,212-12-1234\n" * 8
tape = io.BytesIO()
with tarfile.open(fileobj=tape, mode="w") as archive:
    member = tarfile.TarInfo("a.csv")
    member.size = len(table)
    archive.addfile(member, io.BytesIO(table))
seeds = {
    "database": b"\3" + database,
    "pickle": b"\4" + pickle.dumps(Model()),
    "tensors": b"\4" + b"\x35\0\0\0\0\0\0\0" + b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}x',
    "table": b"\5" + table,
    "gzip": b"\5" + gzip.compress(table),
    "tar": b"\5" + tape.getvalue(),
    "json": b'\5[{"name": [{"family": "Okafor"}], "birthDate": "1950-01-02"}]',
    "message": b"\5MSH|^~\\&|A\rPID|1||4471123||Okafor^Maria||19500102|F\r",
}
for name, bytes_ in seeds.items():
    with open(f"{folder}/{name}", "wb") as out:
        out.write(bytes_)
EOS
printf '\006-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----\n\n\nada@example.org namespaces="git",valid-before="20270101" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fICEi\n' | seed posture signers
printf '\007<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>' | seed posture encryption
printf '\010tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@example.org> 1 +0000\ncommitter A <a@example.org> 7 +0000\ngpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lHAAAAAQ==\n -----END SSH SIGNATURE-----\n\nmessage\n' | seed posture commit
printf '\010object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype commit\ntag v1\ntagger A <a@example.org> 7 +0000\n\nmessage\n-----BEGIN PGP SIGNATURE-----\n\niHUE\n-----END PGP SIGNATURE-----\n' | seed posture tag

for target in $TARGETS; do
    echo "== $target, $SECONDS_EACH s"
    "$CARGO" fuzz run --sanitizer none "$target" -- \
        -max_total_time="$SECONDS_EACH" -timeout=20 -rss_limit_mb=4096 -max_len=65536 -print_final_stats=1 -verbosity=0
done
