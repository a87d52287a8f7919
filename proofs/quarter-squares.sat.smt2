; twin of quarter-squares: 1 % more is false at 1 times 1
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const a Real)
(declare-const b Real)
(declare-const e Real)
(declare-const p Real)
(declare-const q Real)
(assert (= (* (+ a b) (+ a b)) (+ e (* 4.0 p))))
(assert (= (* (+ a (* (- 1.0) b)) (+ a (* (- 1.0) b))) (+ e (* 4.0 q))))
; the witness
(assert (= a 1.0))
(assert (= b 1.0))
(assert (= e 0.0))
(assert (= p 1.0))
(assert (= q 0.0))
; the conclusion, negated
(assert (not (= (+ p (* (- 1.0) q)) (* (/ 101.0 100.0) a b))))
(check-sat)
(get-model)
