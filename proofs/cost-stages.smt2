; cost-stages: |y|^2, |z|^2 at most a^2 bound |y.z| by a^2, here with two entries
; printed from varnum's formulas; do not edit by hand
(set-option :produce-models true)
(set-logic QF_NRA)
(set-info :status unsat)
(declare-const a Real)
(declare-const k1 Real)
(declare-const k2 Real)
(declare-const q1 Real)
(declare-const q2 Real)
(assert (<= (+ (* q1 q1) (* q2 q2)) (* a a)))
(assert (<= (+ (* k1 k1) (* k2 k2)) (* a a)))
; the conclusion, negated
(assert (not (<= (+ (* k1 q1) (* k2 q2)) (* a a))))
(check-sat)
