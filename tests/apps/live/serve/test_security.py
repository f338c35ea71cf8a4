"""Who is answered: hosts, origins, tokens, addresses; and what is no HTTP."""

import pytest

from tests.serving import png, port, raw, request, serve
from visus.apps.live.serve.address import parse_address
from visus.vision.errors import VisusError

HEAD = b"Host: localhost\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_requests_from_other_sites_are_refused(page, workplace, headers):
    for method, path in (("GET", "/state"), ("GET", "/stream"), ("POST", "/pause")):
        status, entry = request(page, method, path, **headers)
        assert status == 403 and "error" in entry


def test_requests_of_the_own_page_are_answered(page):
    for host in ("localhost", "LOCALHOST", "127.0.0.1", "[::1]"):
        name = f"{host}:{port(page)}"
        headers = {"Host": name, "Origin": f"http://{name}", "Sec_Fetch_Site": "same-origin"}
        assert request(page, "GET", "/state", **headers)[0] == 200


@pytest.mark.parametrize(
    "lines",
    [
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.0\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: [::1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost:x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: user@localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"GET /health HTTP/1.1\r\n" + HEAD + b"Origin: http://[::1\r\n\r\n",
        b"GET /health HTTP/1.1\r\n" + HEAD + b"Origin: x\r\n\r\n",
        b"GET //[ HTTP/1.1\r\nHost: [\r\n\r\n",
        b"GET http://[/ HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET nothing HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /h\xff HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET  HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"POST /predict HTTP/1.1\r\n" + HEAD + b"Content-Length: x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\n" + HEAD + b"Content-Length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\n" + HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /predict HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"x" * 200_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /health HTTP/1.1\r\n" + HEAD + b"A: " + b"x" * 200_000,
    ],
)
def test_malformed_requests_get_400(page, lines):
    answer = raw(page, lines)
    assert answer.startswith(b"HTTP/1.1 400 ") and b'{"error": "' in answer
    assert request(page, "GET", "/health")[0] == 200


def test_a_request_hidden_in_a_body_is_not_answered(page):
    hidden = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    both = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    answer = raw(page, b"POST /predict HTTP/1.1\r\n" + HEAD + both + hidden)
    assert answer.count(b"HTTP/1.1") == 1 and answer.startswith(b"HTTP/1.1 400 ")
    assert b"both Content-Length and Transfer-Encoding" in answer
    # The body of a request that is refused, or needs none, is no request either.
    length = f"Content-Length: {len(hidden)}\r\nConnection: close\r\n\r\n".encode()
    for line in (b"POST /nothing", b"GET /health", b"POST /predict"):
        answer = raw(page, line + b" HTTP/1.1\r\n" + HEAD + length + hidden)
        assert answer.count(b"HTTP/1.1") == 1


def test_unknown_paths_and_methods_get_json(page):
    assert request(page, "GET", "/nothing")[0] == 404
    for path in ("/../pyproject.toml", "/health/", "//health", "/predict%00"):
        status, entry = request(page, "GET", path)
        assert status == 404 and "/docs" in entry["error"]
    for method in ("PUT", "DELETE", "OPTIONS", "GET", "PATCH", "TRACE", "BREW"):
        status, entry = request(page, method, "/predict")
        assert status == 405 and "method" in entry["error"]
    assert request(page, "HEAD", "/health") == (200, b"")


def test_other_machines_need_the_token(model, monkeypatch, workplace):
    monkeypatch.setenv("VISUS_TOKEN", "s3cret")
    with serve(model[0], address="0.0.0.0:0") as server:
        # The URL has the machine's name; the user's own token is not printed.
        assert server.url.endswith("/?token=$VISUS_TOKEN") and "0.0.0.0" not in server.url
        for path in ("/", "/models", "/stream", "/metrics", "/?token=wrong", "/docs?token=s3cret"):
            assert request(server, "GET", path)[0] == 401
        assert request(server, "POST", "/predict", png(workplace))[0] == 401
        # Load balancers have no token, and learn nothing but the state.
        assert request(server, "GET", "/health") == (200, {"status": "ok"})
        assert request(server, "GET", "/ready") == (200, {"status": "ready", "waiting": 0})
        assert request(server, "GET", "/models", Authorization="Bearer s3cret")[0] == 200
        assert request(server, "GET", "/models", Authorization="Bearer wrong")[0] == 401
        assert request(server, "GET", "/models", Authorization="Bearer \xe9")[0] == 401
        assert request(server, "GET", "/?token=s3cret")[0] == 200
        # The name of the cookie has the port that the client sees.
        host = {"Host": "camera:8081"}
        for cookie in ("a=b c; visus-8081=s3cret", 'x={"a":1}; visus-8081=s3cret'):
            assert request(server, "GET", "/models", Cookie=cookie, **host)[0] == 200
            assert request(server, "GET", "/models", Cookie=cookie, Host="camera")[0] == 401
        for port, name in ((b":8081", "visus-8081"), (b"", "visus-default")):
            head = b"GET /?token=s3cret HTTP/1.0\r\nHost: x" + port + b"\r\n\r\n"
            cookie = f"set-cookie: {name}=s3cret; httponly; path=/; samesite=strict"
            assert cookie.encode() in raw(server, head).lower()


def test_a_token_that_is_not_needed_need_not_be_valid(model, monkeypatch):
    monkeypatch.setenv("VISUS_TOKEN", "two words")
    with serve(model[0], address="127.0.0.1:0") as server:
        assert server.url.endswith("/") and request(server, "GET", "/models")[0] == 200


@pytest.mark.parametrize(
    ("token", "words"), [("s3cret\n", ""), ("s\xe9cret", "ASCII"), ("a b", "")]
)
def test_a_token_that_cannot_be_sent_is_refused(monkeypatch, token, words):
    monkeypatch.setenv("VISUS_TOKEN", token)
    if token.endswith("\n"):
        with serve(address="0.0.0.0:0") as server:
            assert request(server, "GET", "/models", Authorization="Bearer s3cret")[0] == 200
        return
    with pytest.raises(VisusError, match=f"VISUS_TOKEN: a token is {words}"):
        serve(address="0.0.0.0:0").__enter__()


def test_a_token_is_generated_where_none_is_given(model, monkeypatch):
    monkeypatch.delenv("VISUS_TOKEN", raising=False)
    with serve(address="0.0.0.0:0") as one, serve(address="0.0.0.0:0") as two:
        assert one.url.endswith(f"/?token={one.token}") and one.token != two.token
        assert len(one.token) > 16


@pytest.mark.parametrize("text", ["", "x", "99999", "host:", "1.2.3.4:x"])
def test_malformed_addresses(text):
    with pytest.raises(VisusError, match="is not an address to listen on"):
        parse_address(text)


def test_a_port_that_is_in_use_is_named(page):
    with pytest.raises(VisusError, match="cannot listen there"), serve(address=str(port(page))):
        pass
