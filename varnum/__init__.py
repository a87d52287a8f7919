"""varnum: proved numbers for low-rank attention in visual autoregressive models.

    import varnum as vn
    answer = vn.plan(M="1", d=8, eps="1e-3", n=16)
    answer.degree, answer.rank, answer.pays

Heavy parts load on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from varnum._version import __version__
from varnum.errors import InputError, MissingExtra
from varnum.verdict import Proved, Refuted, Unknown

if TYPE_CHECKING:
    from varnum._attention import Attention, Certificate, attention
    from varnum._plan import Plan, plan
    from varnum._plan_flowar import FlowPlan, plan_flowar
    from varnum._proofs import certify, check, verify
    from varnum._slot import GuaranteedKernel
    from varnum.audit.calls.logit_bound import logit_bound
    from varnum.audit.calls.model import Audit, audit_model
    from varnum.integrations.call import Call
    from varnum.integrations.capture import Seen, Unexplained, capture, watch
    from varnum.integrations.certificates import certificates
    from varnum.integrations.sdpa import sdpa
    from varnum.integrations.triage import Triage, triage
    from varnum.integrations.use import use
    from varnum.lowrank.stream import VarAttention
    from varnum.propagate.ensemble.error import error_of
    from varnum.propagate.ensemble.flow_error import flow_error_of
    from varnum.sampled.prompts import error_over
    from varnum.sampled.row_sample import SampleCheck, sample_check

_LAZY = {
    "attention": "varnum._attention",
    "Attention": "varnum._attention",
    "Audit": "varnum.audit.calls.model",
    "audit_model": "varnum.audit.calls.model",
    "logit_bound": "varnum.audit.calls.logit_bound",
    "Call": "varnum.integrations.call",
    "capture": "varnum.integrations.capture",
    "Certificate": "varnum._attention",
    "Seen": "varnum.integrations.capture",
    "Unexplained": "varnum.integrations.capture",
    "watch": "varnum.integrations.capture",
    "Triage": "varnum.integrations.triage",
    "triage": "varnum.integrations.triage",
    "VarAttention": "varnum.lowrank.stream",
    "certificates": "varnum.integrations.certificates",
    "certify": "varnum._proofs",
    "check": "varnum._proofs",
    "plan": "varnum._plan",
    "Plan": "varnum._plan",
    "plan_flowar": "varnum._plan_flowar",
    "FlowPlan": "varnum._plan_flowar",
    "GuaranteedKernel": "varnum._slot",
    "sdpa": "varnum.integrations.sdpa",
    "use": "varnum.integrations.use",
    "error_over": "varnum.sampled.prompts",
    "error_of": "varnum.propagate.ensemble.error",
    "flow_error_of": "varnum.propagate.ensemble.flow_error",
    "verify": "varnum._proofs",
    "sample_check": "varnum.sampled.row_sample",
    "SampleCheck": "varnum.sampled.row_sample",
}

__all__ = [
    "Attention",
    "Audit",
    "Call",
    "Certificate",
    "FlowPlan",
    "GuaranteedKernel",
    "InputError",
    "MissingExtra",
    "Plan",
    "Proved",
    "Refuted",
    "SampleCheck",
    "Seen",
    "Triage",
    "Unexplained",
    "Unknown",
    "VarAttention",
    "__version__",
    "attention",
    "audit_model",
    "capture",
    "certificates",
    "certify",
    "check",
    "error_of",
    "error_over",
    "flow_error_of",
    "logit_bound",
    "plan",
    "plan_flowar",
    "sample_check",
    "sdpa",
    "triage",
    "use",
    "verify",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'varnum' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
