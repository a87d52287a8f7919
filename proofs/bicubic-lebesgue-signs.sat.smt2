; twin of bicubic-lebesgue-signs: weights in [0, 1] is false: tap -1/9 at t = 1/3
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const a Real)
(declare-const t Real)
(assert (>= t 0.0))
(assert (<= t 1.0))
(assert (<= a 0.0))
; the witness
(assert (= a (- (/ 3.0 4.0))))
(assert (= t (/ 1.0 3.0)))
; the conclusion, negated
(assert (not (>= (* a (+ 4.0 (* (+ 1.0 t) (+ 1.0 t) (+ 1.0 t)) (* (- 5.0) (* (+ 1.0 t) (+ 1.0 t))) (* 8.0 t))) 0.0)))
(check-sat)
(get-model)
