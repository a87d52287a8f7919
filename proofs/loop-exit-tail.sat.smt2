; twin of loop-exit-tail: the noise of the loops before counts
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status sat)
(declare-const K Real)
(declare-const bound Real)
(declare-const k Real)
(declare-const nu Real)
(declare-const x0 Real)
(assert (>= K 0.0))
(assert (< K 1.0))
(assert (= (* bound (+ 1.0 (* (- 1.0) K))) (+ (* nu (+ 1.0 (* (- 1.0) k))) (* k x0 (+ 1.0 (* (- 1.0) K))))))
; the witness
(assert (= K (/ 1.0 2.0)))
(assert (= bound 1.0))
(assert (= k 1.0))
(assert (= nu 1.0))
(assert (= x0 1.0))
; the conclusion, negated
(assert (not (= (* (+ 1.0 (* (- 1.0) K)) (+ nu (* K bound))) (+ (* (/ 99.0 100.0) nu) (* K k x0 (+ 1.0 (* (- 1.0) K)))))))
(check-sat)
(get-model)
