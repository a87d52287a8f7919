; twin of seth-head-far: 1 % less is false: all keys exactly at t2
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const R Real)
(declare-const n Real)
(declare-const w Real)
(assert (>= n 1.0))
(assert (>= w 0.0))
(assert (<= (* 3.0 n w) 1.0))
(assert (>= R 0.0))
(assert (<= R (* n w)))
; the witness
(assert (= R (/ 1.0 3.0)))
(assert (= n 1.0))
(assert (= w (/ 1.0 3.0)))
; the conclusion, negated
(assert (not (<= R (+ (/ 99.0 400.0) (* (/ 99.0 400.0) R)))))
(check-sat)
(get-model)
