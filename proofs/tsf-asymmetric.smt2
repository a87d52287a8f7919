; tsf-asymmetric: equal pattern and average: the gradients of two heads are as their value weights
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const c Real)
(declare-const g1 Real)
(declare-const g2 Real)
(declare-const o Real)
(declare-const p Real)
(declare-const v1 Real)
(declare-const v2 Real)
(declare-const x Real)
(declare-const y Real)
(assert (= g1 (* p v1 (+ x (* (- 1.0) c)) (+ (* (- 2.0) y) (* 2.0 o)))))
(assert (= g2 (* p v2 (+ x (* (- 1.0) c)) (+ (* (- 2.0) y) (* 2.0 o)))))
; the conclusion, negated
(assert (not (= (* g1 v2) (* g2 v1))))
(check-sat)
