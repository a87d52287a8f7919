; twin of bicubic-lebesgue: 1 % less is false at t = 1/2 (a = -3/4: 11/8)
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
(assert (not (<= (+ 2.0 (* (* t t t) (+ 2.0 a)) (* (* (+ 1.0 (* (- 1.0) t)) (+ 1.0 (* (- 1.0) t)) (+ 1.0 (* (- 1.0) t))) (+ 2.0 a)) (* (- 1.0) a (+ 4.0 (* (+ 1.0 t) (+ 1.0 t) (+ 1.0 t)) (* (- 5.0) (* (+ 1.0 t) (+ 1.0 t))) (* 8.0 t))) (* (- 1.0) a (+ 12.0 (* (+ 2.0 (* (- 1.0) t)) (+ 2.0 (* (- 1.0) t)) (+ 2.0 (* (- 1.0) t))) (* (- 8.0) t) (* (- 5.0) (* (+ 2.0 (* (- 1.0) t)) (+ 2.0 (* (- 1.0) t)))))) (* (- 1.0) (* t t) (+ 3.0 a)) (* (- 1.0) (* (+ 1.0 (* (- 1.0) t)) (+ 1.0 (* (- 1.0) t))) (+ 3.0 a))) (+ (/ 99.0 100.0) (* (- (/ 99.0 200.0)) a)))))
(check-sat)
(get-model)
