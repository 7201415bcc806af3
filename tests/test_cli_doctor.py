"""`qkeras-hybrid doctor`: what it says, and that it notices an engine that is wrong."""

from __future__ import annotations

import keras
import pytest

from qkeras_hybrid import cli, engines
from qkeras_hybrid.engines import Run
from qkeras_hybrid.engines.services import ACCOUNTS
from qkeras_hybrid.engines.statevector import StatevectorEngine
from qkeras_hybrid.program import Job


def test_doctor_says_what_is_here_and_that_it_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert f"keras            {keras.__version__}".split() == [
        word for line in printed.splitlines() if line.startswith("keras ") for word in line.split()
    ]
    for name, status in engines.status().items():
        (line,) = (line for line in printed.splitlines() if line.split()[:1] == [name])
        assert ("works" in line) == (status == "available")


def test_doctor_notices_an_engine_with_wrong_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = StatevectorEngine.prepare

    def wrong(engine: StatevectorEngine, job: Job) -> Run:
        run = right(engine, job)
        return lambda *arguments: 1.001 * run(*arguments)

    monkeypatch.setattr(StatevectorEngine, "prepare", wrong)
    assert cli.main(["doctor"]) == 1
    assert "WRONG VALUES" in capsys.readouterr().out


def test_doctor_says_why_an_engine_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*arguments: object, **more: object) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(StatevectorEngine, "prepare", broken)
    assert cli.main(["doctor"]) == 1
    assert "RuntimeError: out of order" in " ".join(capsys.readouterr().out.split())


def test_doctor_fails_where_a_required_engine_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["doctor", "--require", "statevector"]) == 0
    monkeypatch.setattr(engines, "status", lambda: {"statevector": "not built (no compiler)"})
    assert cli.main(["doctor"]) == 0
    assert cli.main(["doctor", "--require", "statevector"]) == 1
    assert cli.main(["doctor", "--require", "statevecter"]) == 2
    assert "statevector" in capsys.readouterr().err


def test_doctor_says_which_credentials_are_set_and_never_what_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "not-for-other-eyes"
    for account in ACCOUNTS.values():
        for name in account.variables:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("IONQ_API_KEY", secret)
    monkeypatch.setenv("AQT_TOKEN", "")  # as good as not set
    monkeypatch.setenv("COLUMNS", "200")
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr()
    assert secret not in printed.out + printed.err
    lines = {line.split()[0]: line for line in printed.out.splitlines() if line.split()}
    assert "IONQ_API_KEY is set" in lines["IonQ"]
    assert "AQT_TOKEN is not set" in lines["AQT"]
    assert "neither GOOGLE_CLOUD_PROJECT nor GOOGLE_APPLICATION_CREDENTIALS is" in lines["Google"]
    for account in ACCOUNTS.values():
        said = f'not installed: pip install "{account.install}"'
        assert (said in lines[account.service]) != account.importable
        assert (account.module in lines[account.service].split()) == account.importable
