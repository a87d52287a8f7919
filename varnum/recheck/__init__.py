"""Check an attention certificate again: NumPy, the standard library, and nothing else of varnum.

A certificate says: this output is attention of these arrays within this error. `attention_form`
reads the file, `exact_rows` does attention again, every row, with rounding bounds of its own,
`compare` and `agreement` say whether it agrees. Run it with `python -m varnum.recheck FILE --inputs
in.npz --output out.npy`. What it does not look at: by which method the output was made, and how
(docs/reference/attention-certificate.md).
"""

from .agreement import Agreed, check
from .attention_form import SCHEMA, Disagrees, Malformed, is_attention, serialise

__all__ = ["SCHEMA", "Agreed", "Disagrees", "Malformed", "check", "is_attention", "serialise"]
