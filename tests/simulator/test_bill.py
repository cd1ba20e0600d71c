"""Bills grow with what is generated, and totals are their sums."""

from __future__ import annotations

from tollhouse.simulator.answer import Amounts, Answer
from tollhouse.simulator.bill import BILLS_MAX, REQUESTS_MAX, BillBook, Seen, Totals

AMOUNTS = Amounts(input=100, output=50, cached=30, cache_write=20, cache_write_1h=5, reasoning=10)
ANSWER = Answer(content_type=b"application/json", id="a", dialect="openai_chat", model="m", amounts=AMOUNTS)


def test_a_bill_grows_and_finishes() -> None:
    """Input counts at once, output as it comes, reasoning first; finishing twice changes nothing."""
    book = BillBook()
    charge = book.open(ANSWER, b"req_1", "call-7", bytes(32))
    assert charge is not None
    charge.grow(7)
    (bill,) = book.billed(None)["bills"]
    assert (bill.output_tokens, bill.reasoning_tokens, bill.finished, bill.correlation) == (7, 7, False, "call-7")
    charge.finish()
    charge.finish()
    assert book.billed(None)["totals"] == Totals(
        calls=1,
        finished=1,
        input_tokens=100,
        output_tokens=50,
        cached_tokens=30,
        cache_write_tokens=20,
        cache_write_1h_tokens=5,
        reasoning_tokens=10,
    )


def test_what_is_free_has_no_bill() -> None:
    """An answer without amounts opens no bill."""
    book = BillBook()
    assert book.open(Answer(content_type=b"text/plain"), b"req_1", None, bytes(32)) is None
    assert book.billed(None)["bills"] == []


def test_a_reset_forgets_running_answers() -> None:
    """An answer that began before a reset does not count into the totals after it."""
    book = BillBook()
    charge = book.open(ANSWER, b"req_1", None, bytes(32))
    assert charge is not None
    book.reset()
    charge.finish()
    assert book.billed(None)["totals"] == Totals()


def test_the_list_is_bounded_and_the_totals_are_not() -> None:
    """The oldest bills drop out of the list, and stay in the totals."""
    book = BillBook()
    for _ in range(BILLS_MAX + 5):
        book.open(ANSWER, b"req_1", None, b"")
    billed = book.billed(3)
    assert (billed["kept"], len(billed["bills"]), billed["totals"].calls) == (BILLS_MAX, 3, BILLS_MAX + 5)


def test_requests_are_kept_in_order_and_bounded() -> None:
    """The last requests are kept, with a large body told only by length and hash."""
    book = BillBook()
    for number in range(REQUESTS_MAX + 1):
        book.see(
            Seen(
                method="POST",
                path=b"/%d" % number,
                query=b"",
                headers=[(b"X-One", b"1")],
                body=None,
                body_bytes=9,
                digest=b"\xab",
            )
        )
    shown = book.requests(1000)
    assert shown["received"] == REQUESTS_MAX + 1
    assert [item["path"] for item in shown["requests"]] == [f"/{number}" for number in range(1, REQUESTS_MAX + 1)]
    last = shown["requests"][-1]
    assert (last["body_base64"], last["body_bytes"], last["body_sha256"]) == (None, 9, "ab")
