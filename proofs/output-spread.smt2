; output-spread: an entry off by e, in units of a deviation that is at least s~ - e
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const computed Real)
(declare-const e Real)
(declare-const s Real)
(declare-const x Real)
(assert (>= e 0.0))
(assert (> computed e))
(assert (>= s (+ computed (* (- 1.0) e))))
(assert (<= x e))
; the conclusion, negated
(assert (not (<= (* x (+ computed (* (- 1.0) e))) (* e s))))
(check-sat)
