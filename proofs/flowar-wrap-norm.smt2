; flowar-wrap: an entry of -1, 0 or 1 and its partner 1 - |entry| have length 1
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const q1 Real)
(assert (= (* q1 (+ (- 1.0) (* q1 q1))) 0.0))
; the conclusion, negated
(assert (not (= (+ (* q1 q1) (* (+ 1.0 (* (- 1.0) (ite (>= q1 0.0) q1 (- q1)))) (+ 1.0 (* (- 1.0) (ite (>= q1 0.0) q1 (- q1)))))) 1.0)))
(check-sat)
