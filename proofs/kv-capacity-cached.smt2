; kv-capacity: one more scale keeps S (alpha^2 - 1) = n^2 - 1: the induction step
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const S Real)
(declare-const alpha Real)
(declare-const n Real)
(assert (>= alpha 2.0))
(assert (>= n 1.0))
(assert (= (* S (+ (- 1.0) (* alpha alpha))) (+ (- 1.0) (* n n))))
; the conclusion, negated
(assert (not (= (* (+ (- 1.0) (* alpha alpha)) (+ S (* n n))) (+ (- 1.0) (* (* alpha alpha) (* n n))))))
(check-sat)
