"""Where a credential of the configuration stands, for messages that ask to correct it there."""

import pytest

from support.config_facts import desired

TWICE = """\
creds:
  - {registry: other}
  - registry: r:1
    pass: old
    user: ann
  - registry: r:1
    tries: 2
"""


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("creds: [{registry: r:1}]", ""),
        ("creds:\n- registry: r:1\n  user: ann\n  pass: secret\n", "creds[0] (c.yaml:4)"),
        ("creds:\n- registry: r:1\n  token: secret\n  user: ann\n", "creds[0] (c.yaml:3)"),
        ("creds:\n- registry: r:1\n  credHelper: docker-credential-x\n", "creds[0] (c.yaml:3)"),
        (TWICE, "creds[1] (c.yaml:4)"),
        (TWICE + "    pass: new\n", "creds[2] (c.yaml:8)"),
    ],
)
def test_a_login_has_its_place_in_the_file(text: str, source: str) -> None:
    """That of its secret, which is where settings in several places took it from."""
    (found,) = (host for host in desired(text).hosts if host.registry == "r:1")
    assert found.credential_source == source
