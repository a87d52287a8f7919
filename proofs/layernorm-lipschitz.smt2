; layernorm-lipschitz: (1, 0) moved by (d1, d2) of length <= h < 1: cos^2 of the turn is at least 1 - h^2
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const d1 Real)
(declare-const d2 Real)
(declare-const h Real)
(assert (>= h 0.0))
(assert (< h 1.0))
(assert (<= (+ (* d1 d1) (* d2 d2)) (* h h)))
; the conclusion, negated
(assert (not (and (>= (+ 1.0 d1) 0.0) (<= (* (+ 1.0 (* (- 1.0) (* h h))) (+ (* d2 d2) (* (+ 1.0 d1) (+ 1.0 d1)))) (* (+ 1.0 d1) (+ 1.0 d1))))))
(check-sat)
