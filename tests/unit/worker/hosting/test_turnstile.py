"""Models take turns in the order in which they came."""

import threading
from collections.abc import Callable

from worker.hosting.turnstile import Turnstile


def test_turns_come_in_order(wait_for: Callable[..., None]) -> None:
    """Whoever came first goes first, and never more than allowed are inside."""
    turnstile, order, inside = Turnstile(1), [], []

    def go(number: int) -> None:
        with turnstile:
            order.append(number)
            inside.append(threading.active_count())

    threads = []
    with turnstile:
        for number in range(5):
            threads.append(threading.Thread(target=go, args=(number,)))
            threads[-1].start()
            wait_for(lambda: len(turnstile._queue) == len(threads), what="the thread to queue")
    for thread in threads:
        thread.join(10)
    assert order == [0, 1, 2, 3, 4]


def test_several_may_be_inside(wait_for: Callable[..., None]) -> None:
    """With two places two are inside at once, and the third waits."""
    turnstile, entered, go_on = Turnstile(2), [], threading.Event()

    def stay() -> None:
        with turnstile:
            entered.append(1)
            go_on.wait(10)

    threads = [threading.Thread(target=stay) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(entered) == 2 and len(turnstile._queue) == 1, what="two inside, one waiting")
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert len(entered) == 3
