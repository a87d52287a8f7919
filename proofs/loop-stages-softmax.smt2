; loop-stages: two points at distance 1, weights m, 1 - m: third central moment <= 1/(6 sqrt 3)
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const m Real)
(assert (>= m 0.0))
(assert (<= m 1.0))
; the conclusion, negated
(assert (not (<= (* 108.0 (* m m) (* (+ 1.0 (* (- 1.0) m)) (+ 1.0 (* (- 1.0) m))) (* (+ 1.0 (* (- 2.0) m)) (+ 1.0 (* (- 2.0) m)))) 1.0)))
(check-sat)
