"""The client's connection: which proxy a request takes is decided once, at the start."""

from __future__ import annotations

import pytest
from webssl_operator.cluster.api import proxy_of


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("https://10.0.0.1:443", {}, None),
        ("https://10.0.0.1:443", {"https_proxy": "http://proxy.lab:3128"}, "http://proxy.lab:3128"),
        ("http://10.0.0.1", {"https_proxy": "http://proxy.lab:3128"}, None),
        ("https://10.0.0.1:443", {"https_proxy": "http://proxy.lab:3128", "no_proxy": "10.0.0.1"}, None),
        ("https://api.lab:6443", {"https_proxy": "http://proxy.lab:3128", "no_proxy": ".lab"}, None),
        ("https://api.lab:6443", {"https_proxy": "http://proxy.lab:3128", "no_proxy": "*"}, None),
        ("", {"https_proxy": "http://proxy.lab:3128"}, None),
    ],
)
def test_the_proxy_of_the_api_server(
    monkeypatch: pytest.MonkeyPatch, url: str, environment: dict[str, str], expected: str | None
) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_of(url) == expected
