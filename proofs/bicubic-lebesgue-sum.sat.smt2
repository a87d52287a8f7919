; twin of bicubic-lebesgue-sum: not to 0.99
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
(assert (= t (/ 1.0 2.0)))
; the conclusion, negated
(assert (not (= (+ 2.0 (* a (+ 4.0 (* (+ 1.0 t) (+ 1.0 t) (+ 1.0 t)) (* (- 5.0) (* (+ 1.0 t) (+ 1.0 t))) (* 8.0 t))) (* a (+ 12.0 (* (+ 2.0 (* (- 1.0) t)) (+ 2.0 (* (- 1.0) t)) (+ 2.0 (* (- 1.0) t))) (* (- 8.0) t) (* (- 5.0) (* (+ 2.0 (* (- 1.0) t)) (+ 2.0 (* (- 1.0) t)))))) (* (* t t t) (+ 2.0 a)) (* (* (+ 1.0 (* (- 1.0) t)) (+ 1.0 (* (- 1.0) t)) (+ 1.0 (* (- 1.0) t))) (+ 2.0 a)) (* (- 1.0) (* t t) (+ 3.0 a)) (* (- 1.0) (* (+ 1.0 (* (- 1.0) t)) (+ 1.0 (* (- 1.0) t))) (+ 3.0 a))) (/ 99.0 100.0))))
(check-sat)
(get-model)
