"""Work that is yet to be done, found in what a function gave back: only looked at, never consumed.

Known are futures, coroutines, generators and other iterators, threads and processes; inside lists,
tuples, sets, mappings, arrays of objects, dataclasses, namespaces and objects of people's own
classes, however deep. Objects of libraries are not looked into: what they keep is their affair.
Looking has bounds, since it is done while energy is metered: so many containers, and so many items
of each output.
"""

import asyncio.subprocess
import dataclasses
import functools
import gc
import inspect
import io
import itertools
import multiprocessing.process
import operator
import os
import stat
import subprocess
import sys
import threading
import types
from argparse import Namespace
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import AsyncIterator, Awaitable, Iterator
from concurrent import futures
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import Any, Literal, TypeAlias, cast

MOST_CONTAINERS = 1000
MOST_ITEMS = 10_000

Kind: TypeAlias = Literal[
    "future", "awaitable", "async iterator", "iterator", "async result", "thread", "process"
]
_Holder: TypeAlias = Literal[
    "list", "tuple", "set", "frozenset", "deque", "dict", "view", "array", "fields"
]

IN_A_LOOP = "Where an event loop runs already: await asyncio.to_thread(energyscore.measure, ...)."


@dataclass(frozen=True)
class Unfinished:
    """Work that is yet to be done, and where in the output it is; no `place`: the output is it.

    `state` says what is the matter with it, where it is not just going on.
    """

    kind: Kind
    work: Any
    place: str = ""
    state: str = ""

    def __str__(self) -> str:
        """It for people: `a coroutine at [0]['answer']`."""
        name = type(self.work).__name__.replace("_", " ").strip()
        article = "an" if name[:1].lower() in "aeiou" else "a"
        return f"{article} {name}{self.state}{f' at {self.place}' if self.place else ''}"

    @property
    def remedy(self) -> str:
        """How to have it done before the function returns."""
        if self.kind == "iterator":
            inside = "Make a list of it before it is given back."
            whole = "Wrap it in a function that does all of it, such as lambda query: "
            return inside if self.place else f"{whole}list(f(query))."
        if self.kind == "async iterator":
            return (
                "Read it to its end: async def read(query): return [one async for one in f(query)]"
                f", and measure lambda query: asyncio.run(read(query)). {IN_A_LOOP}"
            )
        if self.kind == "awaitable" or isinstance(self.work, asyncio.Future):
            if self.place:
                return (
                    "Await it: async def all_of(query): return await asyncio.gather(*f(query)), "
                    f"and measure lambda query: asyncio.run(all_of(query)). {IN_A_LOOP}"
                )
            return f"Have it done: lambda query: asyncio.run(f(query)). {IN_A_LOOP}"
        if self.kind in ("thread", "process") and self.state:
            return "Have it done before the function returns, with .start() and .join()."
        call = {
            "future": ".result()" if hasattr(type(self.work), "result") else ".wait()",
            "async result": ".get()",
            "thread": ".join()",
            "process": ".wait()" if hasattr(type(self.work), "wait") else ".join()",
        }[self.kind]
        return f"Wait for it before the function returns, with {call}."


def find_unfinished(output: object) -> list[Unfinished]:
    """All work in an output that is known not to be done, the outermost first."""
    found: list[Unfinished] = []
    later: deque[tuple[Any, _Holder, str]] = deque()
    seen: set[int] = set()

    def look_at(one: Any, place: str) -> None:
        its_type: Any = type(one)
        kind = _kind_of(its_type)
        if kind is None or id(one) in seen:
            return
        seen.add(id(one))
        if kind not in _STATES:
            later.append((one, cast(_Holder, kind), place))
            return
        state = _state_of(one, kind)
        if state is not None:
            found.append(Unfinished(kind, one, place, state))
        elif kind == "future" and isinstance(one, futures.Future | asyncio.Future):
            look_at(one.result(), f"{place}.result()")

    look_at(output, "")
    looked, items = 0, MOST_ITEMS
    while later and looked < MOST_CONTAINERS and items > 0:
        one, holder, place = later.popleft()
        names, inside = _inside(one, holder, items)
        looked, items = looked + 1, items - len(inside)
        # Most outputs hold numbers and texts: their types tell at once that nothing is there.
        if any(map(_kind_of, set(map(type, inside)))):
            for number, thing in enumerate(inside):
                look_at(thing, place + _name(holder, names, number))
    return found


_ROWS: dict[_Holder, Any] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": deque,
}
_VIEWS: tuple[type, ...] = (
    types.MappingProxyType,
    type({}.keys()),
    type({}.values()),
    type({}.items()),
)
_HOLDERS: dict[_Holder, Any] = {
    **_ROWS,
    "list": (list, UserList),
    "dict": (dict, UserDict),
    "view": _VIEWS,
}
_DATA = (io.BytesIO, io.StringIO)
"""Iterators by their form that hold data: nothing is yet to be done for it."""
_ENDLESS = (itertools.count, itertools.cycle, itertools.repeat)
"""No work: nobody reads them to their end."""


@functools.lru_cache(maxsize=4096)
def _kind_of(kind: Any) -> Kind | _Holder | None:
    """What things of a type are: work, something that holds others, or neither (None)."""
    if issubclass(kind, (str, bytes, int, float, *_DATA, *_ENDLESS)):
        return None
    for holder, types_of in _HOLDERS.items():
        if issubclass(kind, types_of):
            return holder
    if issubclass(kind, threading.Thread):
        return "thread"
    if issubclass(
        kind, multiprocessing.process.BaseProcess | subprocess.Popen | asyncio.subprocess.Process
    ):
        return "process"
    if _has(kind, "done") and (_has(kind, "result") or _has(kind, "wait")):
        return "future"
    if _has(kind, "ready") and _has(kind, "get") and _has(kind, "successful"):
        return "async result"
    for work, name in ((Awaitable, "awaitable"), (AsyncIterator, "async iterator")):
        if issubclass(kind, work):
            return cast(Kind, name)
    if issubclass(kind, Iterator):
        return "iterator"
    if any((one.__module__, one.__name__) == ("numpy", "ndarray") for one in kind.__mro__):
        return "array"
    plain = issubclass(kind, types.SimpleNamespace | Namespace | ChainMap)
    marked = hasattr(kind, "__attrs_attrs__") or hasattr(kind, "__pydantic_fields__")
    known = plain or marked or dataclasses.is_dataclass(kind)
    return "fields" if known or _is_own(kind) else None


def _is_own(kind: type) -> bool:
    """Whether a class is people's own: neither Python's nor that of an installed library."""
    if kind.__module__.partition(".")[0] in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
    return not {"site-packages", "dist-packages"}.intersection(PurePath(file).parts)


def _has(kind: type, name: str) -> bool:
    return callable(getattr(kind, name, None))


def _inside(one: Any, holder: _Holder, most: int) -> tuple[list[Any], list[Any]]:
    """The names of what something holds, and what it holds, without running anything of its own."""
    if holder == "fields":
        fields = _fields(one)
        return list(fields), list(fields.values())
    if holder == "view":
        return [], gc.get_referents(one)  # the mapping itself, asked of nobody
    if holder == "array":
        return [], list(islice(one.flat, most)) if one.dtype.hasobject else []
    plain: Any = one.data if isinstance(one, UserDict | UserList) else one
    if holder == "dict":
        keys = list(islice(dict.keys(plain), most))
        return keys, [*islice(dict.values(plain), most), *keys]
    return [], list(islice(_ROWS[holder].__iter__(plain), most))


def _fields(one: Any) -> dict[str, Any]:
    """The attributes of an object as they are kept: no property is asked."""
    try:
        found: dict[str, Any] = dict(object.__getattribute__(one, "__dict__"))
    except AttributeError:
        found = {}
    for kind in type(one).__mro__:
        for name, member in vars(kind).items():
            if isinstance(member, types.MemberDescriptorType) and name not in found:
                try:
                    found[name] = member.__get__(one)
                except AttributeError:  # never set
                    continue
    return found


def _name(holder: _Holder, names: list[Any], number: int) -> str:
    """Where something stands in what holds it, as Python writes it."""
    if holder == "fields":
        return f".{names[number]}"
    if holder == "dict":
        key = repr(names[number % len(names)])[:40]
        return f"[{key}]" if number < len(names) else " (a key)"
    if holder == "view":
        return ""
    if holder == "array":
        return f".flat[{number}]"
    return " (in a set)" if holder in ("set", "frozenset") else f"[{number}]"


def _state_of(one: Any, kind: Kind) -> str | None:
    """None where it is done; else what is to be said of it, empty where it just goes on."""
    state: str | None = _STATES[kind](one)
    return state


def _of_future(one: Any) -> str | None:
    if not one.done():
        return ""
    if not isinstance(one, futures.Future | asyncio.Future):
        return None
    if one.cancelled():
        return " that was cancelled"
    error = one.exception()
    return None if error is None else f" that failed ({type(error).__name__}: {error})"


def _of_awaitable(one: Any) -> str | None:
    closed = inspect.iscoroutine(one) and inspect.getcoroutinestate(one) == inspect.CORO_CLOSED
    return None if closed else ""


def _of_iterator(one: Any) -> str | None:
    if inspect.isgenerator(one):
        return None if inspect.getgeneratorstate(one) == inspect.GEN_CLOSED else ""
    if isinstance(one, io.IOBase):
        return None if one.closed or _is_on_disk(one) else ""
    own = type(one).__module__ == "builtins"  # it tells without any work
    return None if own and operator.length_hint(one, 1) == 0 else ""


def _is_on_disk(stream: io.IOBase) -> bool:
    """Whether it is an open file: what lies in it is there, unlike what comes through a pipe."""
    try:
        return type(stream).__module__ == "_io" and stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def _of_thread(one: threading.Thread) -> str | None:
    if one.ident is None:
        return " that was not started"
    return "" if one.is_alive() else None


def _of_process(one: Any) -> str | None:
    if isinstance(one, multiprocessing.process.BaseProcess):
        if one.pid is None:
            return " that was not started"
        return "" if one.is_alive() else None
    if one.returncode is not None:
        return None
    if not isinstance(one, subprocess.Popen) or not hasattr(os, "waitid"):
        return ""
    try:  # asked without taking its status, which is for whoever started it
        ended = os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return "" if ended is None else None


_STATES: dict[Kind, Any] = {
    "future": _of_future,
    "awaitable": _of_awaitable,
    "async iterator": lambda one: None if inspect.isasyncgen(one) and one.ag_frame is None else "",
    "iterator": _of_iterator,
    "async result": lambda one: None if one.ready() else "",
    "thread": _of_thread,
    "process": _of_process,
}
