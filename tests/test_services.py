"""Services: batches, retries, budgets, and a journal that buys nothing twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qkeras_hybrid import ArgumentError
from qkeras_hybrid.engines.services import (
    Budget,
    BudgetError,
    JobFailedError,
    Journal,
    Order,
    Prices,
    Request,
    Retries,
    ServiceError,
    Shop,
    Submitter,
    is_transient,
)

QUICK = Retries(attempts=4, first=1e-3, poll_seconds=1e-3)


class NumberShop(Shop):
    """Sells arrays of `shots` times the number of the purchase; does `faults` first."""

    def __init__(self, **limits: Any) -> None:
        self.bought: list[Order] = []
        self.events: list[str] = []
        self.submit_faults: list[Exception] = []
        self.collect_faults: list[Exception] = []
        self.jobs: dict[str, Order] = {}
        self.polls = 0
        for name, value in limits.items():
            setattr(self, name, value)

    def submit(self, order: Order) -> str:
        self.events.append("submit")
        if self.submit_faults:
            raise self.submit_faults.pop(0)
        self.bought.append(order)
        self.jobs[order.name] = order
        return order.name

    def collect(self, ticket: str, order: Order) -> list[np.ndarray] | None:
        self.events.append("collect")
        if self.polls:
            self.polls -= 1
            return None
        if self.collect_faults:
            raise self.collect_faults.pop(0)
        number = 1 + next(i for i, one in enumerate(self.bought) if one.name == ticket)
        return [np.full(order.shots, number, "int8") for _ in order.payloads]

    def find(self, name: str) -> str | None:
        self.events.append("find")
        return name if name in self.jobs else None


def requests(*contents: str, shots: int = 3) -> list[Request]:
    return [Request(content, content, shots) for content in contents]


def test_a_purchase_is_divided_by_the_limits_of_a_job() -> None:
    shop = NumberShop(requests_per_job=2)
    results = Submitter(retries=QUICK).buy(requests(*"abcde"), shop)
    assert [list(order.payloads) for order in shop.bought] == [["a", "b"], ["c", "d"], ["e"]]
    assert [int(result[0]) for result in results] == [1, 1, 2, 2, 3]


def test_the_smaller_limit_of_shop_and_user_counts() -> None:
    shop = NumberShop(requests_per_job=4)
    Submitter(requests_per_job=3).buy(requests(*"abcde"), shop)
    assert [len(order.payloads) for order in shop.bought] == [3, 2]


def test_more_shots_than_a_job_takes_are_bought_in_parts() -> None:
    shop = NumberShop(shots_per_request=4)
    [result] = Submitter().buy(requests("a", shots=10), shop)
    assert len(result) == 10
    assert sorted((o.shots, len(o.payloads)) for o in shop.bought) == [(3, 2), (4, 1)]


def test_requests_with_different_shots_are_different_jobs() -> None:
    shop = NumberShop()
    Submitter().buy(requests("a", shots=2) + requests("b", shots=5) + requests("c", shots=2), shop)
    assert [(order.shots, list(order.payloads)) for order in shop.bought] == [
        (2, ["a", "c"]),
        (5, ["b"]),
    ]


def test_all_jobs_are_submitted_before_the_first_is_waited_for() -> None:
    shop = NumberShop(requests_per_job=1)
    Submitter().buy(requests(*"abc"), shop)
    assert shop.events == ["submit"] * 3 + ["collect"] * 3


def test_a_job_is_asked_for_until_it_is_done() -> None:
    shop = NumberShop(polls=3)
    Submitter(retries=QUICK).buy(requests("a"), shop)
    assert shop.events == ["submit"] + ["collect"] * 4


def test_equal_requests_are_bought_separately() -> None:
    shop = NumberShop(requests_per_job=1)
    one, two = Submitter().buy(requests("a", "a"), shop)
    assert int(one[0]) != int(two[0])


class HTTPError(Exception):
    def __init__(self, status_code: int) -> None:
        super().__init__(f"status {status_code}")
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (HTTPError(429), True),
        (HTTPError(500), True),
        (HTTPError(503), True),
        (HTTPError(524), True),
        (HTTPError(400), False),
        (HTTPError(401), False),
        (HTTPError(404), False),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (ValueError(), False),
        (JobFailedError("it failed"), False),
    ],
    ids=repr,
)
def test_passing_errors_are_told_from_those_that_stay(error: Exception, transient: bool) -> None:
    assert is_transient(error) is transient


def test_the_errors_of_http_clients_are_recognized_without_importing_them() -> None:
    requests_library = pytest.importorskip("requests")
    assert is_transient(requests_library.exceptions.ReadTimeout())
    assert is_transient(requests_library.exceptions.ChunkedEncodingError())
    assert not is_transient(requests_library.exceptions.InvalidURL())


@pytest.mark.parametrize("where", ["submit_faults", "collect_faults"])
def test_a_call_is_repeated_after_passing_errors(where: str) -> None:
    faults = [HTTPError(429), TimeoutError(), ConnectionResetError()]
    shop = NumberShop(**{where: faults})
    Submitter(retries=QUICK).buy(requests("a"), shop)
    assert len(shop.bought) == 1


def test_a_lost_answer_to_a_submission_does_not_buy_twice() -> None:
    class Deaf(NumberShop):
        def submit(self, order: Order) -> str:
            super().submit(order)
            if len(self.bought) == 1:
                raise ConnectionResetError
            return order.name

    shop = Deaf()
    Submitter(retries=QUICK).buy(requests("a"), shop)
    assert len(shop.bought) == 1


def test_after_the_last_attempt_the_error_says_how_many_there_were() -> None:
    shop = NumberShop(submit_faults=[HTTPError(503)] * 9)
    with pytest.raises(ServiceError, match=r"could not take a job in 4 attempts.*status 503"):
        Submitter(retries=QUICK).buy(requests("a"), shop)
    assert shop.events.count("submit") == 4


def test_an_error_that_stays_is_raised_at_once() -> None:
    shop = NumberShop(submit_faults=[HTTPError(401)])
    with pytest.raises(ServiceError, match="refused to take a job: HTTPError: status 401"):
        Submitter(retries=QUICK).buy(requests("a"), shop)
    assert shop.events == ["submit"]


def test_a_call_that_hangs_counts_as_timed_out() -> None:
    import threading

    forever = threading.Event()
    with pytest.raises(ServiceError, match=r"no answer within 0.01 seconds"):
        Retries(attempts=2, first=1e-3, call_seconds=0.01).call(forever.wait, "take a job")


def test_pauses_grow_and_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[tuple[float, float]] = []
    monkeypatch.setattr(
        "qkeras_hybrid.engines.services.retries.random.uniform",
        lambda low, high: pauses.append((low, high)) or 0.0,
    )

    def fail() -> None:
        raise HTTPError(429)

    with pytest.raises(ServiceError):
        Retries(attempts=6, first=1.0, longest=6.0).call(fail, "take a job")
    assert pauses == [(0, 1.0), (0, 2.0), (0, 4.0), (0, 6.0), (0, 6.0)]


def test_a_job_that_failed_at_the_service_is_submitted_again_a_few_times() -> None:
    shop = NumberShop(collect_faults=[JobFailedError("cancelled")] * 2)
    submitter = Submitter(retries=QUICK)
    submitter.buy(requests("a"), shop)
    assert len(shop.bought) == 3
    assert submitter.spent.shots == 3  # a failed job is not charged
    shop = NumberShop(collect_faults=[JobFailedError("cancelled")] * 3)
    with pytest.raises(ServiceError, match=r"failed 3 times at the service.*cancelled"):
        Submitter(retries=QUICK).buy(requests("a"), shop)


def test_a_result_that_is_not_what_was_ordered_is_paid_for() -> None:
    shop = NumberShop(collect_faults=[JobFailedError("too few shots", charged=True)])
    submitter = Submitter(retries=QUICK, budget=Budget(shots=100))
    submitter.buy(requests("a"), shop)
    assert submitter.spent.shots == 6
    assert submitter.budget is not None and submitter.budget.spent_shots == 6


def test_too_few_results_are_a_failed_job() -> None:
    class Short(NumberShop):
        def collect(self, ticket: str, order: Order) -> list[np.ndarray] | None:
            return (super().collect(ticket, order) or [])[:1]

    with pytest.raises(ServiceError, match="the job has 1 results for 2 circuits"):
        Submitter(retries=QUICK).buy(requests("a", "b"), Short())


def test_a_job_that_waits_too_long_is_given_up() -> None:
    shop = NumberShop(polls=10**6)
    retries = Retries(poll_seconds=1e-3, queue_seconds=0.01)
    with pytest.raises(ServiceError, match=r"no result after 0.01 seconds"):
        Submitter(retries=retries).buy(requests("a"), shop)


def test_a_budget_buys_a_purchase_as_a_whole_or_not_at_all() -> None:
    shop, budget = NumberShop(requests_per_job=1), Budget(shots=10)
    submitter = Submitter(budget=budget)
    submitter.buy(requests("a", "b"), shop)
    with pytest.raises(BudgetError, match=r"10 shots is used up: 6 are spent.* needs 6"):
        submitter.buy(requests("c", "d"), shop)
    assert len(shop.bought) == 2
    submitter.buy(requests("c"), shop)
    assert budget.spent_shots == 9


def test_a_budget_in_money_counts_shots_circuits_and_jobs() -> None:
    prices = Prices(per_shot=0.01, per_circuit=0.3, per_job=1.0)
    submitter = Submitter(budget=Budget(money=2 * 1.33), prices=prices)
    submitter.buy(requests("a"), NumberShop())
    submitter.buy(requests("a"), NumberShop())
    assert submitter.spent.money == pytest.approx(2 * (1.0 + 0.3 + 3 * 0.01))
    with pytest.raises(BudgetError, match=r"budget's money, 2\.66, is used up"):
        submitter.buy(requests("a"), NumberShop())


def test_two_engines_share_a_budget() -> None:
    budget = Budget(shots=6)
    for content in "ab":
        Submitter(budget=budget).buy(requests(content), NumberShop())
    with pytest.raises(BudgetError):
        Submitter(budget=budget).buy(requests("c"), NumberShop())


def test_a_restarted_run_buys_nothing_that_is_in_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        first = Submitter(journal=journal).buy(requests("a", "b", "a"), NumberShop())
    with Journal(path) as journal:
        shop = NumberShop()
        submitter = Submitter(journal=journal)
        again = submitter.buy(requests("a", "b", "a"), shop)
        assert shop.bought == []
        assert submitter.spent.replayed == 3
        np.testing.assert_array_equal(again, first)
        submitter.buy(requests("a"), shop)  # the third one of its content
        assert len(shop.bought) == 1


def test_a_run_never_reads_a_result_twice(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        shop = NumberShop()
        results = [Submitter(journal=journal).buy(requests("a"), shop)[0][0] for _ in range(3)]
        assert results == [1, 2, 3]
        journal.restart()
        more = [Submitter(journal=journal).buy(requests("a"), shop)[0][0] for _ in range(4)]
        assert more == [1, 2, 3, 4]


def test_a_journal_counts_what_earlier_runs_spent_against_a_budget(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        Submitter(journal=journal, budget=Budget(shots=9)).buy(requests("a", "b"), NumberShop())
    with Journal(tmp_path / "journal") as journal:
        submitter = Submitter(journal=journal, budget=Budget(shots=9))
        submitter.buy(requests("a", "b", "c"), NumberShop())
        with pytest.raises(BudgetError, match="9 are spent"):
            submitter.buy(requests("d"), NumberShop())


def test_a_journal_of_two_engines_is_counted_once(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        Submitter(journal=journal).buy(requests("a"), NumberShop())
        budget = Budget(shots=9)
        for content in "bc":
            Submitter(journal=journal, budget=budget).buy(requests(content), NumberShop())
        assert budget.spent_shots == 9


def test_a_journal_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    submitter = Submitter(journal=journal)
    submitter.buy(requests("a"), NumberShop())
    journal._database.execute("PRAGMA query_only = ON")
    with pytest.raises(ServiceError, match="journal can't be written"):
        submitter.buy(requests("b"), NumberShop())
    journal.close()


def test_after_an_error_the_same_request_is_the_same_again(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        shop = NumberShop(requests_per_job=1)
        submitter = Submitter(journal=journal, retries=QUICK)
        shop.submit_faults = []
        submitter.buy(requests("a"), shop)
        shop.collect_faults = [HTTPError(401)]
        with pytest.raises(ServiceError):
            submitter.buy(requests("a", "b"), shop)
        submitter.buy(requests("a", "b"), shop)
        assert len(shop.bought) == 3  # "a", and once "a" and "b" of the purchase that failed


def test_a_job_on_its_way_is_taken_up_again(tmp_path: Path) -> None:
    shop = NumberShop(requests_per_job=1, collect_faults=[KeyboardInterrupt()])
    with Journal(tmp_path / "journal") as journal, pytest.raises(KeyboardInterrupt):
        Submitter(journal=journal).buy(requests("a", "b"), shop)
    assert len(shop.bought) == 2
    with Journal(tmp_path / "journal") as journal:
        assert [job.ticket is not None for job in journal.pending()] == [True, True]
        Submitter(journal=journal).buy(requests("a", "b"), shop)
        assert journal.pending() == []
    assert len(shop.bought) == 2


def test_a_submission_that_was_not_confirmed_is_looked_for_by_its_name(tmp_path: Path) -> None:
    class Killed(NumberShop):
        killed = False

        def submit(self, order: Order) -> str:
            ticket = super().submit(order)
            if not self.killed:
                self.killed = True
                raise KeyboardInterrupt
            return ticket

    shop = Killed()
    with Journal(tmp_path / "journal") as journal, pytest.raises(KeyboardInterrupt):
        Submitter(journal=journal).buy(requests("a"), shop)
    with Journal(tmp_path / "journal") as journal:
        Submitter(journal=journal).buy(requests("a"), shop)
    assert len(shop.bought) == 1


def test_jobs_of_two_journals_have_different_names(tmp_path: Path) -> None:
    names = []
    for number in range(2):
        shop = NumberShop()
        with Journal(tmp_path / f"journal{number}") as journal:
            Submitter(journal=journal).buy(requests("a"), shop)
        names.append(shop.bought[0].name)
    assert names[0] != names[1]


def test_the_seed_of_a_job_does_not_depend_on_what_was_bought_before(tmp_path: Path) -> None:
    whole, part = NumberShop(requests_per_job=1), NumberShop(requests_per_job=1)
    Submitter().buy(requests("a", "b"), whole, seed=1)
    with Journal(tmp_path / "journal") as journal:
        Submitter(journal=journal).buy(requests("a"), part, seed=1)
        journal.restart()
        Submitter(journal=journal).buy(requests("a", "b"), part, seed=1)
    assert [order.seed for order in part.bought] == [order.seed for order in whole.bought]
    assert whole.bought[0].seed != whole.bought[1].seed


def test_one_run_at_a_time_has_a_journal(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal"):
        with pytest.raises(ServiceError, match=r"open already. Two runs would use"):
            Journal(tmp_path / "journal")
        code = (
            "import sys; from qkeras_hybrid.engines.services import Journal; Journal(sys.argv[1])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "journal")], capture_output=True, text=True
        )
        assert "is open already" in done.stderr
    Journal(tmp_path / "journal").close()


def test_another_file_is_no_journal(tmp_path: Path) -> None:
    import sqlite3

    (tmp_path / "text").write_text("not a database, but long enough to be looked at" * 9)
    with pytest.raises(ServiceError, match=r"is not a journal"):
        Journal(tmp_path / "text")
    with sqlite3.connect(tmp_path / "other") as database:
        database.execute("CREATE TABLE mine (x)")
    database.close()
    with pytest.raises(ServiceError, match="not a journal of this version"):
        Journal(tmp_path / "other")
    with pytest.raises(ServiceError, match="can't be opened"):
        Journal(tmp_path / "no folder" / "journal")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Budget(), "`shots` must be a number if `money` is None"),
        (lambda: Budget(shots=0), "`shots` must be a whole number of at least 1"),
        (lambda: Budget(money=0.0), "`money` must be positive"),
        (lambda: Prices(per_shot=-1.0), "`per_shot` must be at least 0"),
        (lambda: Retries(attempts=0), "`attempts` must be a whole number of at least 1"),
        (lambda: Retries(first=0.0), "`first` must be positive"),
    ],
)
def test_bad_input_is_told(make: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        make()


def test_progress_tells_shots_and_money() -> None:
    from qkeras_hybrid.engines.services.progress import Progress

    progress = Progress(True, "EUR")
    progress.start(2)
    progress.done(1500, 12.5)
    progress.stop()
    assert progress.text(1500, 12.5) == "1,500 shots, 12.50 EUR"
    assert progress.text(1500, 0.0) == "1,500 shots"
