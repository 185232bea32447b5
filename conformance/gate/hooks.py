"""What an OpenAPI document cannot say, so that schemathesis asks what it takes for good.

Each of these is refused on purpose, and tests of our own see to that.
"""

import uuid

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    # Two credentials in one request: what one proxy strips is what another one reads.
    if case.headers and "X-Api-Key" in case.headers:
        case.headers.pop("X-Api-Key")
    # `at` and `at_hours` say the same moment in two ways.
    if case.query and "at" in case.query and "at_hours" in case.query:
        case.query.pop("at_hours")
    # A name of a request that was used for another request: each gets its own.
    if case.headers and case.headers.get("Idempotency-Key"):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    # An erasure is confirmed by the name that is in the address.
    if case.operation.label == "DELETE /api/v1/subjects/{id}" and isinstance(case.body, dict):
        if isinstance(case.body.get("confirm"), str):
            case.body["confirm"] = case.path_parameters.get("id")


@schemathesis.serializer("application/partial-upload")
def partial_upload(context, value):
    return value if isinstance(value, bytes) else b""
