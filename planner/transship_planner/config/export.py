"""Writes a normalised configuration as a document in its own format, without its secrets: what `config` shows."""

from typing import Final

from transship_planner.config.digest import Document
from transship_planner.config.exportentries import (
    Documents,
    duration,
    entry_documents,
    eol_document,
    hooks_document,
    known,
)
from transship_planner.desired import Desired, Dialect
from transship_registry.hosts import DEFAULT_PATIENCE, HelperSettings, HostSettings, Patience, TlsMode
from transship_registry.layout.links import LayoutLinks
from transship_registry.secret import Secret

_TEMPLATE_OPENS: Final = "{{"
_TEMPLATE_LITERAL: Final = '{{"{{"}}'
_HOST_DEFAULTS: Final = HostSettings(registry="")
_DEFAULT_EXPIRE_S: Final = HelperSettings(program="", host="").expire_s


def export(desired: Desired) -> Documents:
    """Return the whole configuration: defaults inherited, templates expanded, references in full, secrets as `***`.

    Loading it gives the same entries and hosts again, and so the same digest. A setting that is off, or that the file
    leaves to transship, is left out.
    """
    entries: list[Document] = list(entry_documents(desired.entries))
    return {
        "version": 1,
        **known(
            creds=[_host(host, desired.patience) for host in desired.hosts],
            defaults=_defaults(desired),
            state=desired.state,
        ),
        **known(lifecycle=eol_document(desired.eol)),
        "sync": entries if desired.dialect is Dialect.REGSYNC else _imglife_sync(desired, entries),
    }


def _imglife_sync(desired: Desired, entries: list[Document]) -> Documents:
    return {**known(hooks=hooks_document(desired.post_sync)), "entries": entries}


def _defaults(desired: Desired) -> Documents:
    # in imglife's format, not saying it does not mean 0 (semantics A11.1)
    parallel: Documents = {"parallel": desired.parallel} if desired.dialect is Dialect.IMGLIFE else {}
    return parallel | known(
        parallel=desired.parallel,
        userAgent=desired.user_agent,
        skipDockerConfig=desired.skip_docker_config,
        cacheCount=desired.cache_count,
        cacheTime=duration(desired.cache_time_s),
        blobLimit=desired.blob_limit,
        layoutLinks=desired.layout_links.value if desired.layout_links is not LayoutLinks.COPY else None,
        **_patience(desired.patience, DEFAULT_PATIENCE),
    )


def _patience(patience: Patience, inherited: Patience) -> Documents:
    """Return what differs from what would hold without it."""
    connect, stall = patience.connect_timeout_s, patience.stall_timeout_s
    return known(
        connectTimeout=duration(connect) if connect != inherited.connect_timeout_s else None,
        stallTimeout=duration(stall) if stall != inherited.stall_timeout_s else None,
        tries=patience.tries if patience.tries != inherited.tries else None,
    )


def _host(host: HostSettings, patience: Patience) -> Documents:
    return {
        "registry": host.registry,
        **_connection(host),
        **_login(host),
        **known(
            pathPrefix=host.path_prefix,
            mirrors=list(host.mirrors),
            priority=host.priority,
            repoAuth=host.repo_auth,
            apiOpts={"disableHead": "true"} if host.disable_head else None,
            blobChunk=host.blob_chunk,
            blobMax=host.blob_max if host.blob_max != _HOST_DEFAULTS.blob_max else None,
            reqPerSec=host.requests_per_s,
            reqConcurrent=host.concurrent_requests,
            **_patience(host.patience, patience),
        ),
        **({} if host.hub_api is None else {"hubApi": host.hub_api}),
    }


def _connection(host: HostSettings) -> Documents:
    return known(
        hostname=host.hostname,
        tls=host.tls.value if host.tls is not TlsMode.ENABLED else None,
        regcert=_literal(host.ca),
        clientCert=_literal(host.client_certificate),
        clientKey=_redacted(host.client_key),
    )


def _login(host: HostSettings) -> Documents:
    login = host.credential
    members: Documents = {}
    if login is not None:
        members |= known(user=_literal(login.user), token=_redacted(login.token))
        members |= known(**{"pass": _redacted(login.password)})
    if host.helper is not None:
        members |= known(
            credHelper=host.helper.program,
            credHost=host.helper.host if host.helper.host != host.endpoint else None,
            credExpire=duration(host.helper.expire_s) if host.helper.expire_s != _DEFAULT_EXPIRE_S else None,
        )
    return members


def _redacted(secret: Secret) -> str:
    return str(secret) if secret else ""


def _literal(text: str) -> str:
    """Return a text that has been expanded as a template that gives it again."""
    return text.replace(_TEMPLATE_OPENS, _TEMPLATE_LITERAL)
