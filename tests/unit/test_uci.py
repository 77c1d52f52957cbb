"""The adapter for the card clients of Taiwan: what it makes of the columns, and what it refuses."""

from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path

import numpy as np
import pytest

from limits.capacity import Method, estimate_capacity
from limits.errors import InputError
from limits.portfolio import UNKNOWN, PaymentRecord, Portfolio
from limits.samples import uci
from tests.portfolios import assert_same

HEADING = (
    "ID,LIMIT_BAL,SEX,EDUCATION,MARRIAGE,AGE,PAY_0,PAY_2,PAY_3,PAY_4,PAY_5,PAY_6,"
    "BILL_AMT1,BILL_AMT2,BILL_AMT3,BILL_AMT4,BILL_AMT5,BILL_AMT6,"
    "PAY_AMT1,PAY_AMT2,PAY_AMT3,PAY_AMT4,PAY_AMT5,PAY_AMT6,default.payment.next.month"
)
ONE = "7,20000,2,2,1,24,2,0,-1,0,0,-2,3913,3102,-689,0,100.5,70,11,12,13,14,15,16,1"
TWO = "5,50000,1,1,2,30,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1,1,1,1,0"


@pytest.fixture(scope="module")
def shipped() -> uci.Sample:
    return uci.read()


def written(folder: Path, *lines: str) -> Path:
    file = folder / "clients.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_the_shipped_clients(shipped: uci.Sample) -> None:
    assert len(shipped) == 20_000
    assert shipped.outcome is not None and shipped.outcome.sum() == 4_455
    assert (np.diff(shipped.portfolio.user_id) > 0).all()
    assert shipped.protected is not None and np.bincount(shipped.protected.sex).tolist() == [0, 7_887, 12_113]


def test_one_client_by_hand(tmp_path: Path) -> None:
    sample = uci.read(written(tmp_path, HEADING, ONE, TWO))
    portfolio = sample.portfolio
    assert portfolio.user_id.tolist() == [5, 7]  # by ID, whatever the order of the lines
    assert sample.outcome is not None and sample.outcome.tolist() == [False, True]
    assert sample.protected is not None and sample.protected.age.tolist() == [30, 24]
    one = portfolio.take([1])
    record = one.payment_record
    assert record.held.tolist() == [6]
    assert record.balance.tolist() == [[391_300, 310_200, -68_900, 0, 10_050, 7_000]]
    assert record.repaid.tolist() == [[0, 1_100, 1_200, 1_300, 1_400, 1_500]]  # September's payment is of August's bill
    assert record.days_past_due.tolist() == [[60, 0, 0, 0, 0, 0]]
    assert one.cash_flow.months.astype(str).tolist()[::5] == ["2005-04", "2005-09"]
    assert one.cash_flow.repaid.tolist() == [[1_600, 1_500, 1_400, 1_300, 1_200, 1_100]]
    facts = {name: getattr(one, name).tolist()[0] for name in (
        "credit_limit", "balance", "average_balance", "days_past_due", "missed_payments", "worst_days_past_due",
        "balances_12m", "repaid_12m", "inquiries", "active_lenders",
    )}  # fmt: skip
    assert facts == {
        "credit_limit": 2_000_000, "balance": 391_300, "average_balance": 210_867, "days_past_due": 60,
        "missed_payments": 1, "worst_days_past_due": 60, "balances_12m": 718_550, "repaid_12m": 8_100,
        "inquiries": UNKNOWN, "active_lenders": UNKNOWN,
    }  # fmt: skip
    assert one.last_used_on.astype(str).tolist() == ["2005-09-30"]


def test_capacity_is_revealed_repayment(shipped: uci.Sample) -> None:
    capacity = estimate_capacity(shipped.portfolio.take(slice(0, 500)).cash_flow)
    assert set(capacity.method.tolist()) == {int(Method.REVEALED_REPAYMENT), int(Method.NO_EVIDENCE)}


def test_columns_are_of_the_product_s_types(shipped: uci.Sample) -> None:
    for field in dataclasses.fields(Portfolio):
        value = getattr(shipped.portfolio, field.name)
        if isinstance(value, np.ndarray):
            assert value.shape == (20_000,), field.name
            assert value.dtype.kind in "iMbU" and (value.dtype.kind != "i" or value.dtype == np.int64), field.name
    for field in dataclasses.fields(PaymentRecord):
        assert getattr(shipped.portfolio.payment_record, field.name).dtype == np.int64


def test_packed_or_not_spelt_one_way_or_another_it_is_the_same(tmp_path: Path) -> None:
    plain = uci.read(written(tmp_path, HEADING, ONE))
    packed = tmp_path / "no-ending"
    other = HEADING.replace("default.payment.next.month", "default payment next month").replace("PAY_0", "PAY_1")
    packed.write_bytes(gzip.compress(f"{other}\r\n{ONE}\r\n".encode()))
    assert_same(plain.portfolio, uci.read(packed).portfolio)


def test_what_is_not_needed_may_be_missing(tmp_path: Path) -> None:
    def without(line: str) -> str:
        cells = line.split(",")
        return ",".join((*cells[:5], *cells[6:-1]))

    sample = uci.read(written(tmp_path, without(HEADING), without(ONE)))
    assert sample.outcome is None and sample.protected is None
    assert_same(sample.portfolio, uci.read(written(tmp_path, HEADING, ONE)).portfolio)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ((), "is empty; its first line must name the columns ID, LIMIT_BAL"),
        ((HEADING,), "holds no client"),
        ((HEADING.replace("BILL_AMT3", "BILL3"), ONE), "line 1: there is no column BILL_AMT3; name it"),
        ((HEADING + ",PAY_AMT1", ONE + ",1"), "line 1: the column PAY_AMT1 stands there twice"),
        ((HEADING, ONE, TWO, ONE), "line 4: ID 7 stands in line 2 already"),
        ((HEADING, ONE.replace("3913", "lots")), "line 2: BILL_AMT1 is 'lots', which is not a number"),
        ((HEADING, ONE.replace("3913", "nan")), "line 2: BILL_AMT1 is 'nan'"),
        ((HEADING, ONE.replace("3913", "")), "line 2: BILL_AMT1 is ''"),
        ((HEADING, ONE.replace("3913", "1e5")), "line 2: BILL_AMT1 is '1e5'"),
        ((HEADING, ONE.replace("3913", "9999999999")), "line 2: BILL_AMT1 is 9999999999; it must be"),
        ((HEADING, ONE.replace(",11,12", ",-11,12")), "line 2: PAY_AMT1 is -11; it must be from 0"),
        ((HEADING, ONE.replace("7,20000", "7,-20000")), "line 2: LIMIT_BAL is -20000"),
        ((HEADING, ONE.replace("7,20000", "0,20000")), "line 2: ID is 0; it must be from 1"),
        ((HEADING, ONE.replace("7,20000", "7.5,20000")), "line 2: ID is 7.5; it must be a whole number"),
        ((HEADING, ONE.replace("1,24,2", "1,24,10")), "line 2: PAY_0 is 10; it must be from -2 to 9"),
        ((HEADING, ONE.replace("20000,2", "20000,3")), "line 2: SEX is 3; it must be from 1 to 2"),
        ((HEADING, ONE[:-1] + "2"), "line 2: default.payment.next.month is 2"),
        ((HEADING, ONE[:-2]), "line 2: 24 values, fewer than the heading"),
        ((HEADING, ONE.replace("3913", '"39"13')), "line 2: "),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence_with_its_line(
    tmp_path: Path, lines: tuple[str, ...], says: str
) -> None:
    with pytest.raises(InputError, match=r"clients\.csv") as raised:
        uci.read(written(tmp_path, *lines))
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(HEADING.encode() * 50)[:60])
    (tmp_path / "latin.csv").write_bytes(b"\xff\xfe\x00")
    for name, says in (
        ("empty.csv", "is empty"),
        ("cut.gz", "cannot be unpacked"),
        ("latin.csv", "is not UTF-8"),
        ("none.csv", "No such file"),
        (".", "Is a directory"),
    ):
        with pytest.raises(InputError, match=says):
            uci.read(tmp_path / name)
