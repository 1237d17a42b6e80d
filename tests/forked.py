"""Processes that have torch loaded from their first moment: one process imports it, and every process of a test is a fork of it.

Importing torch and what its optimizers load is most of what a process of a test does. Each fork is a process of its own, with its
own memory, environment, arguments, streams and signals. Run as `python forked.py`: a request a line on stdin, an answer a line on stdout.
"""

import contextlib
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
import types
from pathlib import Path

LOADED = ["torch", "torch._dynamo", "torch.nn.parallel", "torch.distributed.fsdp", "torch.distributed.tensor.parallel", "inertia.torch"]


class Forked:
    """A process as `subprocess.Popen` has it: `pid`, `wait()`, `kill()`, and what it said once it has ended."""

    def __init__(self, server, pid, out, err):
        self.server, self.pid, self.returncode, self._out, self._err = server, pid, None, out, err

    def wait(self, timeout=100):
        if self.returncode is None:
            self.returncode = self.server.ask(wait=self.pid, timeout=timeout)
        return self.returncode

    def said(self, timeout=100):
        """(stdout, stderr), once it has ended."""
        self.wait(timeout)
        return self._out.read_text(), self._err.read_text()

    def kill(self, number=signal.SIGKILL):
        if self.returncode is None:
            os.kill(self.pid, number)


class Server:
    """The process that has loaded torch."""

    def __init__(self, folder):
        source = str(Path(__file__).parents[1] / "src")
        words = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": source}
        self.folder, self.count = folder, 0
        command = [sys.executable, "-W", "ignore", __file__]
        self.process = subprocess.Popen(command, env=words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if answer == "late":
            raise TimeoutError(f"process {request} did not end in time")
        return answer

    def start(self, *command, env=None):
        """Start `python command`: a path or -c code or -m module, and arguments."""
        self.count += 1
        out, err = self.folder / f"{self.count}.out", self.folder / f"{self.count}.err"
        words = {"command": [str(word) for word in command], "env": env or {}, "out": str(out), "err": str(err)}
        return Forked(self, self.ask(**words), out, err)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


def run(command, env, out, err):
    """What a fork does: its streams, its environment, then the program as `python` would run it."""
    code = 1
    try:
        for number, name in ((1, out), (2, err)):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1 + (n == 1) * 8191, closefd=False) for n in (1, 2))
        os.environ.update(env)
        kind, *more = command
        program = more[0] if kind in ("-c", "-m") else kind
        sys.argv = ["-c", *more[1:]] if kind == "-c" else [program, *(more[1:] if kind == "-m" else more)]
        if kind == "-m":
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            main = sys.modules["__main__"] = types.ModuleType("__main__")
            if kind != "-c":
                main.__file__ = program
                sys.path.insert(0, os.path.dirname(program))
            text, name = (program, "<string>") if kind == "-c" else (Path(program).read_text(), program)
            exec(compile(text, name, "exec"), main.__dict__)
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def main():
    for name in LOADED:
        importlib.import_module(name)
    import torch

    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)  # loads what optimizers load
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            ends, answer = time.monotonic() + request["timeout"], "late"
            while answer == "late" and time.monotonic() < ends:
                pid, status = os.waitpid(request["wait"], os.WNOHANG)
                answer = os.waitstatus_to_exitcode(status) if pid else answer
                time.sleep(0 if pid else 0.01)
        elif answer := os.fork():
            pass
        else:
            sys.stdin.close()
            run(**request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
