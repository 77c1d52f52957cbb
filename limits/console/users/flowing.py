"""Cash flow: what came in and went out month by month, and what is forecast."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel, Field

from limits.engine.foreseeing import foresee
from limits.policy import Policy
from limits.portfolio import CashFlow, Portfolio


class Month(BaseModel):
    """One whole month. Amounts are null where nothing is known of the month."""

    month: dt.date = Field(description="Its first day.")
    observed: bool
    inflow_minor: int | None
    essential_spend_minor: int | None
    discretionary_spend_minor: int | None
    fees_minor: int | None
    penalties_minor: int | None
    obligations_minor: int | None
    amount_due_minor: int | None
    repaid_minor: int | None


class FanMonth(BaseModel):
    """One coming month: the quantiles at 10, 50 and 90%."""

    month: dt.date
    p10_minor: int
    p50_minor: int
    p90_minor: int


class FanAnswer(BaseModel):
    """The forecast of one series."""

    series: str = Field(description="inflow and outgoings; or repaid, where no income is seen")
    method: str
    months: list[FanMonth]


class CashFlowAnswer(BaseModel):
    """What is known of a user's months as of today, and what is forecast of the coming ones."""

    user_id: int
    as_of: dt.date
    currency: str
    exponent: int
    months: list[Month]
    horizon_months: int
    capacity_method: str
    capacity_method_text: str
    capacity_p10_minor: int = Field(description="A month, the mean over the horizon, after costs and obligations.")
    capacity_p50_minor: int
    capacity_p90_minor: int
    forecasts: list[FanAnswer]


def cash_flow_of(user: Portfolio, policy: Policy, exponent: int, language: str = "en") -> CashFlowAnswer:
    """Of the one user."""
    flow = user.cash_flow
    seen = foresee(flow, policy.capacity.horizon_months)
    return CashFlowAnswer(
        user_id=int(user.user_id[0]), as_of=user.as_of, currency=user.currency, exponent=exponent,
        months=[_month(flow, place) for place in range(len(flow.months))],
        horizon_months=seen.horizon_months, capacity_method=seen.method.name.lower(),
        capacity_method_text=seen.method.text(language), capacity_p10_minor=seen.p10, capacity_p50_minor=seen.p50,
        capacity_p90_minor=seen.p90,
        forecasts=[
            FanAnswer(
                series=fan.series, method=fan.method,
                months=[
                    FanMonth(month=month, p10_minor=low, p50_minor=middle, p90_minor=high)
                    for month, low, middle, high in zip(fan.months, fan.p10, fan.p50, fan.p90, strict=True)
                ],
            )
            for fan in seen.fans
        ],
    )  # fmt: skip


def _month(flow: CashFlow, place: int) -> Month:
    observed = bool(flow.observed[0, place])
    names = ("inflow", "essential_spend", "discretionary_spend", "fees", "penalties", "obligations", "amount_due",
             "repaid")  # fmt: skip
    amounts = {f"{name}_minor": int(getattr(flow, name)[0, place]) if observed else None for name in names}
    return Month(month=flow.months[place].astype("datetime64[D]").item(), observed=observed, **amounts)
