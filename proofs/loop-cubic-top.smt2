; loop-cubic: g is at most 1 for u >= 0, so the box is one-sided
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const u Real)
(assert (>= u 0.0))
; the conclusion, negated
(assert (not (<= (+ (* (- (/ 1.0 2.0)) (* u u u)) (* (/ 3.0 2.0) u)) 1.0)))
(check-sat)
