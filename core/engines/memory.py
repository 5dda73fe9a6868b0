"""Results kept by token ids, the least recently used dropped first, bounded in bytes.

Knows nothing of what it keeps. Safe to use from many threads.
"""

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")
Key = tuple[int, ...]


class BoundedMemory(Generic[Value]):
    """At most ``limit_bytes`` of values, by key."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._kept: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        """The value of a key, which becomes the most recently used; None when unknown."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def put(self, key: Key, value: Value, n_bytes: int) -> None:
        """Keep a value; a value larger than the limit is not kept."""
        with self._lock:
            if key in self._kept:
                self._used_bytes -= self._kept.pop(key)[1]
            self._kept[key] = (value, n_bytes)
            self._used_bytes += n_bytes
            while self._used_bytes > self._limit_bytes:
                _, (_, freed) = self._kept.popitem(last=False)
                self._used_bytes -= freed

    def items(self) -> list[tuple[Key, Value]]:
        """What is kept now, the least recently used first."""
        with self._lock:
            return [(key, value) for key, (value, _) in self._kept.items()]
