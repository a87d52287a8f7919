; attention-lipschitz: one coordinate: q'k' - qk is three products
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const dk Real)
(declare-const dq Real)
(declare-const ek Real)
(declare-const eq Real)
(declare-const k1 Real)
(declare-const q1 Real)
(assert (<= dq eq))
(assert (>= dq (* (- 1.0) eq)))
(assert (<= dk ek))
(assert (>= dk (* (- 1.0) ek)))
; the conclusion, negated
(assert (not (= (+ (* (+ dk k1) (+ dq q1)) (* (- 1.0) k1 q1)) (+ (* dk dq) (* dk q1) (* dq k1)))))
(check-sat)
