; twin of seth-head-near: 1 % more is false: one key, exactly at t
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const R Real)
(assert (>= R 1.0))
; the witness
(assert (= R 1.0))
; the conclusion, negated
(assert (not (>= R (+ (/ 101.0 200.0) (* (/ 101.0 200.0) R)))))
(check-sat)
(get-model)
