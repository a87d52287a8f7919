; precision-p: x >= 1 + u: an error of at most u is at most u/(1 + u) of x
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const e Real)
(declare-const u Real)
(declare-const x Real)
(assert (> u 0.0))
(assert (<= u 1.0))
(assert (>= x (+ 1.0 u)))
(assert (<= e u))
; the conclusion, negated
(assert (not (<= (* e (+ 1.0 u)) (* u x))))
(check-sat)
