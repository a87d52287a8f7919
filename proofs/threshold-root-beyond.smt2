; threshold-root: x < y gives x|x| < y|y|: the gate is 0 where it should be
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const x Real)
(declare-const y Real)
(assert (< x y))
; the conclusion, negated
(assert (not (< (* x (ite (>= x 0.0) x (- x))) (* y (ite (>= y 0.0) y (- y))))))
(check-sat)
