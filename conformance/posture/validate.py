"""Validates reports by the libraries and schemas of those who read them.

usage: validate.py FOLDER SARIF_SCHEMA
"""

import json
import pathlib
import sys
import uuid

import jsonschema
from py_ocsf_models.events.findings.compliance_finding import ComplianceFinding
from trestle.oscal.assessment_results import AssessmentResults

folder, schema = map(pathlib.Path, sys.argv[1:])
validator = jsonschema.Draft7Validator(
    json.loads(schema.read_text()), format_checker=jsonschema.FormatChecker()
)
wrong = 0


def refuse(path, why):
    global wrong
    wrong += 1
    print(f"{path.name}: {why}")


def check_sarif(path):
    document = json.loads(path.read_text())
    for error in validator.iter_errors(document):
        refuse(path, f"{error.json_path}: {error.message[:200]}")
    return len(document["runs"][0].get("results", []))


def check_ocsf(path):
    count = 0
    for line in path.read_text().splitlines():
        count += 1
        try:
            event = ComplianceFinding.model_validate_json(line)
        except ValueError as error:
            refuse(path, f"line {count}: {error}")
            continue
        # The library lets wrong classes pass.
        if event.class_uid != 2003 or event.type_uid != 200300 + event.activity_id:
            refuse(path, f"line {count}: class {event.class_uid}, type {event.type_uid}")
    return count


def check_oscal(path):
    document = json.loads(path.read_text())
    try:
        results = AssessmentResults.oscal_read(path)
    except Exception as error:  # trestle raises several kinds
        refuse(path, error)
        return 0
    if results is None:
        refuse(path, "trestle reads nothing")
        return 0
    # Identifiers occur once, and what is referred to is there.
    found = []

    def walk(value):
        if isinstance(value, dict):
            if "uuid" in value:
                found.append(str(uuid.UUID(value["uuid"])))
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)
    if len(found) != len(set(found)):
        refuse(path, "an identifier occurs twice")
    return len(found)


for suffix, check, what in [
    (".sarif", check_sarif, "results"),
    (".ocsf", check_ocsf, "events"),
    (".oscal.json", check_oscal, "identifiers"),
]:
    for path in sorted(folder.glob(f"*{suffix}")):
        print(f"{path.name:20} {check(path):6} {what}")
sys.exit(f"{wrong} things are not valid" if wrong else 0)
