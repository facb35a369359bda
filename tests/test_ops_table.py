"""Every op of the table, by the checks of `opchecks`; ``-k tanh`` runs those of one op."""

from __future__ import annotations

import pytest

from autograd_lite import ops
from tests import opchecks
from tests.mutants import CORRUPTIONS, mutate, targets


@pytest.mark.parametrize("check", opchecks.CHECKS)
@pytest.mark.parametrize("name", ops.TABLE)
def test_op(name: str, check: str) -> None:
    opchecks.CHECKS[check](ops.TABLE[name])


def test_names_are_unique() -> None:
    symbols = [(op.symbol, op.formula) for op in ops.TABLE.values()]
    assert len(set(symbols)) == len(symbols), "two ops have the same symbol and formula"
    assert all(name == op.name for name, op in ops.TABLE.items())
    with pytest.raises(ValueError, match="already has a record named 'exp'"):
        ops.record.elementwise("exp", "exp", "np.exp(x)", lambda x: x, 1)


def test_table_of_rules_has_every_operand() -> None:
    table = ops.rules()
    assert set(table) == {(op.name, i) for op in ops.TABLE.values() for i in range(len(op.rules))}
    assert {key for key, rule in table.items() if rule is None} == set(opchecks.DATA_OPERANDS)


def test_incomplete_records_are_noticed() -> None:
    for broken in (
        {"domain": ()},
        {"symbol": ""},
        {"formula": ""},
        {"rules": (None,)},
        {"float_rules": ()},
        {"needs": "nought"},
    ):
        op = ops.TABLE["tanh"]
        kept = {field: getattr(op, field) for field in broken}
        try:
            for field, value in broken.items():
                object.__setattr__(op, field, value)
            with pytest.raises(AssertionError):
                opchecks.check_complete(op)
        finally:
            for field, value in kept.items():
                object.__setattr__(op, field, value)


@pytest.mark.parametrize(
    ("name", "operand"),
    [("tanh", 0), ("add", 1), ("sum", 0), ("matmul", 1), ("concatenate", 0), ("softmax", "jvp"), ("floor", 0)],
)
def test_mutants_are_killed(name: str, operand: int | str) -> None:
    fates = {corruption: mutate(name, operand, corruption).fate for corruption in CORRUPTIONS}
    if name == "floor":
        assert {c for c, fate in fates.items() if fate == "killed"} == {"+0.1"}
    else:
        assert set(fates.values()) <= {"killed", "equivalent"}, fates
        assert fates["negate"] == fates["double"] == fates["zero"] == fates["+1e-6"] == "killed"


def test_mutants_reach_every_rule() -> None:
    reached = {(name, operand) for name, operand, _ in targets() if operand != "jvp"}
    assert reached | set(opchecks.DATA_OPERANDS) == set(ops.rules())
