"""An Arrow IPC file or stream of record batches, memory-mapped: what is used of ``pyarrow.parquet.ParquetFile``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from hpt_ray.data.place import Place

#: How a file with an index begins; without one it is a stream, and ends with this mark.
FILE, END = b"ARROW1", b"\xff\xff\xff\xff\0\0\0\0"


class ArrowFile:
    """An open file.

    Raises:
        OSError, pyarrow.ArrowException: for one that cannot be read; EOFError for a stream that was cut.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._map = path, pa.memory_map(str(path))
        try:
            start = self._map.read_buffer(len(FILE))
            self._address, self._indexed = start.address, start.to_pybytes() == FILE
            if not self._indexed:
                self._map.seek(max(0, self._map.size() - len(END)))
                if self._map.read(len(END)) != END:
                    raise EOFError("its end is missing, it was cut")
            self._map.seek(0)
            reader = pa.ipc.open_file(self._map) if self._indexed else pa.ipc.open_stream(self._map)
            self.schema_arrow: pa.Schema = reader.schema
        except BaseException:
            self._map.close()
            raise

    def __enter__(self) -> ArrowFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._map.close()

    @property
    def num_rows(self) -> int:
        return sum(batch.num_rows for batch in self._batches())

    def iter_batches(self, batch_size: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows in their order, at most ``batch_size`` at a time."""
        for batch in self._batches():
            chosen = batch.select(list(columns))
            # Offsets of an untrusted file may point anywhere, and nothing else checks them.
            chosen.validate(full=True)
            for start in range(0, batch.num_rows, batch_size):
                yield chosen.slice(start, batch_size)

    def places(self, column: pa.Array) -> Sequence[Place | None]:
        """Where the bytes of each row of a column of binary, or of structs with ``bytes``, stand in the file.

        Returns:
            A place, of no bytes where the row has none; None if they are compressed.
        """
        if pa.types.is_struct(column.type):
            column = column.flatten()[column.type.get_field_index("bytes")]
        _, ends, content = column.buffers()
        first = content.address - self._address if content is not None else -1
        if not 0 <= first < self._map.size():
            return [None] * len(column)
        width = np.int64 if pa.types.is_large_binary(column.type) else np.int32
        offsets = np.frombuffer(ends, width)[column.offset :][: len(column) + 1].astype(np.int64)
        return list(map(Place, repeat(self._path), (first + offsets[:-1]).tolist(), np.diff(offsets).tolist()))

    def _batches(self) -> Iterator[pa.RecordBatch]:
        self._map.seek(0)
        if self._indexed:
            file = pa.ipc.open_file(self._map)
            yield from map(file.get_batch, range(file.num_record_batches))
        else:
            yield from pa.ipc.open_stream(self._map)
