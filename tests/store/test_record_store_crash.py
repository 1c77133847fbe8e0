"""The contract of a record store: a killed process loses nothing of what it had acknowledged, and invents nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from chronik.batch.header import parse_header
from chronik.errors import ErrorCode
from chronik.log.access import LogBounds
from chronik.terms import Durability, LogId
from tests.log.batches import sized
from tests.store.records import ENGINES, A, B, C, Engine, Records, copy_as_crashed, expect_dense

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
IN_FLIGHT = 30

CHILD = """
import asyncio, os, sys
from pathlib import Path
from chronik.log.access import Appended
from chronik.terms import Durability, LogId
from tests.log.batches import sized
from tests.store.records import ENGINES, Records

async def main():
    records = Records(ENGINES[sys.argv[1]], Path(sys.argv[2]))
    records.open()
    free = asyncio.Semaphore(int(sys.argv[3]))

    async def send(log, sequence, count):
        # The producer's sequence numbers are the offsets, so that each can be told from the other.
        durability = Durability(sequence % 3)
        outcome = await records.submit(log, sized(sequence % 700, count, producer=(log, 0, sequence)), durability)
        free.release()
        assert isinstance(outcome, Appended), outcome
        assert outcome.base_offset == sequence
        os.write(1, b"%d %d\\n" % (log, sequence + count))

    tasks = set()
    ends = {LogId(number): records.bounds(LogId(number)).high_watermark for number in (1, 2, 3)}
    while True:
        for log, end in ends.items():
            await free.acquire()
            count = 1 + end % 4
            ends[log] = end + count
            task = asyncio.ensure_future(send(log, end, count))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

asyncio.run(main())
"""


def run_until_killed(engine_name: str, path: Path, lines: int) -> dict[LogId, int]:
    """Let a process append, kill it in the middle; returns each log's end as far as it was acknowledged."""
    command = [sys.executable, "-c", CHILD, engine_name, str(path), str(IN_FLIGHT)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert child.stdout is not None
    acknowledged = [child.stdout.readline() for _ in range(lines)]
    child.kill()
    acknowledged += child.stdout.read().splitlines()
    child.stdout.close()
    child.wait()
    ends: dict[LogId, int] = {}
    for line in acknowledged:
        log, end = map(int, line.split())
        ends[LogId(log)] = max(end, ends.get(LogId(log), 0))
    return ends


async def expect_intact(records: Records, log: LogId) -> None:
    """The log is dense, and its producer's window is that of its last five batches."""
    batches = await records.read_all(log)
    expect_dense(batches, records.bounds(log).start)
    headers = [parse_header(batch) for batch in batches]
    assert all(header.base_sequence == header.base_offset for header in headers)
    (producer,) = records.store.producers(log)
    assert [window.base_offset for window in producer.batches] == [header.base_offset for header in headers[-5:]]
    for header in headers[-5:]:
        again = sized(count=header.record_count, producer=(log, 0, header.base_sequence))
        assert (await records.append(log, again)).base_offset == header.base_offset
    end = records.bounds(log).high_watermark
    assert await records.refusal(log, sized(producer=(log, 0, end + 1))) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


@pytest.mark.skipif(sys.platform == "win32", reason="the pipe's last line may be cut there")
@pytest.mark.parametrize("engine_name", sorted(ENGINES))
async def test_a_killed_process_keeps_every_acknowledged_batch(engine_name: str, tmp_path: Path) -> None:
    records = Records(ENGINES[engine_name], tmp_path / "records")
    for lines in (1, 400, 1500):
        acknowledged = run_until_killed(engine_name, records.path, lines)
        records.open()
        for log, end in acknowledged.items():
            # Those in flight may have been written without having been acknowledged.
            assert end <= records.bounds(log).high_watermark <= end + 4 * IN_FLIGHT
            await expect_intact(records, log)
        await records.close()


async def crashed(records: Records, path: Path) -> Records:
    """The store as another process would find it, had this one been killed now."""
    copy_as_crashed(records.path, path)
    copy = Records(records.engine, path, records.settings)
    copy.open()
    return copy


@pytest.mark.parametrize("durability", Durability)
async def test_what_was_acknowledged_needs_no_closing(records: Records, tmp_path: Path, durability: Durability) -> None:
    for sequence in range(60):
        for log in (A, B, C):
            outcome = records.submit(log, sized(sequence * 30, producer=(log, 0, sequence)), durability)
            await outcome
    copy = await crashed(records, tmp_path / "copy")
    for log in (A, B, C):
        assert copy.bounds(log) == LogBounds(0, 60, 60)
        assert await copy.read_all(log) == await records.read_all(log)
        assert copy.store.producers(log) == records.store.producers(log)
        assert copy.store.info(log) == records.store.info(log)
        await expect_intact(copy, log)
    await copy.close()


async def test_deletions_need_no_closing(records: Records, tmp_path: Path) -> None:
    for log in (A, B, C):
        records.leader_epoch = int(log)
        await records.append_all(log, [sized(500, producer=(log, 0, sequence)) for sequence in range(60)])
    await records.store.delete_records(A, 17)
    await records.store.retain(B, -1, 5000, records.now_ms)
    await records.store.drop([C])
    copy = await crashed(records, tmp_path / "copy")
    for log in (A, B):
        assert copy.bounds(log) == records.bounds(log)
        assert copy.store.info(log) == records.store.info(log)
        assert copy.store.epoch_end(log, int(log), 9) == (int(log), 60)
        expect_dense(await copy.read_all(log), (await records.read_all(log))[0][7])
        await expect_intact(copy, log)
    assert copy.bounds(C) == LogBounds(0, 0, 0)
    await copy.close()


async def test_an_open_transaction_survives(records: Records, tmp_path: Path) -> None:
    await records.append()
    await records.append(A, sized(producer=(1, 0, 0), is_transactional=True))
    await records.append()
    copy = await crashed(records, tmp_path / "copy")
    assert copy.bounds() == LogBounds(0, 1, 3)
    await copy.close()


async def test_a_second_crash_right_after_the_first_loses_nothing_more(records: Records, tmp_path: Path) -> None:
    await records.append_all(A, [sized(3000)] * 20)
    copy = records
    for number in range(4):
        again = await crashed(copy, tmp_path / f"copy-{number}")
        await copy.close()
        copy = again
        assert copy.bounds() == LogBounds(0, 20 + number, 20 + number)
        await copy.append()
        expect_dense(await copy.read_all(A))
    await copy.close()


async def test_two_stores_on_one_directory_are_refused(engine: Engine, records: Records) -> None:
    """By whichever lock: the directory's own, taken before, has a sentence for it."""
    with pytest.raises(Exception, match="lock"):
        engine(records.path, records.settings)
    await asyncio.sleep(0)
    await records.append()
