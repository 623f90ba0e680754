"""What is asked for in words becomes a job that is queued, whoever asks and however."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import msgspec
import structlog

from daw_bridge.bounds import MAX_NAME_LENGTH, MAX_NAMES, MAX_TEXT_LENGTH
from daw_bridge.errors import OptionError
from daw_bridge.jobs.choosing import choose_model
from daw_bridge.printing import CONTROLS
from daw_bridge.workers.task import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sized

    from daw_bridge.library.costs import Conditions
    from daw_bridge.serving.dispatcher import Dispatcher
    from daw_bridge.serving.store import Record
    from daw_bridge.workers.task import Task

_ID = re.compile(rf"[^{CONTROLS}/]{{1,128}}")

log = structlog.get_logger()


class Intake:
    """Makes of what askers say what a dispatcher takes.

    Args:
        dispatcher: has the jobs run.
        default_model: of who names none.
        conditions: on what models run, by which one is chosen.
    """

    def __init__(self, dispatcher: Dispatcher, default_model: str, conditions: Conditions) -> None:
        self._dispatcher = dispatcher
        self._default_model = default_model
        self._conditions = conditions

    async def take(self, record: Record, locate: Callable[[str], str]) -> Record:
        """Queue a job, or find it where it was asked for before.

        This must not be cancelled, as :meth:`Dispatcher.accept`.

        Args:
            record: its task names sources and model as the asker does.
            locate: gives the real path of a source.

        Raises:
            DawBridgeError: it is not taken in.
        """
        task = record.task
        sources = await asyncio.to_thread(lambda: tuple(map(locate, task.sources)))
        model = await self._model(task)
        record.task = msgspec.structs.replace(task, sources=sources, model=model)
        return await self._dispatcher.accept(record)

    async def _model(self, task: Task) -> str:
        """Return the model of a task: as named, by its quality, or the default.

        A job that is asked for again keeps the model that was chosen for it.
        """
        wishes = await asyncio.to_thread(KINDS[task.kind].wishes, task)
        if not wishes:
            return task.model or self._default_model
        if task.model:
            raise OptionError(f"{task.model} is a model; quality is in place of one.")
        known = self._dispatcher.find(task.job)
        if known and known.task.options == task.options:
            return known.task.model
        choice = await asyncio.to_thread(choose_model, wishes, self._conditions)
        log.info("chosen", job=task.job, model=choice.model.name, reason=str(choice))
        return choice.model.name


def check_words(model: str, paths: Iterable[str]) -> None:
    """Raise :class:`OptionError` if a model's name or a path is longer than any need be."""
    check_length("A model's name", model, MAX_NAME_LENGTH)
    for path in paths:
        check_length("A path", path, MAX_TEXT_LENGTH)


def check_count(options: Sized) -> None:
    """Raise :class:`OptionError` if there are more options than any request needs."""
    if len(options) > MAX_NAMES:
        raise OptionError(f"A request has at most {MAX_NAMES} options.")


def check_id(what: str, name: str) -> str:
    """Return a name, which has to be one that a client may choose."""
    if not _ID.fullmatch(name):
        raise OptionError(f"{what} is 1 to 128 printable characters without '/'.")
    return name


def check_length(what: str, text: str, limit: int) -> None:
    """Raise :class:`OptionError` if a text is longer than so many characters."""
    if len(text) > limit:
        raise OptionError(f"{what} has at most {limit} characters, not {len(text)}.")
