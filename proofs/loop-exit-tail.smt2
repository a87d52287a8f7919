; loop-exit: one more loop turns the bound after t loops into the bound after t + 1; k = K^t
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const K Real)
(declare-const bound Real)
(declare-const k Real)
(declare-const nu Real)
(declare-const x0 Real)
(assert (>= K 0.0))
(assert (< K 1.0))
(assert (= (* bound (+ 1.0 (* (- 1.0) K))) (+ (* nu (+ 1.0 (* (- 1.0) k))) (* k x0 (+ 1.0 (* (- 1.0) K))))))
; the conclusion, negated
(assert (not (= (* (+ 1.0 (* (- 1.0) K)) (+ nu (* K bound))) (+ (* nu (+ 1.0 (* (- 1.0) K k))) (* K k x0 (+ 1.0 (* (- 1.0) K)))))))
(check-sat)
