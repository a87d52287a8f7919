; twin of output-spread: attained by +-2 against +-1
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const computed Real)
(declare-const e Real)
(declare-const s Real)
(declare-const x Real)
(assert (>= e 0.0))
(assert (> computed e))
(assert (>= s (+ computed (* (- 1.0) e))))
(assert (<= x e))
; the witness
(assert (= computed 2.0))
(assert (= e 1.0))
(assert (= s 1.0))
(assert (= x 1.0))
; the conclusion, negated
(assert (not (<= (* x (+ computed (* (- 1.0) e))) (* (/ 99.0 100.0) e s))))
(check-sat)
(get-model)
