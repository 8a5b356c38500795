"""One request to endoflife.date, or to who stands in for it: the cycles of a product.

The API is version 0, `GET /api/{product}.json` (https://endoflife.date/docs/api/): static files, asked anonymously.
"""

from typing import Final
from urllib.parse import quote

import httpx

from transship_registry.endoflife.cycles import decode_cycles
from transship_registry.errors import ContentError, NotFoundError, RegistryError
from transship_registry.http.exchange import Answer, Call
from transship_registry.http.host import Host
from transship_registry.http.origins import printable
from transship_registry.limits import EOL_ANSWER_LIMIT

TRIES: Final = 3
"""A plan can do with older data, so an API that fails is not waited for as long as a registry."""

_ATTEMPTED: Final = "GET cycles"


def cycles_url(api: str, product: str) -> str:
    """Return where the API below the URL `api` keeps the cycles of a product."""
    return f"{api.rstrip('/')}/api/{quote(product, safe='')}.json"


async def get_cycles(host: Host, api: str, product: str) -> bytes:
    """Fetch the cycles of a product, as they were sent but known to be readable.

    Raises `RegistryError`, of which `NotFoundError` means that there is no product of that name.
    """
    url = httpx.URL(cycles_url(api, product))
    call = Call(
        attempted=_ATTEMPTED,
        method="GET",
        url=url,
        reference=f"of {product} at {printable(url)}",
        path="",
        scopes=frozenset(),
        limit=EOL_ANSWER_LIMIT,
        tries=TRIES,
    )
    answer = await _fetch(host, call, product, api)
    try:
        decode_cycles(answer.body)
    except ValueError as error:
        raise RegistryError(_ATTEMPTED, call.reference, str(error), status=answer.status) from None
    return answer.body


async def _fetch(host: Host, call: Call, product: str, api: str) -> Answer:
    try:
        return await host.exchange.fetch(call)
    except NotFoundError as error:
        raise _unknown(error, product, api) from None
    except RegistryError as error:
        raise _advised(error) from error.__cause__
    except ContentError:
        problem = f"the answer has more than the {call.limit} bytes allowed"
        raise RegistryError(_ATTEMPTED, call.reference, problem) from None


def _unknown(error: NotFoundError, product: str, api: str) -> NotFoundError:
    advice = f"no product is called {product!r} there; products go by their names in the site's addresses, see {api}"
    # its page is an HTML page, as a proxy's would be
    return NotFoundError(error.attempted, error.reference, "HTTP 404 Not Found", status=error.status, advice=advice)


def _advised(error: RegistryError) -> RegistryError:
    """Return the same error with advice that fits: this is no registry, and nobody logs in to it."""
    advice = "check the address of the end-of-life data, the network and the proxy, or try again later"
    return type(error)(error.attempted, error.reference, error.answer, status=error.status, advice=advice)
