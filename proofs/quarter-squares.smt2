; quarter-squares: (a+b)^2 = 4p + e and (a-b)^2 = 4q + e, the same rest e: p - q = ab
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const a Real)
(declare-const b Real)
(declare-const e Real)
(declare-const p Real)
(declare-const q Real)
(assert (= (* (+ a b) (+ a b)) (+ e (* 4.0 p))))
(assert (= (* (+ a (* (- 1.0) b)) (+ a (* (- 1.0) b))) (+ e (* 4.0 q))))
; the conclusion, negated
(assert (not (= (+ p (* (- 1.0) q)) (* a b))))
(check-sat)
