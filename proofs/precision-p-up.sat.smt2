; twin of precision-p-up: 1 % less is false at 1 + u
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const e Real)
(declare-const u Real)
(declare-const x Real)
(assert (> u 0.0))
(assert (<= u 1.0))
(assert (>= x (+ 1.0 u)))
(assert (<= e u))
; the witness
(assert (= e (/ 1.0 8.0)))
(assert (= u (/ 1.0 8.0)))
(assert (= x (/ 9.0 8.0)))
; the conclusion, negated
(assert (not (<= (* e (+ 1.0 u)) (* (/ 99.0 100.0) u x))))
(check-sat)
(get-model)
