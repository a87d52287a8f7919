; attention-lipschitz: (1, 0) and (y, z) of length n >= 1: normalising does not increase the distance
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const n Real)
(declare-const y Real)
(assert (>= n 1.0))
(assert (<= y n))
(assert (>= y (* (- 1.0) n)))
; the conclusion, negated
(assert (not (<= (+ (* (- 2.0) y) (* 2.0 n)) (* n (+ 1.0 (* n n) (* (- 2.0) y))))))
(check-sat)
