; twin of loop-cubic-lost: not 1 % less: just beyond the threshold g nearly reaches x
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const s Real)
(declare-const x Real)
(assert (> x 0.0))
(assert (> s 0.0))
(assert (> (* 27.0 (* s s)) 1.0))
(assert (< (* s s) 3.0))
; the witness
(assert (= s (/ 77.0 400.0)))
(assert (= x (/ 77.0 100.0)))
; the conclusion, negated
(assert (not (< (+ (* (- (/ 3.0 2.0)) s) (* (- (/ 1.0 2.0)) (* (+ x (* (- 1.0) s)) (+ x (* (- 1.0) s)) (+ x (* (- 1.0) s)))) (* (/ 3.0 2.0) x)) (* (/ 99.0 100.0) x))))
(check-sat)
(get-model)
