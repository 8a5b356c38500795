"""Documents are decoded by any number of threads."""

import subprocess
import sys
from typing import Final

import pytest

from support.program import environment

RACE: Final = """
import sys, threading
from typing import Any
import msgspec
from transship_registry.codec import decode_json, from_builtins

sys.setswitchinterval(1e-6)

def kinds():
    names = {"msgspec": msgspec}
    for number in range(6):
        inner = f"tuple[T{number - 1}, ...]" if number else "str"
        members = f"    a: int\\n    b: {inner}\\n    c: dict[str, int] | None = None"
        exec(f"class T{number}(msgspec.Struct):\\n{members}", names)
    return [names[f"T{number}"] for number in range(6)]

documents = [{"a": 1, "b": "x"}]
for _ in range(5):
    documents.append({"a": 1, "b": [documents[-1]], "c": {"x": 1}})
read = READ
for _ in range(300):
    made, start = kinds(), threading.Barrier(8)
    def work(number):
        start.wait()
        read(documents[number % 6], made[number % 6])
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print("done")
"""


@pytest.mark.parametrize(
    "read",
    ["from_builtins", "lambda document, kind: decode_json(msgspec.json.encode(document), kind)"],
    ids=["values", "JSON"],
)
def test_threads_may_be_the_first_to_decode_a_kind_together(read: str) -> None:
    """The library crashes the process where one thread meets what another one is about to learn of a type."""
    program = RACE.replace("READ", read)
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
