"""What schemathesis cannot know of the backend's API."""

import hashlib

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    """An Idempotency-Key belongs to one request: sound ones never share it."""
    key = (case.headers or {}).get("Idempotency-Key")
    if key is not None and case.meta.generation.mode.is_positive:
        request = f"{case.path} {case.path_parameters} {case.body!r} {key}"
        digest = hashlib.sha256(request.encode("utf-8", "surrogatepass"))
        case.headers["Idempotency-Key"] = digest.hexdigest()
