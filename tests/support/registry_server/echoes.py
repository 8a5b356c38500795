"""What a server says that repeats whatever a request proves itself with."""

import base64
import urllib.parse

from support.registry_server.exchange import Request, Response, error_response
from support.registry_server.faults import Faults, RepeatCredentials
from support.registry_server.recording import basic_credentials
from support.registry_server.routes import Endpoint


async def echo(faults: Faults, request: Request) -> Response | None:
    """Return the answer of the fault `RepeatCredentials`, None where it does not concern the request."""
    shown = request.headers.get("authorization", "")
    is_form = request.route.endpoint is Endpoint.TOKEN and request.method == "POST"
    if not (shown or is_form or "_state" in request.query):
        return None
    fault = faults.take(RepeatCredentials, request)
    if fault is None:
        return None
    body = await request.body() if is_form else b""
    said = " | ".join(forms(shown, body.decode("latin-1"), request.recorded.query))
    headers = {"Warning": f'299 - "{said.replace(chr(34), chr(39))}"'}
    if 300 <= fault.status < 400:
        headers["Location"] = (
            f"/elsewhere/{urllib.parse.quote(shown, safe='')}?X-Sig={urllib.parse.quote(said, safe='')}"
        )
    return error_response(fault.status, "DENIED", said, headers=headers)


def forms(authorization: str, body: str, query: str) -> list[str]:
    """Return what a request showed, in the forms that servers know it in."""
    pair = basic_credentials(authorization)
    value = authorization.partition(" ")[2]
    texts = [value, body, query, *(pair or ()), ":".join(pair or ())]
    texts += [form["refresh_token"][0] for form in [urllib.parse.parse_qs(body)] if "refresh_token" in form]
    found = [f"/next?X-Sig={value}&n=1"]
    for text in dict.fromkeys(filter(None, texts)):
        packed = base64.b64encode(text.encode()).decode()
        found += [text, urllib.parse.quote(text, safe=""), urllib.parse.quote(text, safe="").lower(), packed]
        found += [packed.rstrip("="), base64.urlsafe_b64encode(text.encode()).decode(), repr(text)]
    return found
