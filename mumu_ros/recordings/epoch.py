"""The part of a recording that is on one clock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Generic, TypeVar

from mumu_ros.streams.stamps import StampGuard, StreamClock, Verdict

__all__ = ["FirstEpoch"]

_HELD = 256
"""Messages of a topic that wait until it is clear whether time has jumped or a stamp is garbage."""

MessageT = TypeVar("MessageT")


class FirstEpoch(Generic[MessageT]):
    """Takes the messages whose stamps can be believed, by the rule of the live nodes, until time jumps back.

    After that the same stamps would mean other moments: a second recording in the same bag.

    Args:
        topics: Names of the topics.

    Attributes:
        ended: Whether time has jumped back; nothing after that is taken.
    """

    def __init__(self, topics: Collection[str]) -> None:
        self._clocks = {name: StreamClock(_HELD) for name in topics}
        self._names = {id(clock): name for name, clock in self._clocks.items()}
        self._guard: StampGuard[StreamClock, MessageT] = StampGuard(list(self._clocks.values()))
        self.ended = False

    def take(self, messages: Iterable[tuple[str, int, MessageT]]) -> Iterator[tuple[str, int, MessageT]]:
        """Yield the (topic, stamp in nanoseconds, message) to believe."""
        for topic, stamp_ns, message in messages:
            clock = self._clocks[topic]
            verdict = self._guard.judge(clock, stamp_ns, message)
            if verdict is Verdict.BACKWARD:
                self.ended = True
                return
            if verdict is Verdict.TURNED_AWAY:
                continue
            good = self._guard.release() if verdict is Verdict.FORWARD else [(clock, stamp_ns, message)]
            for its_clock, its_stamp_ns, its_message in good:
                its_clock.newest_ns = max(its_clock.newest_ns, its_stamp_ns)
                yield self._names[id(its_clock)], its_stamp_ns, its_message

    def problems(self) -> list[str]:
        """What was not taken, a sentence each."""
        said = [
            f"{clock.refused + clock.late} messages of {name} have stamps that cannot be believed; they are not used"
            for name, clock in self._clocks.items()
            if clock.refused + clock.late
        ]
        if self.ended:
            said.append(
                "time jumps back: this bag holds two recordings; only the first is used, split the bag for the others"
            )
        return said
