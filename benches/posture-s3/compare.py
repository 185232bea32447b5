"""Plants buckets into a moto server, scans them with Prowler and with us, and compares.

usage: compare.py MOTO_SERVER PROWLER OUR_EXAMPLE MORE_BUCKETS
"""

import csv
import glob
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time

import boto3

MOTO, PROWLER, OURS, MORE = sys.argv[1:4] + [int(sys.argv[4])]

# Our rules, and the checks of Prowler that ask the same.
SAME = {
    "s3-public-access": [
        "s3_bucket_public_access",
        "s3_bucket_public_list_acl",
        "s3_bucket_public_write_acl",
    ],
    "s3-public-block": ["s3_bucket_level_public_access_block"],
    "s3-acls-off": ["s3_bucket_acl_prohibited"],
    "s3-encryption": ["s3_bucket_default_encryption"],
    "s3-tls-only": ["s3_bucket_secure_transport_policy"],
    "s3-versioning": ["s3_bucket_object_versioning"],
    "s3-access-log": ["s3_bucket_server_access_logging_enabled"],
    "s3-object-lock": ["s3_bucket_object_lock"],
    "s3-other-accounts": ["s3_bucket_cross_account_access"],
}


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.1)
    sys.exit("moto does not start")


def plant(s3):
    """Plants twelve buckets, each with one thing about it."""
    full = dict.fromkeys(
        ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"], True
    )
    only = lambda *names: {name: name in names for name in full}
    names = """plain acl-read acl-signed-in acl-blocked acl-enforced acl-ignored acl-late
        policy-public policy-vpc policy-restricted log-delivery good""".split()
    for name in names:
        s3.create_bucket(Bucket=name)
    for index in range(MORE):
        s3.create_bucket(Bucket=f"more-{index:05}")

    def grant(name, group, permission):
        owner = s3.get_bucket_acl(Bucket=name)["Owner"]
        family = "s3" if group == "LogDelivery" else "global"
        uri = f"http://acs.amazonaws.com/groups/{family}/{group}"
        s3.put_bucket_acl(
            Bucket=name,
            AccessControlPolicy={
                "Owner": owner,
                "Grants": [
                    {"Grantee": {"Type": "CanonicalUser", "ID": owner["ID"]}, "Permission": "FULL_CONTROL"},
                    {"Grantee": {"Type": "Group", "URI": uri}, "Permission": permission},
                ],
            },
        )

    def policy(name, **more):
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{name}/*",
        } | more
        document = {"Version": "2012-10-17", "Statement": [statement]}
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(document))

    def block(name, settings):
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=settings)

    def enforce(name):
        rules = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=rules)

    for name in ["acl-read", "acl-blocked", "acl-enforced", "acl-ignored", "acl-late"]:
        grant(name, "AllUsers", "READ")
    grant("acl-signed-in", "AuthenticatedUsers", "WRITE")
    grant("log-delivery", "LogDelivery", "WRITE")
    block("acl-blocked", full)
    enforce("acl-enforced")
    block("acl-ignored", only("IgnorePublicAcls"))
    block("acl-late", only("BlockPublicAcls"))
    policy("policy-public")
    policy("policy-vpc", Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}})
    policy("policy-restricted")
    block("policy-restricted", only("RestrictPublicBuckets"))
    block("good", full)
    enforce("good")
    s3.put_bucket_encryption(
        Bucket="good",
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    s3.put_bucket_versioning(Bucket="good", VersioningConfiguration={"Status": "Enabled"})
    both = ["arn:aws:s3:::good", "arn:aws:s3:::good/*"]
    policy(
        "good",
        Effect="Deny",
        Action="s3:*",
        Resource=both,
        Condition={"Bool": {"aws:SecureTransport": "false"}},
    )


def measure(command, env, allowed):
    """Runs a command; returns its output, seconds, CPU seconds, and MiB at most."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    # GNU time gives the memory of this child alone.
    with tempfile.NamedTemporaryFile("r") as memory:
        wrapped = ["/usr/bin/time", "-f", "%M", "-o", memory.name] + command
        if not os.path.exists("/usr/bin/time"):
            wrapped = command
        ran = subprocess.run(wrapped, env=env, capture_output=True, text=True)
        kib = memory.read().split()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ran.returncode not in allowed:
        sys.exit(f"{command[0]} failed: {ran.stdout[-500:]} {ran.stderr[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = int(kib[-1]) / 1024 if kib else after.ru_maxrss / 1024
    return ran.stdout, time.monotonic() - begun, cpu, peak


def main():
    port = free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    moto = subprocess.Popen([MOTO, "-H", "127.0.0.1", "-p", str(port)], **quiet)
    try:
        wait_for(port)
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        # S3 Control puts the account into the name of the host, so it cannot be an address.
        place = {"AWS_ENDPOINT_URL": f"http://localhost:{port}", "AWS_REGION": "us-east-1"}
        place["AWS_DEFAULT_REGION"] = "us-east-1"
        env = os.environ | keys | place
        os.environ.update(keys | place)
        plant(boto3.client("s3"))
        ours, *our_cost = measure([OURS], env, [0])
        with tempfile.TemporaryDirectory() as folder:
            command = [PROWLER, "aws", "--service", "s3", "-M", "csv", "-o", folder, "-b", "-f", "us-east-1"]
            _, *their_cost = measure(command, env, [0, 3])
            [path] = glob.glob(f"{folder}/*.csv")
            with open(path, newline="") as rows:
                theirs = list(csv.DictReader(rows, delimiter=";"))
    finally:
        moto.kill()
    compare(ours, theirs)
    print(f"\n{'':10}{'seconds':>10}{'CPU s':>10}{'MiB':>10}")
    for name, cost in [("ours", our_cost), ("prowler", their_cost)]:
        print(f"{name:10}" + "".join(f"{figure:10.2f}" for figure in cost))


def compare(ours, theirs):
    said = {}
    for line in ours.splitlines():
        rule, bucket, word = line.split("\t")
        said[rule, bucket] = word
    by_check = {}
    for row in theirs:
        by_check.setdefault((row["CHECK_ID"], row["RESOURCE_NAME"]), set()).add(row["STATUS"])
    same = different = missing = 0
    print(f"{'rule':20}{'bucket':20}{'ours':16}prowler")
    for (rule, bucket), word in sorted(said.items()):
        if bucket.startswith("more-"):
            continue
        statuses = set().union(*(by_check.get((check, bucket), set()) for check in SAME[rule]))
        if not statuses:
            missing += 1
            continue
        their_word = "fail" if "FAIL" in statuses else "pass"
        if word == their_word:
            same += 1
        else:
            different += 1
            print(f"{rule:20}{bucket:20}{word:16}{their_word}")
    print(f"\n{same} verdicts agree, {different} differ, {missing} have no counterpart")


main()
