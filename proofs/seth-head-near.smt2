; seth-head: one key within t: R >= 1, so the output is at least 1/2
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const R Real)
(assert (>= R 1.0))
; the conclusion, negated
(assert (not (>= R (+ (/ 1.0 2.0) (* (/ 1.0 2.0) R)))))
(check-sat)
