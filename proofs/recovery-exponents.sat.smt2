; twin of recovery-exponents: 1 % less is false: no exponents at all
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const c Real)
(declare-const x Real)
(declare-const y Real)
(assert (> c 0.0))
(assert (>= x 0.0))
(assert (>= y 0.0))
; the witness
(assert (= c 1.0))
(assert (= x 0.0))
(assert (= y 0.0))
; the conclusion, negated
(assert (not (<= (* c (+ c (* 2.0 x) (* 2.0 y))) (* (+ c (* 2.0 y)) (+ (* (/ 99.0 50.0) x) (* (/ 99.0 100.0) c))))))
(check-sat)
(get-model)
