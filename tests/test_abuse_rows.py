"""The list of situations in `tests.abuse`: each has tests, and each of those exists."""

import ast
import functools
from pathlib import Path

import pytest

from tests.abuse import ROWS

HERE = Path(__file__).parent


@functools.cache
def names_of_tests(file):
    """The tests of a file, without importing it: ``Class::function``, or ``function``."""
    body = ast.parse((HERE.parent / file).read_text(encoding="utf-8")).body
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    classes = [node for node in body if isinstance(node, ast.ClassDef)]
    methods = {f"{c.name}::{node.name}" for c in classes for node in c.body if isinstance(node, ast.FunctionDef)}
    return frozenset(name for name in functions | methods if name.rpartition("::")[2].startswith("test_"))


@pytest.mark.parametrize("row", [row for rows in ROWS.values() for row in rows], ids=lambda row: row.situation)
def test_every_situation_has_tests_that_exist(row):
    assert row.tests
    assert row.outcome
    for test in row.ids:
        file, _, name = test.partition("::")
        assert name in names_of_tests(file), f"{row.situation!r} names {test}, which does not exist"


def test_every_test_of_abuse_belongs_to_a_situation():
    named = {test for rows in ROWS.values() for row in rows for test in row.ids}
    for file in ("tests/test_abuse.py", "tests/test_abuse_nn.py"):
        own = {f"{file}::{name}" for name in names_of_tests(file)}
        assert own <= named, own - named


def test_situations_are_told_apart():
    situations = [row.situation for rows in ROWS.values() for row in rows]
    assert len(set(situations)) == len(situations) > 70
