; precision-p: x in [1, 1 + u] rounds to 1: the error x - 1 is at most u/(1 + u) of x
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const u Real)
(declare-const x Real)
(assert (> u 0.0))
(assert (<= u 1.0))
(assert (>= x 1.0))
(assert (<= x (+ 1.0 u)))
; the conclusion, negated
(assert (not (<= (* (+ 1.0 u) (+ (- 1.0) x)) (* u x))))
(check-sat)
