; twin of attention-lipschitz-normalise: both of length 1: nothing is gained
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const n Real)
(declare-const y Real)
(assert (>= n 1.0))
(assert (<= y n))
(assert (>= y (* (- 1.0) n)))
; the witness
(assert (= n 1.0))
(assert (= y 0.0))
; the conclusion, negated
(assert (not (<= (+ (* (- 2.0) y) (* 2.0 n)) (* (/ 99.0 100.0) n (+ 1.0 (* n n) (* (- 2.0) y))))))
(check-sat)
(get-model)
