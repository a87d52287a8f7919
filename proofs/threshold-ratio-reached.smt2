; threshold-ratio: every m up to q = floor(a/b) has its gate at 1
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const a Real)
(declare-const b Real)
(declare-const m Real)
(declare-const q Real)
(assert (>= b 1.0))
(assert (>= a (* b q)))
(assert (<= m q))
; the conclusion, negated
(assert (not (>= (+ a (* (- 1.0) b m)) 0.0)))
(check-sat)
