; kv-capacity: reading within 1/(4q) and an error below 1/(4q) stay within half a step
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const a Real)
(declare-const e Real)
(declare-const q Real)
(assert (>= q 1.0))
(assert (<= (* 4.0 a q) 1.0))
(assert (< (* 4.0 e q) 1.0))
; the conclusion, negated
(assert (not (< (* 2.0 q (+ a e)) 1.0)))
(check-sat)
