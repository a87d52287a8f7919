; twin of cost-stages: 1 % less is false: a pixel that holds all, against itself
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const a Real)
(declare-const k1 Real)
(declare-const k2 Real)
(declare-const q1 Real)
(declare-const q2 Real)
(assert (<= (+ (* q1 q1) (* q2 q2)) (* a a)))
(assert (<= (+ (* k1 k1) (* k2 k2)) (* a a)))
; the witness
(assert (= a 1.0))
(assert (= k1 (/ 3.0 5.0)))
(assert (= k2 (/ 4.0 5.0)))
(assert (= q1 (/ 3.0 5.0)))
(assert (= q2 (/ 4.0 5.0)))
; the conclusion, negated
(assert (not (<= (+ (* k1 q1) (* k2 q2)) (* (/ 99.0 100.0) (* a a)))))
(check-sat)
(get-model)
