"""Judges templates with Checkov, with cfn-guard, and with us, and compares verdict by verdict.

usage: compare.py OUR_EXAMPLE REGISTRY CHECKOV_SOURCE

The templates are those that the tests of both peers are made of. A verdict is about one rule and one
template: it fails if anything in it does. Ours counts for the resources that the peer judged. One
template of each kind of difference is named; with ALL in the environment, all are.
"""

import glob
import json
import os
import subprocess
import sys
import tempfile
import time

import yaml

OURS, REGISTRY, CHECKOV = sys.argv[1:4]

# Our rules, and the checks of Checkov that ask the same.
CHECKOV_SAME = {
    "cfn-bucket-acl": [20, 57],
    "cfn-bucket-block": [53, 54, 55, 56],
    "cfn-database-encryption": [16, 44, 64, 74, 96],
    "cfn-database-public": [17, 87, 89],
    "cfn-file-system-encryption": [42],
    "cfn-ingress-world": [24, 25, 260, 277],
    "cfn-queue-encryption": [26, 27, 29, 30, 43],
    "cfn-table-encryption": [119],
    "cfn-volume-encryption": [3, 8],
}
# Our rules, and the rules of the registry that ask the same, each with the types that it is about.
GUARD_SAME = {
    "cfn-bucket-acl": {"S3_BUCKET_PUBLIC_READ_ACL": ["AWS::S3::Bucket"]},
    "cfn-bucket-block": {"S3_BUCKET_LEVEL_PUBLIC_ACCESS_PROHIBITED": ["AWS::S3::Bucket"]},
    "cfn-bucket-encryption": {"S3_DEFAULT_ENCRYPTION_KMS": ["AWS::S3::Bucket"]},
    "cfn-bucket-policy": {"S3_BUCKET_POLICY_NO_WILDCARD_PRINCIPAL": ["AWS::S3::BucketPolicy"]},
    "cfn-database-encryption": {"RDS_STORAGE_ENCRYPTED": ["AWS::RDS::DBInstance"]},
    "cfn-database-public": {"RDS_INSTANCE_PUBLIC_ACCESS_CHECK": ["AWS::RDS::DBInstance"]},
    "cfn-file-system-encryption": {"EFS_ENCRYPTED_CHECK": ["AWS::EFS::FileSystem"]},
    "cfn-ingress-world": {"EC2_SECURITY_GROUP_INGRESS_OPEN_TO_WORLD_RULE": None},
    "cfn-queue-encryption": {"SNS_ENCRYPTED_KMS": ["AWS::SNS::Topic"]},
    "cfn-table-encryption": {"DYNAMODB_TABLE_ENCRYPTED_KMS": ["AWS::DynamoDB::Table"]},
    "cfn-training-encryption": {
        "SAGEMAKER_NOTEBOOK_INSTANCE_KMS_KEY_CONFIGURED": ["AWS::SageMaker::NotebookInstance"],
        "SAGEMAKER_ENDPOINT_CONFIGURATION_KMS_KEY_CONFIGURED": ["AWS::SageMaker::EndpointConfig"],
    },
    "cfn-volume-encryption": {"ENCRYPTED_VOLUMES": ["AWS::EC2::Volume"]},
}


class Loader(yaml.SafeLoader):
    """YAML with the short functions of CloudFormation."""


def function(loader, name, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


Loader.add_multi_constructor("!", function)
# A date is text here.
Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if not tag.endswith("timestamp")]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def write_templates(folder):
    """Writes all templates into one folder, and returns the types of their resources by name."""
    types = {}

    def add(name, template):
        resources = template.get("Resources") if isinstance(template, dict) else None
        if not isinstance(resources, dict) or not resources:
            return
        named = {
            key: value["Type"]
            for key, value in resources.items()
            if isinstance(value, dict) and isinstance(value.get("Type"), str)
        }
        with open(f"{folder}/{name}", "w") as out:
            json.dump(template, out, indent=1)
        types[name] = named

    for path in sorted(glob.glob(f"{REGISTRY}/rules/aws/**/tests/*.yml", recursive=True)):
        stem = os.path.basename(path).removesuffix("_tests.yml")
        with open(path) as text:
            for number, case in enumerate(yaml.load(text, Loader) or []):
                # What is suppressed for cfn-guard is not judged by it.
                if "SuppressedRules" not in json.dumps(case):
                    add(f"registry-{stem}-{number}.json", case.get("input"))
    root = f"{CHECKOV}/tests/cloudformation"
    for path in sorted(glob.glob(f"{root}/**/*", recursive=True)):
        if not path.endswith((".yaml", ".yml", ".json", ".template")):
            continue
        try:
            with open(path) as text:
                template = yaml.load(text, Loader)
        except (yaml.YAMLError, ValueError, TypeError):
            continue
        flat = os.path.relpath(path, root).replace("/", "-")
        add(f"checkov-{flat}.json", template)
    return types


def measure(command, codes):
    """Runs a command; its output, seconds, seconds of processor, and MiB."""
    with tempfile.TemporaryFile() as out:
        begun = time.monotonic()
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.monotonic() - begun
        if os.waitstatus_to_exitcode(status) not in codes:
            sys.exit(f"{command[0]} failed")
        out.seek(0)
        text = out.read().decode()
    return text, (seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def ours(folder):
    text, cost = measure([OURS, folder], [0])
    said = {}
    for line in text.splitlines():
        rule, resource, word = line.split("\t")
        name, _, place = resource.partition(" in ")
        template = os.path.basename(place).split(".json")[0] + ".json"
        said.setdefault((rule, template), []).append((name, word))
    return said, cost


def checkov(folder):
    checks = ",".join(f"CKV_AWS_{n}" for numbers in CHECKOV_SAME.values() for n in numbers)
    program = os.path.join(os.path.dirname(sys.executable), "checkov")
    command = [program, "-d", folder, "--framework", "cloudformation", "-o", "json"]
    text, cost = measure(command + ["--check", checks, "--soft-fail"], [0])
    found = json.loads(text)
    said = {}
    for report in found if isinstance(found, list) else [found]:
        for word in ["passed", "failed"]:
            for check in report["results"].get(f"{word}_checks", []):
                key = (int(check["check_id"].split("_")[-1]), os.path.basename(check["file_path"]))
                name = check["resource"].split(".")[-1]
                said.setdefault(key, []).append((name, word == "failed"))
    return said, cost


GUARD = """
import glob, json, sys
import cfn_guard_rs
rules = open(sys.argv[2]).read()
for path in sorted(glob.glob(sys.argv[1] + "/*.json")):
    try:
        report = cfn_guard_rs.run_checks(json.load(open(path)), rules)
    except Exception:
        continue
    said = {name: "pass" for name in report.compliant}
    said |= {clause.Rule.name: "fail" for clause in report.not_compliant}
    print(json.dumps([path, said]))
"""


def guard(folder):
    names = {name for rules in GUARD_SAME.values() for name in rules}
    texts = []
    for path in sorted(glob.glob(f"{REGISTRY}/rules/aws/**/*.guard", recursive=True)):
        with open(path) as text:
            rule = text.read()
        if any(f"rule {name} " in rule for name in names):
            texts.append(rule)
    with tempfile.NamedTemporaryFile("w", suffix=".guard") as rules:
        rules.write("\n".join(texts))
        rules.flush()
        text, cost = measure([sys.executable, "-c", GUARD, folder, rules.name], [0])
    said = {}
    for line in text.splitlines():
        path, verdicts = json.loads(line)
        for name, word in verdicts.items():
            said[name, os.path.basename(path)] = word == "fail"
    return said, cost


def worst(verdicts):
    words = {word for _, word in verdicts}
    for word in ["fail", "not-checked", "pass"]:
        if word in words:
            return word
    return None


class Count:
    def __init__(self, peer):
        self.peer, self.same, self.different = peer, 0, []

    def add(self, rule, template, word, fails):
        theirs = "fail" if fails else "pass"
        if word is None:
            return
        if word == theirs:
            self.same += 1
        else:
            self.different.append((rule, template, word, theirs))

    def show(self):
        print(f"\n{self.peer}: {self.same} verdicts agree, {len(self.different)} differ")
        groups = {}
        for rule, template, word, theirs in sorted(self.different):
            groups.setdefault((rule, word, theirs), []).append(template)
        for (rule, word, theirs), templates in groups.items():
            shown = templates if os.environ.get("ALL") else templates[:1]
            print(f"  {rule:28}{word:14}{theirs:6}{len(templates):4}  {' '.join(shown)}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        types = write_templates(folder)
        print(f"{len(types)} templates")
        our_said, our_cost = ours(folder)
        checkov_said, checkov_cost = checkov(folder)
        guard_said, guard_cost = guard(folder)

    count = Count("checkov")
    for rule, numbers in CHECKOV_SAME.items():
        for template in types:
            asked = [it for n in numbers for it in checkov_said.get((n, template), [])]
            if not asked:
                continue
            judged = {name for name, _ in asked}
            about = our_said.get((rule, template), [])
            if rule != "cfn-ingress-world":
                about = [it for it in about if it[0] in judged]
            count.add(rule, template, worst(about), any(fails for _, fails in asked))
    count.show()

    count = Count("cfn-guard")
    for rule, theirs in GUARD_SAME.items():
        for name, kinds in theirs.items():
            for template, named in types.items():
                if (name, template) not in guard_said:
                    continue
                about = our_said.get((rule, template), [])
                if kinds:
                    about = [it for it in about if named.get(it[0]) in kinds]
                count.add(rule, template, worst(about), guard_said[name, template])
    count.show()

    print(f"\n{'':12}{'seconds':>10}{'CPU s':>10}{'MiB':>10}")
    for name, cost in [("ours", our_cost), ("checkov", checkov_cost), ("cfn-guard", guard_cost)]:
        print(f"{name:12}" + "".join(f"{figure:10.2f}" for figure in cost))


main()
