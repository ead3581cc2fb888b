"""Signs requests as Xsolla does. For schemathesis a file of hooks."""

import hashlib
import os

import schemathesis
from requests.auth import AuthBase

SECRET = "WEBHOOK_SECRET"


class Signed(AuthBase):
    """`Authorization: Signature` with the SHA-1 of body and secret."""

    def __init__(self, secret):
        self.secret = secret.encode()

    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        digest = hashlib.sha1(body + self.secret).hexdigest()
        request.headers["Authorization"] = f"Signature {digest}"
        return request


if SECRET in os.environ:
    schemathesis.auth.set_from_requests(Signed(os.environ[SECRET]))
