from __future__ import annotations

import json
import socket
from contextlib import closing
from itertools import count

import pytest

from tests.integration.clientlib.stream import account, messages, read

LOG_500 = """
from clientlib import ICCMLogger
log = ICCMLogger()
for i in range(500):
    log.info(f"m{i}", {"i": i})
"""


@pytest.mark.parametrize(
    "end", ["", "import sys; sys.exit(0)", "import sys; sys.exit(3)", "raise KeyError", "del log"]
)
def test_a_program_that_ends_at_once_loses_nothing(run, redis_url, stream_name, end):
    run(LOG_500 + end)
    there = account(redis_url, stream_name)
    there.assert_balanced()
    assert (there.records, there.lost) == (500, 0)


def test_what_exit_hooks_log_arrives(run, redis_url, stream_name):
    done = run(
        """
        import atexit
        atexit.register(lambda: [log.info(f"registered before the import {i}") for i in range(50)])
        from clientlib import ICCMLogger
        log = ICCMLogger()
        atexit.register(lambda: log.info("registered after it"))
        log.info("main")
        atexit.register(log.flush)
        """
    )
    assert done.returncode == 0, done.stderr
    late = [f"registered before the import {i}" for i in range(50)]
    assert messages(redis_url, stream_name) == ["main", "registered after it", *late]
    account(redis_url, stream_name).assert_balanced()


def test_a_process_that_ends_itself_hard_loses_only_what_was_not_sent(run, redis_url, stream_name):
    run(
        """
        import os
        from clientlib import ICCMLogger
        log = ICCMLogger()
        log.info("sent")
        log.flush(10)
        log.info("lost")
        os._exit(0)
        """
    )
    there = account(redis_url, stream_name)
    there.assert_balanced()
    assert there.records in (1, 2)


def test_a_forked_child_is_a_producer_of_its_own(run, redis_url, stream_name):
    done = run(
        """
        import os, warnings
        from clientlib import ICCMLogger
        log = ICCMLogger()
        for i in range(300):
            log.info(f"parent {i}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        name = "parent" if child else "child"
        for i in range(300, 600):
            log.info(f"{name} {i}")
        if child:
            os.waitpid(child, 0)
        """
    )
    assert done.returncode == 0, done.stderr
    there = account(redis_url, stream_name)
    there.assert_balanced()
    assert len(there.stored) == 2
    assert (there.records, there.entries, there.lost) == (900, 900, 0)
    found = messages(redis_url, stream_name)
    assert [m for m in found if m.startswith("parent")] == [f"parent {i}" for i in range(600)]
    assert [m for m in found if m.startswith("child")] == [f"child {i}" for i in range(300, 600)]


def test_a_greenlet_that_goes_on_in_a_forked_child_ends(run, redis_url, stream_name):
    """A fork copies what runs as a greenlet; here a thread goes on after what a child does."""
    done = run(
        """
        import os, time
        from clientlib import ICCMLogger, lifecycle
        log = ICCMLogger()
        log.info("parent")
        log.flush(60)
        lifecycle._after_fork_in_child()
        log.info("child")
        log.flush(60)
        until = time.monotonic() + 60
        while len(os.listdir("/proc/self/task")) > 2 and time.monotonic() < until:
            time.sleep(0.01)
        log.info("end", {"threads": len(os.listdir("/proc/self/task"))})
        """
    )
    assert done.stderr == ""
    parent, child, end = read(redis_url, stream_name)
    assert (parent["message"], child["message"]) == ("parent", "child")
    assert json.loads(end["data"]) == {"threads": 2}


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_multiprocessing_child_loses_nothing(run, redis_url, stream_name, tmp_path, method):
    program = tmp_path / "program.py"
    program.write_text(
        """
import multiprocessing, sys, warnings
from clientlib import ICCMLogger

warnings.simplefilter("ignore", DeprecationWarning)
log = ICCMLogger()

def work(name):
    for i in range(500):
        log.info(f"{name} {i}")

if __name__ == "__main__":
    log.info("parent")
    context = multiprocessing.get_context(sys.argv[1])
    children = [context.Process(target=work, args=(name,)) for name in ("a", "b")]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
"""
    )
    done = run(
        f"""
        import runpy, sys
        sys.argv = [{str(program)!r}, {method!r}]
        runpy.run_path({str(program)!r}, run_name="__main__")
        """
        if method == "fork"
        else f"""
        import subprocess, sys
        sys.exit(subprocess.run([sys.executable, {str(program)!r}, {method!r}]).returncode)
        """
    )
    assert done.returncode == 0, done.stderr
    there = account(redis_url, stream_name)
    there.assert_balanced()
    assert len(there.stored) == 3
    assert (there.records, there.lost) == (1_001, 0)


def test_a_pool_that_ends_its_workers_by_sigterm_loses_nothing(run, redis_url, stream_name):
    done = run(
        """
        import multiprocessing, warnings
        from clientlib import ICCMLogger
        warnings.simplefilter("ignore", DeprecationWarning)
        log = ICCMLogger()

        def work(i):
            log.info(f"m{i}")

        with multiprocessing.get_context("fork").Pool(2) as pool:  # leaving it is terminate()
            pool.map(work, range(200))
        """
    )
    assert done.returncode == 0, done.stderr
    there = account(redis_url, stream_name)
    there.assert_balanced()
    assert (there.records, there.lost) == (200, 0)


SIGTERM_ITSELF = """
import os, signal, time
from clientlib import ICCMLogger, flush_on_sigterm
{handler}
print(flush_on_sigterm())
log = ICCMLogger()
log.info("m")
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(0.1)
"""


def test_sigterm_flushes_where_the_program_wants_it_and_ends_it_as_ever(
    run, redis_url, stream_name
):
    done = run(SIGTERM_ITSELF.format(handler=""))
    assert (done.returncode, done.stdout, done.stderr) == (-15, "True\n", "")
    assert messages(redis_url, stream_name) == ["m"]


WAITS = """
import multiprocessing, os, signal, sys, threading, warnings
from clientlib import ICCMLogger, flush_on_sigterm
warnings.simplefilter("ignore", DeprecationWarning)
log = ICCMLogger()

def work():
    log.info("m")
    reader, writer = os.pipe()
    # as if it had come just before the main thread began to wait: that is not interrupted
    threading.Timer(0.2, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM)).start()
    os.read(reader, 1)

{before}
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
print(child.exitcode)
"""


@pytest.mark.parametrize("before", ["", "flush_on_sigterm()", "flush_on_sigterm(); work()"])
def test_sigterm_ends_what_begins_to_wait_as_it_comes(run, redis_url, stream_name, before):
    done = run(WAITS.format(before=before))
    ended_itself = "work()" in before
    assert (done.returncode, done.stdout) == ((-15, "") if ended_itself else (0, "-15\n"))
    assert (done.stderr, messages(redis_url, stream_name)) == ("", ["m"])


def test_a_programs_own_handler_of_sigterm_is_left_alone(run, redis_url, stream_name):
    handler = "signal.signal(signal.SIGTERM, lambda number, frame: log.info('own'))"
    done = run(SIGTERM_ITSELF.format(handler=handler))
    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")
    assert messages(redis_url, stream_name) == ["m", "own"]


@pytest.mark.parametrize("deadline_s", ["0", "0.3"])
def test_a_thread_that_is_held_up_at_the_end_has_its_records_printed(run, tmp_path, deadline_s):
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis/__init__.py").write_text("import time\ntime.sleep(90)\n")
    done = run(LOG_500, PYTHONPATH=str(tmp_path), GODOT_FLUSH_TIMEOUT_S=deadline_s)
    assert done.returncode == 0
    assert [json.loads(line)["data"]["i"] for line in done.stdout.splitlines()] == list(range(500))
    assert [line.split(" ")[1:4] for line in done.stderr.splitlines()] == [["ended", "with", "500"]]


def test_what_del_logs_while_the_interpreter_shuts_down_hurts_nothing(run, redis_url, stream_name):
    done = run(
        """
        from clientlib import ICCMLogger
        log = ICCMLogger()

        class Talkative:
            def __init__(self):
                self.me = self
            def __del__(self):
                log.info("gone", {"self": self})

        log.info("first")
        for _ in range(200):
            Talkative()
        import gc; gc.collect()
        kept = Talkative()  # lives until the very end
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert messages(redis_url, stream_name)[:201] == ["first", *["gone"] * 200]


def test_what_is_logged_from_inside_the_sender_is_not_sent_again(run, redis_url, stream_name):
    done = run(
        """
        import logging
        from clientlib import GodotHandler
        from clientlib.transport import Transport
        logging.basicConfig(level="DEBUG", handlers=[GodotHandler()])
        send = Transport.exchange

        def exchange(self, *given):
            logging.getLogger("somebody.elses").warning("sending")
            return send(self, *given)

        Transport.exchange = exchange
        logging.info("once")
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert messages(redis_url, stream_name) == ["once"]


def test_a_bug_in_the_sender_is_told_without_what_it_was_about_and_loses_nothing(
    run, redis_url, stream_name
):
    done = run(
        """
        from clientlib import ICCMLogger
        from clientlib.transport import Transport
        send = Transport.exchange

        def exchange(self, *given):
            Transport.exchange = send
            raise ValueError("hunter2")

        Transport.exchange = exchange
        log = ICCMLogger()
        log.info("m")
        """
    )
    assert messages(redis_url, stream_name) == ["m"]
    (line,) = done.stderr.splitlines()
    assert "goes on after ValueError at" in line
    assert "hunter2" not in line


def test_a_storm_of_forks_under_logging_threads_hangs_nobody(run, redis_url, stream_name):
    done = run(
        """
        import os, sys, threading, warnings
        from clientlib import ICCMLogger
        warnings.simplefilter("ignore", DeprecationWarning)
        log = ICCMLogger()
        stop = threading.Event()

        def work():
            while not stop.wait(0.0005):
                log.info("thread", {"a": 1})

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        children = []
        for n in range(20):
            child = os.fork()
            if not child:
                for i in range(20):
                    log.info(f"child {n} {i}")
                os._exit(not log.flush(60))
            children.append(child)
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for thread in threads:
            thread.join()
        assert log.flush(60)
        """
    )
    assert done.returncode == 0, done.stderr
    there = account(redis_url, stream_name)
    there.assert_balanced()
    assert there.lost == 0
    assert len(there.stored) == 21
    children = [m for m in messages(redis_url, stream_name) if m.startswith("child")]
    assert sorted(children) == sorted(f"child {n} {i}" for n in range(20) for i in range(20))


def test_a_program_without_a_server_ends_in_time_and_prints_everything(run):
    done = run(LOG_500, GODOT_REDIS_URL="redis://127.0.0.1:1/0", GODOT_FLUSH_TIMEOUT_S="90")
    assert done.returncode == 0
    assert [json.loads(line)["data"]["i"] for line in done.stdout.splitlines()] == list(range(500))
    assert len(done.stderr.splitlines()) == 1


def test_a_program_without_a_server_prints_more_than_the_sender_takes_at_once(run):
    many = LOG_500.replace("500", "8_000")
    done = run(many, GODOT_REDIS_URL="redis://127.0.0.1:1/0")
    numbers = [json.loads(line)["data"]["i"] for line in done.stdout.splitlines()]
    assert numbers == list(range(8_000))


def test_what_later_exit_hooks_log_without_a_server_is_printed_too(run):
    done = run(
        """
        import atexit, threading, time

        def late():  # registered before the client's own: runs after it
            ending.set()
            [thread.join() for thread in threads]
            log.info("last", {"threads": threading.active_count()})

        def log_25(n):
            ending.wait()
            for i in range(25):
                log.info(f"late {n}-{i}")

        atexit.register(late)
        from clientlib import ICCMLogger
        log = ICCMLogger()
        log.info("main")
        ending = threading.Event()
        # begun here: Python 3.12.1 lets exit hooks start none
        threads = [threading.Thread(target=log_25, args=(n,), daemon=True) for n in range(4)]
        [thread.start() for thread in threads]
        """,
        GODOT_REDIS_URL="redis://127.0.0.1:1/0",
    )
    assert done.returncode == 0, done.stderr
    printed = [json.loads(line)["message"] for line in done.stdout.splitlines()]
    assert (printed[0], printed[-1]) == ("main", "last")
    assert sorted(printed[1:-1]) == sorted(f"late {n}-{i}" for n in range(4) for i in range(25))
    assert len(done.stderr.splitlines()) == 1


def test_a_logger_that_is_made_too_late_to_import_redis_prints(run):
    done = run(
        """
        import atexit
        from clientlib import ICCMLogger
        atexit.register(lambda: ICCMLogger().info("late"))
        """
    )
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == ["late"]
    (told,) = done.stderr.splitlines()
    assert "does not take records" in told


def test_a_program_with_a_silent_server_ends_in_time_and_prints_everything(run):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        done = run(LOG_500, GODOT_REDIS_URL=url, GODOT_FLUSH_TIMEOUT_S="1")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 500
    ended = "godot: ended with 500 records not sent in time; they are on stdout"
    first, *more = done.stderr.splitlines()
    # on a busy machine the deadline may come before the first or the second attempt has failed
    assert "does not take records" in first or (first, more) == (ended, [])
    assert more in ([], [ended])


def test_handlers_that_logging_closes_at_the_end_take_their_time_once(run):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        done = run(
            """
            import logging
            from clientlib import GodotHandler
            logging.basicConfig(level="INFO", handlers=[GodotHandler()])
            for i in range(500):
                logging.info(f"m{i}")
            """,
            GODOT_REDIS_URL=f"redis://127.0.0.1:{listener.getsockname()[1]}/0",
            GODOT_FLUSH_TIMEOUT_S="1",
        )
    assert len(done.stdout.splitlines()) == 500
    ended = ["ended with" in line for line in done.stderr.splitlines()]
    assert ended in ([True], [False], [False, True]), "it tried again after the end"


def test_what_the_deadline_leaves_behind_is_printed_and_named(run, redis_url, stream_name):
    program = """
        from clientlib import ICCMLogger, dispatch, sender
        dispatch.LEAST_PATIENCE_S = sender.LAST_WORDS_S = 30  # a busy machine is no finding
        log = ICCMLogger()
        log.info("first")
        log.flush(60)
        for i in range(2000):
            log.info(f"m{i}")
        """
    for attempt in count():  # where this process was not given the processor, all was sent in time
        stream = f"{stream_name}-{attempt}"
        done = run(program, GODOT_FLUSH_TIMEOUT_S="0", GODOT_STREAM=stream)
        there = account(redis_url, stream)
        there.assert_balanced()
        assert there.records + there.lost == 2_001
        if there.lost or attempt == 9:
            break
    assert len(done.stdout.splitlines()) == there.lost > 0
    receipts = [json.loads(r["data"]) for r in read(redis_url, stream) if "data" in r]
    assert [r["godot"]["reason"] for r in receipts] == ["shutdown"]


def test_a_stdout_that_nobody_reads_does_not_hold_the_program_up(run):
    done = run(
        """
        import os, subprocess, sys
        program = '; '.join((
            "from clientlib import ICCMLogger",
            "log = ICCMLogger()",
            "[log.info('x' * 500) for i in range(5000)]",
        ))
        reader, writer = os.pipe()
        child = subprocess.Popen([sys.executable, "-c", program], stdout=writer)
        sys.exit(child.wait(60))
        """,
        GODOT_REDIS_URL="redis://127.0.0.1:1/0",
    )
    assert done.returncode == 0, done.stderr


def test_a_stderr_that_nobody_reads_does_not_hold_the_program_up(run):
    done = run(
        """
        import os, subprocess, sys
        program = '; '.join((
            "from clientlib import ICCMLogger",
            "log = ICCMLogger(flush_timeout_s=1)",
            "log.set_level('nonsense')",
            "log.info('m')",
        ))
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        try:
            while os.write(writer, bytes(4096)):
                pass
        except BlockingIOError:
            os.set_blocking(writer, True)
        child = subprocess.Popen([sys.executable, "-c", program], stderr=writer)
        sys.exit(child.wait(60))
        """,
        GODOT_REDIS_URL="redis://127.0.0.1:1/0",
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1


TOO_LARGE = """
from clientlib import ICCMLogger
log = ICCMLogger(buffer_records=10)
def log_large(n):
    for i in range(n):
        log.info("m", {"large": "x" * 4_000_000})
"""


def test_what_no_receipt_can_name_any_more_is_told(run):
    done = run(
        TOO_LARGE + "log_large(10)",
        GODOT_REDIS_URL="redis://127.0.0.1:1/0",
        GODOT_BUFFER_BYTES="65536",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "dropped (too_large: 10), and no receipt tells so" in done.stderr


def test_what_was_refused_while_the_thread_was_held_up_is_told(run, tmp_path):
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis/__init__.py").write_text("import time\ntime.sleep(90)\n")
    program = """
import sys, time
log_large(1)
while "redis" not in sys.modules:  # where the thread is held up
    time.sleep(0.01)
log_large(9)
"""
    done = run(
        TOO_LARGE + program,
        PYTHONPATH=str(tmp_path),
        GODOT_FLUSH_TIMEOUT_S="0",
        GODOT_BUFFER_BYTES="65536",
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "dropped (too_large: 10), and no receipt tells so" in done.stderr


def test_who_interrupts_the_end_of_a_program_has_everything_printed(run):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        done = run(
            """
            import os, signal, threading, time
            from clientlib import ICCMLogger

            def interrupt():
                while not log._sender._dispatch.marks:
                    time.sleep(0.01)
                os.kill(os.getpid(), signal.SIGINT)

            log = ICCMLogger()
            for i in range(10):
                log.info("m")
            threading.Thread(target=interrupt, daemon=True).start()
            """,
            GODOT_REDIS_URL=f"redis://127.0.0.1:{listener.getsockname()[1]}/0",
            GODOT_FLUSH_TIMEOUT_S="30",
        )
    assert len(done.stdout.splitlines()) == 10
    assert "KeyboardInterrupt" in done.stderr


def test_where_no_thread_can_be_had_those_who_flush_take_turns(run, redis_url, stream_name):
    done = run(
        """
        import threading
        import clientlib.sender
        from clientlib import ICCMLogger

        def start_new_thread(*_):
            raise RuntimeError("can't start new thread")

        def work():
            for i in range(200):
                log.info("m")
                log.flush(60)

        clientlib.sender.start_new_thread = start_new_thread
        log = ICCMLogger()
        threads = [threading.Thread(target=work) for _ in range(6)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        """
    )
    assert done.stderr == ""
    assert messages(redis_url, stream_name) == ["m"] * 1_200
    account(redis_url, stream_name).assert_balanced()


def test_a_program_whose_stdout_is_closed_logs_all_the_same(run, redis_url, stream_name):
    done = run("import os, sys\nos.close(1)\nos.close(2)\n" + LOG_500)
    assert done.returncode == 0
    assert account(redis_url, stream_name).records == 500


def test_wrong_variables_do_not_stop_a_program(run, redis_url, stream_name):
    done = run(
        LOG_500 + "log.flush(30)",
        GODOT_LEVEL="LOUD",
        GODOT_BUFFER_RECORDS="many",
        GODOT_REDACT_FIELDS=",,",
        GODOT_FLUSH_TIMEOUT_S="soon",
    )
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert [line.split("=")[0] for line in lines] == [
        *("godot: GODOT_LEVEL", "godot: GODOT_BUFFER_RECORDS", "godot: GODOT_FLUSH_TIMEOUT_S")
    ]
    assert account(redis_url, stream_name).records == 500


def test_a_disabled_client_does_nothing_at_all(run, redis_url, stream_name):
    done = run(
        LOG_500
        + """
import sys, threading
assert "redis" not in sys.modules
assert threading.active_count() == 1
log.flush(); log.close()
""",
        LOGGING_ENABLED="false",
    )
    assert done.returncode == 0, done.stderr
    assert account(redis_url, stream_name).entries == 0


def test_the_stdlib_handler_delivers_and_the_program_ends_cleanly(run, redis_url, stream_name):
    done = run(
        """
        import logging
        from clientlib import GodotHandler
        logging.basicConfig(level="DEBUG", handlers=[GodotHandler()])
        log = logging.getLogger("shop")
        for i in range(200):
            log.info("order %d", i, extra={"order": i})
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("failed")
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = read(redis_url, stream_name)
    assert [r["message"] for r in found] == [*(f"order {i}" for i in range(200)), "failed"]
    assert json.loads(found[7]["data"]) == {"logger": "shop", "order": 7}


def test_asyncio_tasks_keep_their_traces_apart(run, redis_url, stream_name):
    done = run(
        """
        import asyncio
        from clientlib import ICCMLogger, bind, trace_context
        log = ICCMLogger()

        async def task(n):
            with trace_context(f"trace-{n}"), bind(task=n):
                for i in range(50):
                    log.info(f"{n}-{i}")
                    await asyncio.sleep(0)

        async def main():
            await asyncio.gather(*(task(n) for n in range(5)))

        asyncio.run(main())
        """
    )
    assert done.returncode == 0, done.stderr
    found = read(redis_url, stream_name)
    assert len(found) == 250
    for record in found:
        n = record["message"].partition("-")[0]
        assert record["trace_id"] == f"trace-{n}"
        assert json.loads(record["data"]) == {"task": int(n)}


def test_a_stdout_that_was_full_for_a_while_has_everything_in_the_end(run):
    done = run(
        """
        import subprocess, sys, time
        program = '; '.join((
            "from clientlib import ICCMLogger",
            "log = ICCMLogger()",
            "[log.info('x' * 100, {'i': i}) for i in range(2000)]",
            "input()",
        ))
        child = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        time.sleep(1.0)  # longer than the sender waits for it
        lines, _ = child.communicate(b"end")
        sys.exit(len(lines.splitlines()) != 2000)
        """,
        GODOT_REDIS_URL="redis://127.0.0.1:1/0",
    )
    assert done.returncode == 0, done.stderr


def test_an_asgi_application_that_shuts_down_has_sent_everything(run, redis_url, stream_name):
    done = run(
        """
        import asyncio, os, signal
        from clientlib import ICCMLogger, TraceMiddleware
        log = ICCMLogger()

        async def app(scope, receive, send):
            for i in range(500):
                log.info(f"m{i}")
            await send({"type": "lifespan.shutdown.complete"})

        async def server(message):
            os.kill(os.getpid(), signal.SIGKILL)  # uvicorn repeats the signal that it was given

        asyncio.run(TraceMiddleware(app)({"type": "lifespan"}, None, server))
        """
    )
    assert done.returncode == -9
    assert len(messages(redis_url, stream_name)) == 500
