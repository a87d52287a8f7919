; twin of softmax-compose: 1 % less is false: p = 1/(1+u), r = u^2
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const p Real)
(declare-const r Real)
(declare-const u Real)
(assert (>= p 0.0))
(assert (<= p 1.0))
(assert (>= r 1.0))
(assert (<= r (* u u)))
(assert (>= u 1.0))
; the witness
(assert (= p (/ 1.0 3.0)))
(assert (= r 4.0))
(assert (= u 2.0))
; the conclusion, negated
(assert (not (<= (* p (+ 1.0 u) (+ 1.0 (* (- 1.0) p)) (+ (- 1.0) r)) (* (+ 1.0 (* p (+ (- 1.0) r))) (+ (- (/ 99.0 100.0)) (* (/ 99.0 100.0) u))))))
(check-sat)
(get-model)
