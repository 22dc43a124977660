"""What takes longer than a page may: done beside it, with a page that says how far it has come.

A task ends with its process. What it had done by then stays done, and the user is told to ask again for the rest.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mpcontinuity.model.errors import Refused, Stopping, Temporary
from mpcontinuity.model.texts import marked

MOST: Final = 100  # that run at a time in a process: each is one short transaction after the other
REMEMBERED: Final = 1_000  # users of whom the last one is known, to say what came of it

_log = Logger()


@dataclass(slots=True)
class Task:
    """Something that is being done for a user, with ``total`` messages, of which ``done`` are; 0 while they are still
    searched.

    ``result`` says what came of it, as a sentence, and is empty until then; ``undo`` is what takes it back (`Undo`),
    where anything does. ``onward`` is the page where the user was.
    """

    total: int
    onward: str
    done: int = 0
    result: str = ""
    undo: str = ""

    def counted(self, number: int) -> None:
        """Notes that so many messages more are done."""
        self.done += number


Work = Callable[[Task], Awaitable[tuple[str, str]]]


@dataclass(slots=True)
class Tasks:
    """The tasks of one process, in the reactor thread: one for each user at a time, and the last one of each."""

    _of_user: OrderedDict[int, Task] = field(default_factory=OrderedDict)

    def find(self, user: int) -> Task | None:
        """Returns the task of a user, which may be done; None where none is remembered."""
        return self._of_user.get(user)

    def begin(self, user: int, task: Task, work: Work, failed: Callable[[BaseException], str]) -> None:
        """Begins a task for a user: ``work`` returns what came of it and what takes it back, and ``failed`` says in
        words why it could not be ended. Raises Refused while another one runs, and Temporary where too many do."""
        before = self.find(user)
        if before is not None and not before.result:
            raise Refused(marked("what you asked for before is still being done"), "conflict")
        if sum(not each.result for each in self._of_user.values()) >= MOST:
            raise Temporary("too many long tasks at a time")
        self._of_user.pop(user, None)
        self._of_user[user] = task
        while len(self._of_user) > REMEMBERED:
            oldest = next((user for user, each in self._of_user.items() if each.result), None)
            if oldest is None:
                break
            del self._of_user[oldest]
        Deferred.fromCoroutine(self._run(task, work, failed))

    async def _run(self, task: Task, work: Work, failed: Callable[[BaseException], str]) -> None:
        try:
            task.result, task.undo = await work(task)
        except (Refused, Temporary, Stopping) as error:
            task.result = failed(error)
        except Exception as error:
            _log.failure("a long task failed")
            task.result = failed(error)
