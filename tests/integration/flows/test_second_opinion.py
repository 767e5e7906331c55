"""A hosted model may choose among suggestions; over real HTTP, and whatever it answers, suggestions stay."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flows import second_opinion, suggesting
from flows.mapping.suggest import SObjField, SrcField, Suggestion, suggest_for_fields
from tests.builders import a_workspace

SOURCES = [
    SrcField("charge.amount", "amount", samples=(1999,), desc="Amount intended to be collected."),
    SrcField("charge.amount_captured", "amount", samples=("ann@example.com",)),
]
TARGETS = [SObjField("Amount__c", "Amount", "currency")]


class Model:
    """A model on this machine that says what it is told to, and remembers what it was asked."""

    def __init__(self, url):
        self.url, self.asked, self.says, self.status = url, [], "{}", 200
        self.free = threading.Event()
        self.free.set()

    def chooses(self, *choices):
        self.says = _says(*({"field": field, "path": path} for field, path in choices))


def _envelope(content):
    return json.dumps({"choices": [{"message": {"content": content}}]})


def _says(*choices):
    return _envelope(json.dumps({"choices": list(choices)}))


@pytest.fixture
def model(settings):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.asked.append((self.headers["Authorization"], json.loads(body)))
            found.free.wait(30)
            self.send_response(found.status)
            self.end_headers()
            self.wfile.write(found.says.encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Model(f"http://127.0.0.1:{server.server_port}/v1/chat/completions")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.SANDBOX = True
    settings.SUGGESTIONS_MODEL_URL = found.url
    settings.SUGGESTIONS_MODEL, settings.SUGGESTIONS_MODEL_KEY = "small", "key-7"
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def found():
    return suggest_for_fields(SOURCES, TARGETS)


def ask(found):
    return second_opinion.ask(found, SOURCES, TARGETS)


def in_order(suggestions):
    return [one.path for one in sorted(suggestions, key=lambda one: -one.score)]


@pytest.mark.django_db(transaction=True)
def test_what_the_model_prefers_comes_first_and_nothing_is_surer(model, found):
    model.chooses(("Amount__c", "charge.amount_captured"))

    asked = ask(found)

    assert in_order(found) == ["charge.amount", "charge.amount_captured"]
    assert in_order(asked) == ["charge.amount_captured", "charge.amount"]
    assert sorted(one.score for one in asked) == sorted(one.score for one in found)
    assert max(asked, key=lambda one: one.score).reason.endswith("A hosted model prefers it.")


@pytest.mark.django_db(transaction=True)
def test_the_model_is_asked_only_for_those_whose_suggestions_become_lines(model):
    given = {"workspace": a_workspace(), "target": "Payment__c", "sources": SOURCES, "targets": TARGETS}

    suggesting.lines(**given, opinion=False)
    assert model.asked == []
    suggesting.lines(**given)
    assert len(model.asked) == 1


@pytest.mark.django_db(transaction=True)
def test_the_model_is_told_names_and_types_and_no_value(model, found):
    ask(found)

    ((key, body),) = model.asked
    (field,) = json.loads(body["messages"][1]["content"])
    assert key == "Bearer key-7"
    assert body["response_format"]["json_schema"]["strict"] is True
    assert field == {
        "field": "Amount__c", "label": "Amount", "type": "currency", "help": "",
        "candidates": [
            {"path": "charge.amount", "type": "amount", "description": "Amount intended to be collected."},
            {"path": "charge.amount_captured", "type": "amount", "description": ""},
        ],
    }  # fmt: skip
    assert "1999" not in json.dumps(body)
    assert "ann@example.com" not in json.dumps(body)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "says",
    [
        pytest.param(_says({"field": "Amount__c", "path": "charge.id"}), id="not offered"),
        pytest.param(_says({"field": "Owner", "path": "charge.amount"}), id="no field"),
        pytest.param(_says({"field": ["x"], "path": 7}, None), id="not the schema"),
        pytest.param(_envelope("charge.amount_captured"), id="no JSON inside"),
        pytest.param(_envelope("[" * 100_000), id="nested without end"),
        pytest.param(json.dumps({"choices": []}), id="no message"),
        pytest.param("<html>", id="no JSON at all"),
        pytest.param(" " * 300_000, id="far too much"),
    ],
)
def test_a_bad_answer_changes_nothing(model, found, says):
    model.says = says

    assert ask(found) == found


@pytest.mark.django_db(transaction=True)
def test_a_model_that_refuses_or_hangs_changes_nothing(model, found, monkeypatch):
    model.chooses(("Amount__c", "charge.amount_captured"))
    model.status = 500
    refused = ask(found)
    monkeypatch.setattr(second_opinion, "SECONDS", 0.3)
    model.status = 200
    model.free.clear()
    hung = ask(found)
    hangs = not model.free.is_set()
    model.free.set()

    assert refused == hung == found
    assert hangs


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"SUGGESTIONS_MODEL_URL": ""}, id="no address"),
        pytest.param({"SUGGESTIONS_MODEL": ""}, id="no model"),
        pytest.param({"SANDBOX": False}, id="an address without TLS"),
    ],
)
def test_it_is_off_unless_it_is_set_up_safely(model, found, settings, change):
    for name, value in change.items():
        setattr(settings, name, value)

    assert ask(found) == found
    assert model.asked == []


@pytest.mark.django_db
def test_nobody_is_asked_inside_a_transaction(model, found):
    assert ask(found) == found
    assert model.asked == []


@pytest.mark.django_db(transaction=True)
def test_what_people_accepted_is_not_asked_about(model):
    accepted = suggest_for_fields(SOURCES, TARGETS, examples=[("charge.amount", "Amount__c")])

    assert ask(accepted) == accepted
    assert model.asked == []


def test_by_default_there_is_no_model():
    one = [Suggestion("charge.amount", "Amount__c", 0.9)]

    assert second_opinion.ask(one, SOURCES, TARGETS) is one
